package cluster

import (
	"errors"

	"github.com/wasmill/wasmill/runtime/fault"
)

var classes = []struct {
	name string
	err  error
}{
	{"guest", fault.ErrGuest}, {"transient", fault.ErrTransient}, {"fenced", fault.ErrFenced}, {"corrupt", fault.ErrCorrupt},
}

// CauseOf makes a cause of an error, keeping its place and class.
func CauseOf(err error) Cause {
	c := Cause{Text: err.Error()}
	var located *fault.Error
	if errors.As(err, &located) {
		c.Operator, c.Subtask = located.Subtask.Operator, located.Subtask.Index
	}
	for _, class := range classes {
		if errors.Is(err, class.err) {
			c.Class = class.name
			break
		}
	}
	return c
}

// Err makes an error of a cause again; errors.Is finds its class.
func (c Cause) Err() error {
	err := errors.New(c.Text)
	for _, class := range classes {
		if class.name == c.Class {
			return fault.As(class.err, err)
		}
	}
	return err
}
