package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// Exit codes; scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInvalid     = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitUnreachable = 6
	exitGuestFault  = 7
	exitNotAllowed  = 9
	exitLostRace    = 10
	exitInterrupted = 130
)

// errInterrupted ends a command that a signal ended.
var errInterrupted = errors.New("interrupted")

// usageError is a command line that can't be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// invalidError is a job file, module or configuration that can't be used.
type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

func invalid(err error) error { return invalidError{err} }

// notFoundError is a job, a checkpoint or an entry that is not there.
type notFoundError struct{ error }

func (e notFoundError) Unwrap() error { return e.error }

func notFoundf(format string, args ...any) error { return notFoundError{fmt.Errorf(format, args...)} }

// lostRaceError is something that changed at the same time: trying again may help.
type lostRaceError struct{ error }

func (e lostRaceError) Unwrap() error { return e.error }

// refusedError is something that is not done, and says what would allow it.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// unreachableError is a server that does not answer.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

// deniedError is something that whoever asks may not do.
type deniedError struct{ error }

func (e deniedError) Unwrap() error { return e.error }

// jobError is a job that ran and failed.
type jobError struct {
	job string
	err error
}

func (e *jobError) Error() string { return fmt.Sprintf("job %s failed: %v", e.job, e.err) }
func (e *jobError) Unwrap() error { return e.err }

// exitCode is what a command's error means to a script.
func exitCode(err error) int {
	var (
		usage       usageError
		failed      *jobError
		problems    graph.Problems
		refusal     *host.Refusal
		invalid     invalidError
		notFound    notFoundError
		lostRace    lostRaceError
		refused     refusedError
		unreachable *unreachableError
		denied      deniedError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, fault.ErrFenced), errors.As(err, &lostRace):
		return exitLostRace
	case errors.As(err, &failed) && errors.Is(err, fault.ErrGuest):
		return exitGuestFault
	case errors.As(err, &failed):
		return exitFailed
	case errors.As(err, &problems), errors.As(err, &refusal), errors.As(err, &invalid):
		return exitInvalid
	case errors.As(err, &notFound):
		return exitNotFound
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.As(err, &denied):
		return exitNotAllowed
	}
	return exitFailed
}

// markUsage makes usage errors of what cobra says about flags and arguments.
func markUsage(c *cobra.Command) {
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			switch {
			case err == nil:
				return nil
			case cmd.HasParent():
				return usagef("%w: %s (see %s --help)", err, cmd.UseLine(), cmd.CommandPath())
			}
			return usageError{err}
		}
	}
	for _, child := range c.Commands() {
		markUsage(child)
	}
}
