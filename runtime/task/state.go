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
	Heap      Heap // nil: the instance itself is not kept
}

// Heap takes snapshots of an operator's instance. It belongs to the task's goroutine.
type Heap interface {
	Snapshot(checkpoint uint64) (state.Snapshot, error)
	Confirm(checkpoint uint64)
	Close() error
}

// snapshot fixes what the operator keeps as its part of a checkpoint.
func (s *State) snapshot(checkpoint uint64, part *Part) (err error) {
	if s.Keyed != nil {
		if part.Keyed, err = s.Keyed.Snapshot(checkpoint, s.Full()); err != nil {
			return err
		}
	}
	if s.Own != nil {
		if part.Own, err = s.Own.Snapshot(checkpoint, true); err != nil {
			return err
		}
	}
	if s.Heap != nil {
		part.Heap, err = s.Heap.Snapshot(checkpoint)
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
	if s.Heap != nil {
		s.Heap.Confirm(checkpoint)
	}
}

func (s *State) close() error {
	var errs []error
	for _, b := range []state.Backend{s.Keyed, s.Own} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	if s.Heap != nil {
		errs = append(errs, s.Heap.Close())
	}
	*s = State{}
	return errors.Join(errs...)
}
