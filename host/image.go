package host

import (
	"context"
	"errors"
)

// Image is the whole state of an instance between two calls, in terms of the module
// as it was loaded: independent of how it was rewritten and compiled.
type Image struct{}

// Image copies the instance's state. It fails for a module that changes its tables.
func (i *Instance) Image() (*Image, error) { return nil, errors.New("take image: not built yet") }

// Restore makes an instance that continues where the image was taken. Neither start
// function nor _initialize nor wasmill_open runs.
func (m *Module) Restore(ctx context.Context, c InstanceConfig, image *Image) (*Instance, error) {
	return nil, errors.New("restore image: not built yet")
}
