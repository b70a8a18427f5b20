package host

import (
	"context"
	"errors"

	"github.com/wasmill/wasmill/sdk/abi"
)

// Module is a checked and compiled module.
type Module struct{ description abi.Description }

// Load checks a module, compiles it and asks it to describe itself, in a scratch
// instance. A module that can't be run is answered with a *Refusal.
func (h *Host) Load(ctx context.Context, wasm []byte) (*Module, error) {
	return nil, errors.New("not built yet")
}

// Description is what the module says of itself.
func (m *Module) Description() abi.Description { return m.description }

// SHA256 is the hash, in hex, of the module as it was loaded: its name.
func (m *Module) SHA256() string { return "" }

// Close releases the module. Its instances must have been closed before.
func (m *Module) Close() error { return nil }
