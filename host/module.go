package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/sdk/abi"
)

// Module is a checked and compiled module. Its methods may be called by any goroutine.
type Module struct {
	hash        string
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	description abi.Description

	inspection   Inspection
	plain        bool // without safepoints
	info         rewrite.Info
	cache        wazero.CompilationCache // nil if there is none
	globals      []global                // the mutable ones
	memoryPages  uint32                  // at the start
	tableEntries int64                   // of the largest table, at the start
	names        []byte                  // name section, for traces
	imported     int                     // functions

	beganOnce sync.Once
	began     []byte // by beginning
	beganErr  error
}

// global is a mutable global of the module.
type global struct {
	index     int
	valueType byte
}

// Load checks a module, compiles it and asks it to describe itself, in a scratch
// instance. A module that can't be run is answered with a *Refusal.
func (h *Host) Load(ctx context.Context, wasm []byte) (_ *Module, err error) {
	sum := sha256.Sum256(wasm)
	m := &Module{hash: hex.EncodeToString(sum[:]), plain: h.config.NoSafepoints}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	defer m.guard(&err)
	b, err := m.decode(wasm)
	if err != nil {
		return nil, err
	}
	m.keep(b)
	m.inspect(b, len(wasm))
	if err := m.compile(ctx, h, b); err != nil {
		return nil, err
	}
	if err := m.describe(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// keep remembers what is needed of the decoded module: nothing of it may alias wasm,
// which is the caller's.
func (m *Module) keep(b *binary.Module) {
	for n := range b.Globals {
		if b.Globals[n].Mutable {
			m.globals = append(m.globals, global{index: n, valueType: b.Globals[n].Type})
		}
	}
	for _, t := range b.Tables {
		m.tableEntries = max(m.tableEntries, int64(t.Min))
	}
	m.memoryPages = b.Memories[0].Min
	for _, c := range b.Customs {
		if c.Name == "name" {
			m.names = bytes.Clone(c.Data)
		}
	}
	m.imported = len(b.Imports)
}

func (m *Module) refuse(r Refusal) error {
	r.Module = m.hash[:12]
	return &r
}

// describe asks the module what it is, in an instance made for the question.
func (m *Module) describe(ctx context.Context) error {
	i, err := m.Instantiate(ctx, InstanceConfig{Collector: nil, Logger: slog.New(slog.DiscardHandler)})
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		return err
	case err != nil:
		return m.refuse(Refusal{Reason: "the module can't start", Err: err})
	}
	defer i.Close()
	refused := func(err error) error {
		return m.refuse(Refusal{Function: abi.ExportDescribe, Reason: "the module can't describe itself", Err: err})
	}
	i.begin()
	if err := i.run(abi.ExportDescribe, i.exports.describe); err != nil {
		return refused(err)
	}
	ptr, size := uint32(i.stack[0]>>32), uint32(i.stack[0])
	text, ok := i.memory.view(ptr, size)
	if !ok || size > maxDescription {
		return refused(fmt.Errorf("%d bytes at %#x are outside the memory of %d bytes", size, ptr, i.memory.size))
	}
	m.description, err = parseDescription(text)
	if err != nil {
		return m.refuse(Refusal{Function: abi.ExportDescribe, Reason: "what the module says of itself " + err.Error()})
	}
	return m.checkShape(i.guest)
}

// Description is what the module says of itself.
func (m *Module) Description() abi.Description { return m.description }

// SHA256 is the hash, in hex, of the module as it was loaded: its name.
func (m *Module) SHA256() string { return m.hash }

// Close releases the module. Its instances must have been closed before.
func (m *Module) Close() error {
	var err error
	if m.runtime != nil {
		err = m.runtime.Close(context.Background())
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(context.Background()))
	}
	m.runtime, m.cache = nil, nil
	return err
}

// Instantiate makes an instance and runs its start function and _initialize. Errors
// are guest faults, or a *Refusal if the module can't start under the limits.
func (m *Module) Instantiate(ctx context.Context, c InstanceConfig) (*Instance, error) {
	i, err := m.instance(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct{ export, name string }{{rewrite.ExportStart, "start function"}, {abi.Initialize, abi.Initialize}} {
		if function := i.guest.ExportedFunction(f.export); function != nil {
			i.begin()
			if err := i.run(f.name, function); err != nil {
				i.Close()
				return nil, err
			}
		}
	}
	return i, nil
}
