package task

import (
	"context"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
)

// makeRoom sends what is pending and waits until all of it is gone, so that operators
// are only called while their outputs have room.
func (t *Task) makeRoom(ctx context.Context) error { return t.room(ctx, false) }

// room makes room. Between turns, when nothing is half done, a barrier that has waited
// long enough overtakes what there is no room for.
func (t *Task) room(ctx context.Context, between bool) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.config.Failed:
		return t.config.Cause()
	default:
	}
	var blocked time.Time
	for {
		full, err := t.drain()
		if err != nil {
			return err
		}
		if t.overtakes {
			if more, err := t.mindBarriers(ctx, full == nil, between); err != nil {
				return err
			} else if more {
				continue
			}
		}
		switch {
		case full != nil && blocked.IsZero():
			blocked = t.config.Clock.Now()
		case full == nil && !blocked.IsZero():
			t.backPressured.Add(int64(t.config.Clock.Now().Sub(blocked)))
		}
		if full == nil {
			return nil
		}
		if err := t.stand(ctx, full, between); err != nil {
			return err
		}
	}
}

// stand is where a task without room stands.
func (t *Task) stand(ctx context.Context, full *exchange.Writer, between bool) error {
	var commands <-chan Command
	var barriers <-chan struct{}
	var timer <-chan time.Time
	if t.overtakes {
		if t.config.Inbox != nil {
			barriers = t.config.Inbox.Ready()
		}
		if between {
			commands = t.config.Commands
		}
		if at := t.overtakeAt(between); !at.IsZero() {
			timer = time.After(time.Until(at))
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.config.Failed:
		return t.config.Cause()
	case <-full.Room():
	case <-barriers:
	case <-timer:
	case c := <-commands:
		return t.commandLate(ctx, c)
	}
	return nil
}

// drain sends what every writer can, and returns one that could not send all.
func (t *Task) drain() (full *exchange.Writer, err error) {
	for _, w := range t.writers {
		done, err := w.Drain()
		if err != nil {
			return nil, err
		}
		if !done {
			full = w
		}
	}
	return full, nil
}
