package task

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// splits is a source of two files, whose batches are read in order: each step is of a
// split, and may be its last.
type splits struct {
	script
	of   []string // by step
	last map[int]bool
	at   int // steps done
	done map[string]bool
}

func (s *splits) Poll(most int) (operator.Status, error) {
	if s.at == len(s.of) {
		return operator.End, nil
	}
	s.at++
	if s.last[s.at-1] {
		if s.done == nil {
			s.done = map[string]bool{}
		}
		s.done[s.of[s.at-1]] = true
	}
	return s.script.Poll(most)
}

func (s *splits) Reading() (string, bool) {
	if s.at == 0 {
		return s.of[0], false
	}
	return s.of[s.at-1], s.done[s.of[s.at-1]]
}

func (s *splits) Position() (all []operator.Split) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(s.of))) {
		all = append(all, operator.Split{ID: id, Done: s.done[id]})
	}
	return all
}

// assigning is a plan whose operator assigns watermarks.
func assigning(at int, w graph.Watermark, names ...string) *graph.Plan {
	p := modules(names...)
	p.Operators[at].Watermark = &w
	return p
}

// A source tells the time behind its records, when buffers are flushed and not before.
func TestASourceAssignsWatermarks(t *testing.T) {
	var log []string
	a := newKeeping(&log)
	in := &script{steps: [][]byte{event(10, "x", "p"), event(30, "x", "q"), event(20, "x", "r")}, ready: make(chan struct{}, 1)}
	h := &home{house: house{sources: map[string]*script{"in": in}}, keeping: map[string]*keeping{"a": a}}
	s := open(t, assigning(0, graph.Watermark{OutOfOrder: 5 * time.Millisecond}, "in", "a"), h, &log, Config{})
	turn := func() {
		_, err := s.task.turn(t.Context())
		s.must(err)
	}
	turn()
	turn()
	s.said("records", "a process 0 p", "a process 0 q")
	s.must(s.task.flush(t.Context()))
	s.outcome()
	s.said("flush", "a watermark 24", "> p,q", "> watermark 24")
	turn()
	s.must(s.task.flush(t.Context()))
	s.outcome()
	s.said("nothing that is later", "a process 0 r", "> r")
	if !s.turns() {
		t.Fatal("it has not ended")
	}
	_, err := s.task.finish(t.Context())
	s.must(err)
	s.outcome()
	s.said("end", "a watermark max", "a end", "> end")
}

// What a module in the middle of a graph assigns replaces what comes in; the module
// itself lives by what comes in.
func TestAModuleAssignsWatermarks(t *testing.T) {
	var log []string
	a, b := newKeeping(&log), newKeeping(&log)
	s := open(t, assigning(0, graph.Watermark{}, "a", "b"), &home{keeping: map[string]*keeping{"a": a, "b": b}}, &log, Config{})
	s.control(0, exchange.Watermark, 5)
	s.control(1, exchange.Watermark, 5)
	s.control(0, exchange.Idle, 0)
	s.control(1, exchange.Idle, 0)
	s.turns()
	s.said("what comes in", "a watermark 5")
	s.write(0, event(101, "x", "p"))
	s.turns()
	s.must(s.task.flush(t.Context()))
	s.outcome()
	s.said("what goes out", "a process 0 p", "b process 0 p", "> p", "b watermark 100", "> watermark 100")
	s.control(0, exchange.End, 0)
	s.control(1, exchange.End, 0)
	s.turns()
	_, err := s.task.finish(t.Context())
	s.must(err)
	s.outcome()
	s.said("end", "a watermark max", "a end", "b watermark max", "b end", "> end")
}

// A dead letter has the time of what was bad, which says nothing of the others.
func TestWhatIsAsideTellsNoTime(t *testing.T) {
	var log []string
	p := assigning(0, graph.Watermark{}, "a")
	p.Operators[0].Outputs = []string{"out", "bad"}
	p.Operators[0].OnReject = graph.OnReject{Policy: graph.RejectTo, Output: 1}
	a := newKeeping(&log)
	a.process = func(g *guest, _ int, batch []byte) error {
		if values(batch) == "bad" {
			return g.collector.Reject(operator.Rejection{Reason: "bad"})
		}
		return g.collector.Emit(0, batch)
	}
	s := open(t, p, &home{keeping: map[string]*keeping{"a": a}}, &log, Config{})
	s.write(0, event(10, "x", "good"))
	s.write(0, event(999, "x", "bad"))
	s.turns()
	s.must(s.task.flush(t.Context()))
	s.outcome()
	s.said("a bad one", "a process 0 good", "a process 0 bad", "> good", "> watermark 9")
}

// Splits have a time each; those that have ended hold nobody up.
func TestSplitsTellTheTime(t *testing.T) {
	var log []string
	in := &splits{
		script: script{steps: [][]byte{event(50, "x", "a1"), event(10, "x", "b1"), event(90, "x", "a2"), event(40, "x", "b2"), event(95, "x", "a3")}},
		of:     []string{"a", "b", "a", "b", "a"}, last: map[int]bool{3: true},
	}
	s := open(t, assigning(0, graph.Watermark{}, "in"), splitHouse{in}, &log, Config{})
	for _, want := range [][]string{
		{"> a1"}, {"> b1", "> watermark 9"}, {"> a2"}, {"> b2", "> watermark 89"}, {"> a3", "> watermark 94"},
	} {
		_, err := s.task.turn(t.Context())
		s.must(err)
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("step", want...)
	}
}

type splitHouse struct{ *splits }

// Time in which no record could have come is not idleness: while barriers hold channels
// back, and while outputs have no room.
func TestWaitingIsNotIdleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		a := newKeeping(&log)
		s := open(t, assigning(0, graph.Watermark{IdleAfter: time.Second}, "a"), &home{keeping: map[string]*keeping{"a": a}}, &log, Config{})
		s.write(0, event(10, "x", "p"))
		s.turns()
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("a record", "a process 0 p", "> p", "> watermark 9")

		s.control(0, exchange.Barrier, 1)
		s.turns()
		time.Sleep(time.Hour)
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("an alignment")
		s.control(1, exchange.Barrier, 1)
		s.turns()
		s.said("its end", "a barrier 1", "> barrier 1")

		time.Sleep(time.Hour)
		s.task.backPressured.Add(int64(time.Hour))
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("back pressure")

		time.Sleep(time.Second)
		s.must(s.task.flush(t.Context()))
		s.outcome()
		s.said("nothing comes", "> idle")
	})
}

// flushed is a sink whose output is seen when it is flushed.
type flushed struct{ held, seen []string }

func (f *flushed) Write(batch []byte) error { f.held = append(f.held, values(batch)); return nil }
func (f *flushed) Flush() error             { f.seen, f.held = append(f.seen, f.held...), nil; return nil }
func (f *flushed) Close() error             { return nil }

func (h splitHouse) Function(context.Context, Opening) (operator.Function, State, error) {
	return nil, State{}, errors.New("no functions here")
}

func (h splitHouse) Source(_ context.Context, o Opening) (operator.Source, State, error) {
	h.collector = o.Collector
	return h.splits, State{}, nil
}

func (h splitHouse) Sink(context.Context, Opening) (operator.Sink, error) {
	return nil, errors.New("no sinks here")
}
