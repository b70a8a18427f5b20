package snapshots

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Choice is what an attempt begins with.
type Choice struct {
	// Checkpoint to restore; nil: the life of the job has none yet, and begins from
	// Spec.From, or from nothing.
	Checkpoint *Checkpoint
	// Checked tells that it is known to be sound; otherwise check it and choose again.
	Checked bool
	// Skipped are newer checkpoints that can't be used: an alarm.
	Skipped []Skipped
}

// Skipped is a checkpoint that can't be used, and why. With number 0, it is an entry of
// the log that can't be read and may have been one.
type Skipped struct {
	Checkpoint uint64
	Entry      uint64 // of the log
	Err        error
}

// NoStateError refuses to start a job whose state is not to be had (C3).
type NoStateError struct {
	Skipped []Skipped
}

func (e *NoStateError) Error() string {
	var b strings.Builder
	b.WriteString("no checkpoint of this job can be restored")
	for _, s := range e.Skipped {
		if s.Checkpoint == 0 {
			fmt.Fprintf(&b, "; log entry %d: %v", s.Entry, s.Err)
		} else {
			fmt.Fprintf(&b, "; checkpoint %d: %v", s.Checkpoint, s.Err)
		}
	}
	b.WriteString(" (--from none starts it without its state)")
	return b.String()
}

// Is makes it a corruption.
func (e *NoStateError) Is(target error) bool { return target == fault.ErrCorrupt }

// Choose picks the newest checkpoint of this life of the job that is not known to be
// damaged. Checked has the results of Folder.Check so far, by number: nil for sound. A
// result that is no corruption says nothing: its error is returned, since one must not
// go back further than needed. NoStateError: the job has state, but none can be used.
func Choose(s *State, checked map[uint64]error) (Choice, error) {
	var choice Choice
	for _, u := range s.Unreadable {
		choice.Skipped = append(choice.Skipped, Skipped{Entry: u.Entry, Err: u.Err})
	}
	for i := range s.Checkpoints {
		c := &s.Checkpoints[i]
		if c.Former {
			break
		}
		err, known := checked[c.Manifest.Checkpoint]
		switch {
		case !known || err == nil:
			choice.Checkpoint, choice.Checked = c, known
			return choice, nil
		case !errors.Is(err, fault.ErrCorrupt):
			return Choice{}, fmt.Errorf("check checkpoint %d: %w", c.Manifest.Checkpoint, err)
		}
		choice.Skipped = append(choice.Skipped, Skipped{c.Manifest.Checkpoint, c.Entry, err})
	}
	// C3: an entry that can't be read may have been a checkpoint.
	if s.Began || len(s.Unreadable) > 0 {
		return Choice{}, &NoStateError{Skipped: choice.Skipped}
	}
	return choice, nil
}

// Pick chooses and checks until a checkpoint is sound. Known are results from before:
// of checkpoints that turned out to be damaged when they were read; it may be nil.
func Pick(ctx context.Context, s *State, f Folder, depth Depth, known map[uint64]error) (Choice, error) {
	checked := map[uint64]error{}
	for n, err := range known {
		checked[n] = err
	}
	for {
		choice, err := Choose(s, checked)
		if err != nil || choice.Checkpoint == nil || choice.Checked {
			return choice, err
		}
		m := &choice.Checkpoint.Manifest
		checked[m.Checkpoint] = f.Check(ctx, m, depth)
	}
}
