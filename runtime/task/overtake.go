package task

import (
	"context"
	"errors"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
)

// InFlight is what a barrier has overtaken on its way into a task and out of it.
type InFlight struct {
	In, Out []exchange.Caught // each channel's in order
}

// Empty reports whether there is nothing to store.
func (f *InFlight) Empty() bool { return len(f.In) == 0 && len(f.Out) == 0 }

// Flight is what is in flight at a task's checkpoint. It is known some time after the
// rest: when the barrier has come on every channel, and left by every other.
type Flight struct {
	known  chan struct{}
	caught InFlight // once it is known
	err    error    // once it is known
}

func newFlight() *Flight { return &Flight{known: make(chan struct{})} }

// Wait returns what is in flight when that is known. The error says why it never will be.
func (f *Flight) Wait(ctx context.Context) (*InFlight, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-f.known:
		return &f.caught, f.err
	}
}

// flight is a checkpoint whose barrier may still overtake.
type flight struct {
	*Flight
	checkpoint uint64
	since      time.Time // the barrier waits in the outputs
	out        bool      // it has left, or overtaken all that there was no room for
	recording  bool      // the inbox records what it overtakes
}

// trigger is a checkpoint that a source was asked for.
type trigger struct {
	checkpoint uint64 // 0: none
	came       time.Time
}

// patience is how long a barrier waits before it overtakes.
func (t *Task) patience() time.Duration { return t.config.Plan.Checkpoint.UnalignedAfter }

// mindBarriers lets barriers overtake that have waited long enough: those of the last
// checkpoint in the outputs, which have room or not, and between turns those that wait
// in the inputs. It reports whether there is more to send.
func (t *Task) mindBarriers(ctx context.Context, room, between bool) (more bool, err error) {
	if t.flight != nil {
		more = t.mindFlight(room)
	}
	if !between || more {
		return more, nil
	}
	if n := t.triggered; n.checkpoint > 0 {
		if room || time.Since(n.came) < t.patience() {
			return false, nil
		}
		t.triggered = trigger{}
		return true, t.overtake(ctx, n.checkpoint)
	}
	n, due := t.overdue()
	if !due {
		return false, nil
	}
	steps := t.merge.overtake(n)
	for _, s := range steps {
		if err := t.do(ctx, s); err != nil {
			return false, err
		}
	}
	return len(steps) > 0, nil
}

// overdue finds a checkpoint whose first barrier has waited too long for the others.
func (t *Task) overdue() (checkpoint uint64, due bool) {
	if t.config.Inbox == nil {
		return 0, false
	}
	n, came, ok := t.config.Inbox.Newest(t.merge.done)
	return n, ok && time.Since(came) >= t.patience()
}

// mindFlight overtakes in the outputs and completes the flight when it can.
func (t *Task) mindFlight(room bool) (more bool) {
	f := t.flight
	if room {
		f.out = true
	}
	if !f.out && time.Since(f.since) >= t.patience() {
		for _, w := range t.writers {
			f.caught.Out = append(f.caught.Out, w.Overtake(f.checkpoint)...)
		}
		f.out, more = true, true
	}
	if f.recording {
		if in, ok := t.config.Inbox.Recorded(); ok {
			f.caught.In, f.recording = in, false
		}
	}
	if f.out && !f.recording {
		close(f.known)
		t.flight = nil
	}
	return more
}

// overtake takes a checkpoint whose barrier overtakes at once, in the outputs as well.
func (t *Task) overtake(ctx context.Context, checkpoint uint64) error {
	if t.config.Inbox != nil {
		_, t.alignedSince, _ = t.config.Inbox.Newest(0)
	}
	if err := t.checkpoint(ctx, checkpoint); err != nil {
		return err
	}
	t.flight.since = time.Time{}
	return nil
}

// record has the inbox catch what a channel has in front of the barrier.
func (t *Task) record(channel int) {
	t.flight.recording = true
	t.config.Inbox.Record(t.flight.checkpoint, channel)
}

// forget ends the flight of a checkpoint, up to this one, that will not be complete.
func (t *Task) forget(checkpoint uint64, reason string) {
	if t.triggered.checkpoint <= checkpoint {
		t.triggered = trigger{}
	}
	f := t.flight
	if f == nil || f.checkpoint > checkpoint {
		return
	}
	if f.recording {
		t.config.Inbox.Forget()
	}
	f.err = errors.New("the checkpoint's in-flight data is not complete: " + reason)
	close(f.known)
	t.flight = nil
}

// overtakeAt is when a barrier has waited long enough, zero if none waits.
func (t *Task) overtakeAt(between bool) (at time.Time) {
	earlier := func(came time.Time) {
		if due := came.Add(t.patience()); at.IsZero() || due.Before(at) {
			at = due
		}
	}
	if f := t.flight; f != nil && !f.out {
		earlier(f.since)
	}
	if !between {
		return at
	}
	if t.triggered.checkpoint > 0 {
		earlier(t.triggered.came)
	}
	if t.config.Inbox != nil {
		if _, came, ok := t.config.Inbox.Newest(t.merge.done); ok {
			earlier(came)
		}
	}
	return at
}

// commandLate takes a command while there is no room. A source that is asked for a
// checkpoint waits for room, and not for long.
func (t *Task) commandLate(ctx context.Context, c Command) error {
	if c.Kind == Trigger {
		if t.head.source != nil && c.Checkpoint > t.lastCheckpoint {
			t.triggered = trigger{c.Checkpoint, time.Now()}
		}
		return nil
	}
	return t.command(ctx, c)
}
