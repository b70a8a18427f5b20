package task

import (
	"errors"

	"github.com/wasmill/wasmill/runtime/state"
)

// State is what an operator's subtask keeps, as its opener made it; the zero value is
// that of one which keeps nothing. It belongs to the task's goroutine, but for the
// snapshots, which are written by whoever gets them.
type State struct {
	Keyed  state.Backend // nil: none
	Own    state.Backend // the tables that belong to no key; nil: none
	Tables *state.Tables // both, as the guest sees them
	Timers *state.Timers // nil: it can't set any
	// Full tells whether the next snapshot of Keyed is to be a full one, and Confirmed
	// takes the news that a checkpoint completed.
	Full      func() bool
	Confirmed func(checkpoint uint64)
}

// snapshot fixes what the operator keeps as its part of a checkpoint.
func (s *State) snapshot(checkpoint uint64, part *Part) (err error) {
	if s.Keyed != nil {
		if part.Keyed, err = s.Keyed.Snapshot(checkpoint, s.Full()); err != nil {
			return err
		}
	}
	if s.Own != nil {
		part.Own, err = s.Own.Snapshot(checkpoint, true)
	}
	return err
}

func (s *State) confirm(checkpoint uint64) {
	if s.Keyed != nil {
		s.Confirmed(checkpoint)
		s.Keyed.Confirm(checkpoint)
	}
	if s.Own != nil {
		s.Own.Confirm(checkpoint)
	}
}

func (s *State) close() error {
	var errs []error
	for _, b := range []state.Backend{s.Keyed, s.Own} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	*s = State{}
	return errors.Join(errs...)
}
