package task

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// counter counts the records of each key, and gives out "key=count".
func counter(log *[]string) *keeping {
	k := &keeping{guest: &guest{log: log}}
	k.process = func(g *guest, _ int, batch []byte) error {
		for c := record.NewCursor(batch); c.Next(); {
			n, err := k.count(c.Key)
			if err != nil {
				return err
			}
			if err := tell(k, "%s=%d", c.Key, n); err != nil {
				return err
			}
		}
		return nil
	}
	return k
}

func countsOf(t *testing.T, run []byte) map[string]int {
	counts := map[string]int{}
	for _, e := range entriesOf(t, run) {
		if e.Table == "counts" && !e.Deleted {
			counts[string(e.Key)] = int(e.Value[0])
		}
	}
	return counts
}

// A record is in a checkpoint exactly when it precedes its barrier (D2), whenever the
// state is written; and a task that is restored from it goes on as if nothing had been.
func TestStateIsThatOfTheBarrier(t *testing.T) {
	var log []string
	k := counter(&log)
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
	s.must(k.set(state.EventTime, 20, "x", "timer"))
	s.control(0, exchange.Watermark, 10)
	s.control(1, exchange.Watermark, 12)
	s.write(0, event(11, "x", ""))
	s.control(0, exchange.Barrier, 1)
	s.write(0, event(12, "x", "")) // behind the barrier
	s.write(1, event(13, "x", "")) // in front of it
	s.turns()
	s.said("one barrier", "a watermark 10", "a process 0 ", "a process 0 ", "> watermark 10", "> x=1,x=2")
	s.control(1, exchange.Barrier, 1)
	s.turns()
	s.said("two barriers", "a barrier 1", "a process 0 ", "> barrier 1", "> x=3")
	s.write(0, event(14, "y", ""))
	s.control(1, exchange.Watermark, 30)
	s.control(0, exchange.Watermark, 30)
	s.turns()
	s.said("on it goes", "a process 0 ", "a timers x@20/timer (at 30)", "a watermark 30", "> y=1", "> watermark 30")
	if len(s.took) != 1 || len(s.took[0].Parts) != 1 {
		t.Fatalf("took %+v", s.took)
	}
	part := s.took[0].Parts[0]
	run := stored(t, part.Keyed)
	if got := countsOf(t, run); len(got) != 1 || got["x"] != 2 {
		t.Errorf("the snapshot has %v, want x: 2", got)
	}
	if part.Watermark != 10 {
		t.Errorf("its watermark is %d, want 10", part.Watermark)
	}
	s.close()

	k = counter(&log)
	log = nil
	again := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}, restore: map[string][]byte{"a": run}}, &log,
		Config{Restore: map[string]Restored{"a": {Watermark: part.Watermark}}})
	again.outcome()
	again.said("the receivers are told again", "> watermark 10")
	again.control(0, exchange.Watermark, 10)
	again.control(1, exchange.Watermark, 9)
	again.write(0, event(12, "x", ""))
	again.turns()
	again.said("what followed", "a process 0 ", "> x=3")
	again.control(0, exchange.Watermark, 30)
	again.control(1, exchange.Watermark, 30)
	again.turns()
	again.said("time", "a timers x@20/timer (at 30)", "a watermark 30", "> watermark 30")
}

// Whatever fails while a checkpoint is taken, no snapshot stays open.
func TestSnapshotsAreClosedWhenACheckpointFails(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		breaks func(a, b *keeping, sink *brokenSink)
		fails  string
	}{
		"the second operator's barrier": {func(_, b *keeping, _ *brokenSink) {
			b.onClose = func(*keeping, uint64) error { return fault.As(fault.ErrGuest, broken) }
		}, "b[0]: broken"},
		"the second operator's flush": {func(a, b *keeping, _ *brokenSink) {
			a.onClose = func(*keeping, uint64) error { b.flush = batchOf("x"); return nil }
		}, "sink[0]: broken"},
		"the second operator's snapshot": {func(_, b *keeping, _ *brokenSink) { b.keyed.fails = broken }, "b[0]: broken"},
		"the sink's preparation":         {func(_, _ *keeping, sink *brokenSink) { sink.prepares = broken }, "sink[0]: broken"},
		"the attempt":                    {nil, context.Canceled.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			a, b := counter(&log), counter(&log)
			sink := &brokenSink{writes: broken}
			h := &home{house: house{sinks: map[string]operator.Sink{"sink": sink}}, keeping: map[string]*keeping{"a": a, "b": b}}
			s := open(t, modules("a", "b", "sink"), h, &log, Config{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.breaks == nil {
				a.onClose = func(*keeping, uint64) error { cancel(); return nil }
			} else {
				test.breaks(a, b, sink)
			}
			err := s.task.checkpoint(ctx, 1)
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("got %v, want %s", err, test.fails)
			}
			if a.keyed.open+b.keyed.open != 0 || len(s.took) != 0 {
				t.Errorf("%d and %d snapshots are open, reported %+v", a.keyed.open, b.keyed.open, s.took)
			}
		})
	}
}

type brokenSink struct{ writes, prepares error }

