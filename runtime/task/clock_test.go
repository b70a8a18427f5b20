package task

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// waiting is a source that is idle until ctx ends.
type waiting struct{ ready chan struct{} }

func (w waiting) Poll(int) (operator.Status, error) { return operator.Idle, nil }
func (w waiting) Ready() <-chan struct{}            { return w.ready }
func (w waiting) Position() []operator.Split        { return nil }
func (w waiting) Close() error                      { return nil }

type waitingHome struct {
	*home
	ticking *ticking
}

func (h waitingHome) Source(context.Context, Opening) (operator.Source, State, error) {
	return waiting{make(chan struct{})}, State{}, nil
}

func (h waitingHome) Function(ctx context.Context, o Opening) (operator.Function, State, error) {
	if h.ticking == nil {
		return h.home.Function(ctx, o)
	}
	h.ticking.collector, h.ticking.name = o.Collector, o.Operator.Name
	return h.ticking, State{}, nil
}

// ticking gives something out every minute.
type ticking struct {
	*guest
	last  int64
	ticks []time.Time
}

const minute = int64(time.Minute / time.Millisecond)

func (k *ticking) Tick(now int64) error {
	if now/minute == k.last {
		return nil
	}
	k.last = now / minute
	k.ticks = append(k.ticks, time.Now())
	return k.collector.Emit(0, batchOf("tick"))
}

func (k *ticking) NextTick(now int64) int64 {
	if len(k.ticks) == 5 {
		return math.MaxInt64
	}
	return (now/minute + 1) * minute
}

// run runs a task with an idle source for a while.
func (h waitingHome) run(t *testing.T, log *[]string, sink operator.Sink, set func(), d time.Duration) {
	t.Helper()
	h.sinks = map[string]operator.Sink{"sink": sink}
	p := modules("in", "a", "sink")
	p.BufferTimeout = 10 * time.Millisecond
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: h, Failed: make(chan struct{})})
	ctx, cancel := context.WithCancel(t.Context())
	if err := task.Open(ctx); err != nil {
		t.Fatal(err)
	}
	set()
	done := make(chan error, 1)
	go func() {
		_, err := task.Run(ctx, time.Now())
		done <- err
	}()
	time.Sleep(d)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := task.Close(); err != nil {
		t.Error(err)
	}
}

// Timers of the clock fire when they are due, not before, though nothing else happens;
// what they give out is flushed.
func TestTheClockWakesAnIdleTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		k := newKeeping(&log)
		began := time.Now()
		in := func(d time.Duration) int64 { return began.Add(d).UnixMilli() }
		var fired []string
		k.onTimer = func(k *keeping, key, tag string, at int64) error {
			if tag == "again" {
				if err := k.set(state.ProcessingTime, in(3*time.Hour), key, "last"); err != nil {
					return err
				}
			}
			fired = append(fired, fmt.Sprintf("%s after %s", tag, time.Since(began)))
			return k.collector.Emit(0, batchOf(tag))
		}
		sink := &flushed{}
		waitingHome{home: &home{keeping: map[string]*keeping{"a": k}}}.run(t, &log, sink, func() {
			for tag, at := range map[string]time.Duration{"past": -time.Hour, "again": time.Hour, "never": 9 * time.Hour} {
				if err := k.set(state.ProcessingTime, in(at), "x", tag); err != nil {
					t.Fatal(err)
				}
			}
			if err := k.set(state.EventTime, in(-time.Hour), "x", "of the other kind"); err != nil {
				t.Fatal(err)
			}
		}, 8*time.Hour)
		if want := []string{"past after 0s", "again after 1h0m0s", "last after 3h0m0s"}; !slices.Equal(fired, want) {
			t.Errorf("fired %q, want %q", fired, want)
		}
		if !slices.Equal(sink.seen, []string{"past", "again", "last"}) {
			t.Errorf("seen %q, held back %q", sink.seen, sink.held)
		}
		for _, line := range log {
			if line == "a watermark max" {
				t.Error("a task that was canceled has come to its end")
			}
		}
	})
}

// What gives early results by the clock is called when it is time, and no more when it
// says never.
func TestTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		k := &ticking{guest: &guest{log: &log}}
		sink := &flushed{}
		waitingHome{&home{}, k}.run(t, &log, sink, func() { k.last = time.Now().UnixMilli() / minute }, time.Hour)
		if len(k.ticks) != 5 || len(sink.seen) != 5 {
			t.Fatalf("ticked %d times, %d were seen", len(k.ticks), len(sink.seen))
		}
		for i, at := range k.ticks {
			if at.UnixMilli()%minute != 0 || i > 0 && at.Sub(k.ticks[i-1]) != time.Minute {
				t.Errorf("tick %d at %s", i, at)
			}
		}
	})
}

// State knows the time of the call it is used in: entries expire by it.
func TestStateIsToldTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		k := newKeeping(&log)
		k.process = func(g *guest, _ int, batch []byte) error { return nil }
		s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
		for range 3 {
			time.Sleep(time.Minute)
			s.must(s.task.tellTime(t.Context()))
			s.write(0, event(record.NoTimestamp, "x", ""))
			s.turns()
			if got := k.keyed.times[len(k.keyed.times)-1]; got != time.Now().UnixMilli() {
				t.Errorf("told %d, it is %d", got, time.Now().UnixMilli())
			}
		}
	})
}

// So does that of a source, which nothing comes in to.
func TestTheStateOfASourceIsToldTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, err := state.NewOperator([]state.Table{{Name: "t", Scope: state.ScopeSplit}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		own := &counted{Backend: memory}
		h := &home{house: house{sources: map[string]*script{"in": {steps: [][]byte{batchOf("1"), batchOf("2")}}}}}
		var log []string
		s := open(t, modules("in"), ownHome{h, own}, &log, Config{})
		for range 2 {
			time.Sleep(time.Minute)
			s.must(s.task.tellTime(t.Context()))
			_, err := s.task.turn(t.Context())
			s.must(err)
			if n := len(own.times); n == 0 || own.times[n-1] != time.Now().UnixMilli() {
				t.Errorf("told %v, it is %d", own.times, time.Now().UnixMilli())
			}
		}
	})
}

// ownHome opens sources with tables of their own.
type ownHome struct {
	*home
	own *counted
}

func (h ownHome) Source(ctx context.Context, o Opening) (operator.Source, State, error) {
	s, _, err := h.home.Source(ctx, o)
	return s, State{Own: h.own, Tables: state.NewTables(nil, nil, h.own, 0, 128, 128)}, err
}
