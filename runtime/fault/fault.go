// Package fault is how wasmill speaks of failures of running work: a few classes,
// which decide what happens next, and one struct that says where it happened and
// what would help.
//
// Errors that only pass through are wrapped with fmt.Errorf("verb noun: %w"); an
// Error is made where the place is known: in the task.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wasmill/wasmill/runtime/id"
)

// The classes. An error has at most one; match with errors.Is.
var (
	// ErrGuest is the fault of an operator's module or of what it was given: running
	// it again on the same input fails again.
	ErrGuest = errors.New("guest fault")
	// ErrTransient may go away by itself: a lost connection, a dead worker.
	ErrTransient = errors.New("transient")
	// ErrFenced means that somebody with a higher term or attempt acts now.
	ErrFenced = errors.New("fenced")
	// ErrCorrupt means that stored or received bytes are not what was written.
	ErrCorrupt = errors.New("corrupt")
)

// Error is a failure with its place. Zero fields are left out of the text.
type Error struct {
	Subtask id.Subtask // operator and subtask that failed
	Place   string     // within the subtask: a file and line, a record, a channel
	Hint    string     // what the user can do
	Err     error      // the cause; carries the class
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Subtask.Operator != "" {
		fmt.Fprintf(&b, "%s: ", e.Subtask)
	}
	if e.Place != "" {
		fmt.Fprintf(&b, "%s: ", e.Place)
	}
	b.WriteString(e.Err.Error())
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

type classified struct {
	class error
	err   error
}

func (c *classified) Error() string   { return c.err.Error() }
func (c *classified) Unwrap() []error { return []error{c.err, c.class} }

// As gives err a class without changing its text; nil stays nil.
func As(class, err error) error {
	if err == nil {
		return nil
	}
	return &classified{class: class, err: err}
}

// Guestf makes a guest fault.
func Guestf(format string, args ...any) error { return As(ErrGuest, fmt.Errorf(format, args...)) }

// Transientf makes a transient failure.
func Transientf(format string, args ...any) error {
	return As(ErrTransient, fmt.Errorf(format, args...))
}

// Corruptf makes a corruption error.
func Corruptf(format string, args ...any) error { return As(ErrCorrupt, fmt.Errorf(format, args...)) }