func (s *brokenSink) Write([]byte) error { return s.writes }
func (s *brokenSink) Flush() error       { return nil }
func (s *brokenSink) Close() error       { return nil }
func (s *brokenSink) Prepare(uint64) (operator.Transaction, error) {
	return nil, s.prepares
}

// Several checkpoints may be under way: each has what it should, whichever completes,
// and what is confirmed is what later ones build on.
func TestCheckpointsUnderWay(t *testing.T) {
	var log []string
	k := counter(&log)
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{})
	barrier := func(n int64) {
		s.control(0, exchange.Barrier, n)
		s.control(1, exchange.Barrier, n)
		s.turns()
	}
	var runs [][]byte
	for n := int64(1); n <= 5; n++ {
		s.write(0, event(n, string(rune('a'+n)), ""))
		s.turns()
		barrier(n)
		if n == 3 { // 1 completes late, 2 never does
			s.must(s.task.command(t.Context(), Command{Kind: Confirm, Checkpoint: 1}))
			s.must(s.task.command(t.Context(), Command{Kind: Abort, Checkpoint: 2}))
		}
	}
	for _, c := range s.took {
		runs = append(runs, stored(t, c.Parts[0].Keyed))
	}
	for i, want := range []string{"b", "bc", "bcd", "cde", "cdef"} { // on nothing, and from the fourth on 1
		got := strings.Join(slices.Sorted(func(yield func(string) bool) {
			for key := range countsOf(t, runs[i]) {
				if !yield(key) {
					return
				}
			}
		}), "")
		if got != want {
			t.Errorf("checkpoint %d writes %q, want %q", i+1, got, want)
		}
	}
	if !slices.Equal(k.heard, []uint64{1}) {
		t.Errorf("confirmed %v", k.heard)
	}
}

// A source takes a checkpoint when it is told to, once, and none that is older.
func TestASourceIsTriggered(t *testing.T) {
	var log []string
	in := &script{steps: [][]byte{event(10, "x", "p")}}
	s := open(t, assigning(0, graph.Watermark{}, "in"), &home{house: house{sources: map[string]*script{"in": in}}}, &log, Config{})
	for _, c := range []Command{{Trigger, 3}, {Trigger, 3}, {Trigger, 2}, {Confirm, 3}, {Abort, 4}, {Trigger, 5}} {
		s.must(s.task.command(t.Context(), c))
	}
	s.outcome()
	s.said("commands", "> barrier 3", "> abort 4", "> barrier 5")
	if len(s.took) != 2 || s.took[0].Number != 3 || s.took[1].Number != 5 {
		t.Errorf("took %+v", s.took)
	}
	if p := s.took[0].Parts[0]; p.Watermark != NoWatermark || p.Assigned == nil {
		t.Errorf("its part is %+v", p)
	}
}

// What a source has assigned is announced again before its first record, the same for
// what has been restored from several.
func TestAssignedWatermarksAreRestored(t *testing.T) {
	encoded := func(values ...int64) (all [][]byte) {
		for _, v := range values {
			var log []string
			in := &script{steps: [][]byte{event(v+1, "x", "p")}}
			s := open(t, assigning(0, graph.Watermark{}, "in"), &home{house: house{sources: map[string]*script{"in": in}}}, &log, Config{})
			_, err := s.task.turn(t.Context())
			s.must(err)
			s.must(s.task.flush(t.Context()))
			s.must(s.task.command(t.Context(), Command{Trigger, 1}))
			all = append(all, s.took[0].Parts[0].Assigned)
			s.close()
		}
		return all
	}
	for name, test := range map[string]struct {
		from [][]byte
		want []string
	}{
		"nothing is known":       {nil, nil},
		"one":                    {encoded(41), []string{"> watermark 41"}},
		"several: the least":     {encoded(41, 17, 99), []string{"> watermark 17"}},
		"one had no records yet": {append(encoded(41), encodedNothing(t)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			s := open(t, assigning(0, graph.Watermark{}, "in"), &home{house: house{sources: map[string]*script{"in": {}}}}, &log,
				Config{Restore: map[string]Restored{"in": {Watermark: NoWatermark, Assigned: test.from}}})
			s.outcome()
			s.said("at first", test.want...)
		})
	}
	p := assigning(0, graph.Watermark{}, "in")
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: &house{}, Restore: map[string]Restored{"in": {Assigned: [][]byte{{9}}}}})
	if err := task.begin(t.Context()); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
}

func encodedNothing(t *testing.T) []byte {
	var log []string
	s := open(t, assigning(0, graph.Watermark{}, "in"), &home{house: house{sources: map[string]*script{"in": {}}}}, &log, Config{})
	s.must(s.task.command(t.Context(), Command{Trigger, 1}))
	assigned := s.took[0].Parts[0].Assigned
	s.close()
	return assigned
}

// A task that had come to its end says so, and asks nothing of its operators.
func TestAFinishedTaskStaysFinished(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{Restore: map[string]Restored{"a": {Finished: true, Watermark: NoWatermark}}})
	last, err := s.task.Run(t.Context(), s.task.lastFlush)
	s.must(err)
	s.outcome()
	s.said("its end", "> end")
	if !last.Finished || len(last.Parts) != 1 || last.Parts[0].Keyed != nil {
		t.Errorf("left %+v", last)
	}
}
