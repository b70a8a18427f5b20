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
// rest: when the barrier has left on every channel, and come on every other.
type Flight struct {
	left      chan struct{} // closed when what follows is set
	out       []exchange.Caught
	recording *exchange.Recording // of the inbox; nil if nothing is overtaken there
	err       error
}

var errForgotten = errors.New("in-flight data is not complete: the checkpoint was given up, or a later one came")

// Wait returns what is in flight when that is known. The error says why it never will be.
func (f *Flight) Wait(ctx context.Context) (*InFlight, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-f.left:
	}
	if f.err != nil || f.recording == nil {
		return &InFlight{Out: f.out}, f.err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-f.recording.Done():
	}
	in, ok := f.recording.Caught()
	if !ok {
		return nil, errForgotten
	}
	return &InFlight{In: in, Out: f.out}, nil
}

// flight is a checkpoint whose barrier has not left on every channel.
type flight struct {
	*Flight
	checkpoint uint64
	since      time.Time // the barrier waits
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
	if more || !between {
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
	if len(steps) == 0 {
		return false, nil
	}
	var catching []int
	for _, s := range steps {
		if s.kind == catch {
			catching = append(catching, int(s.value))
			continue
		}
		if err := t.do(ctx, s); err != nil {
			return false, err
		}
	}
	if len(catching) > 0 { // none: the task could not take the checkpoint
		t.flight.recording = t.config.Inbox.Record(n, catching)
	}
	return true, nil
}

// overdue finds a checkpoint whose first barrier has waited too long for the others.
func (t *Task) overdue() (checkpoint uint64, due bool) {
	if t.config.Inbox == nil {
		return 0, false
	}
	n, came, ok := t.config.Inbox.Newest(t.merge.done)
	return n, ok && time.Since(came) >= t.patience()
}

// mindFlight sees to it that the barrier of the last checkpoint leaves.
func (t *Task) mindFlight(room bool) (more bool) {
	f := t.flight
	if !room {
		if time.Since(f.since) < t.patience() {
			return false
		}
		for _, w := range t.writers {
			f.out = append(f.out, w.Overtake(f.checkpoint)...)
		}
	}
	close(f.left)
	t.flight = nil
	return !room
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

// forget ends the flight of a checkpoint, up to this one, that will not be complete.
func (t *Task) forget(checkpoint uint64) {
	if t.triggered.checkpoint <= checkpoint {
		t.triggered = trigger{}
	}
	if t.overtakes && t.config.Inbox != nil {
		t.config.Inbox.Forget(checkpoint)
	}
	if f := t.flight; f != nil && f.checkpoint <= checkpoint {
		f.err = errForgotten
		close(f.left)
		t.flight = nil
	}
}

// overtakeAt is when a barrier has waited long enough, zero if none waits.
func (t *Task) overtakeAt(between bool) (at time.Time) {
	earlier := func(came time.Time) {
		if due := came.Add(t.patience()); at.IsZero() || due.Before(at) {
			at = due
		}
	}
	if t.flight != nil {
		earlier(t.flight.since)
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
