package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// script is a source that gives out one batch for each of its steps; nil is a poll
// without anything to give.
type script struct {
	collector operator.Collector
	steps     [][]byte
	ready     chan struct{}
}

func (s *script) Poll(int) (operator.Status, error) {
	if len(s.steps) == 0 {
		return operator.End, nil
	}
	batch := s.steps[0]
	s.steps = s.steps[1:]
	if batch == nil {
		s.ready <- struct{}{}
		return operator.Idle, nil
	}
	return operator.More, s.collector.Emit(0, batch)
}
func (s *script) Ready() <-chan struct{}     { return s.ready }
func (s *script) Position() []operator.Split { return nil }
func (s *script) Close() error               { return nil }

// guest is a function that does what its fields say and notes how it is called.
type guest struct {
	name      string
	collector operator.Collector
	process   func(g *guest, input int, batch []byte) error
	log       *[]string
	inside    bool
	flush     []byte
	end       []byte
}

func (g *guest) note(format string, args ...any) {
	*g.log = append(*g.log, g.name+" "+fmt.Sprintf(format, args...))
}

func (g *guest) Process(input int, batch []byte) error {
	if g.inside {
		return errors.New("entered again")
	}
	g.inside = true
	defer func() { g.inside = false }()
	g.note("process %d %s", input, values(batch))
	if g.process != nil {
		return g.process(g, input, batch)
	}
	return g.collector.Emit(0, batch)
}

func (g *guest) Flush() error {
	if g.flush != nil {
		held := g.flush
		g.flush = nil
		return g.collector.Emit(0, held)
	}
	return nil
}

func (g *guest) End() error {
	g.note("end")
	if g.end != nil {
		return g.collector.Emit(0, g.end)
	}
	return nil
}

func (g *guest) Close() error { g.note("close"); return nil }

// memorySink keeps what it is given.
type memorySink struct {
	log      *[]string
	prepared uint64
}

func (s *memorySink) Write(batch []byte) error {
	*s.log = append(*s.log, "sink write "+values(batch))
	return nil
}
func (s *memorySink) Flush() error { return nil }
func (s *memorySink) Close() error { return nil }
func (s *memorySink) Prepare(checkpoint uint64) (operator.Transaction, error) {
	s.prepared = checkpoint
	return operator.Transaction("staged"), nil
}

// house opens what a test put under an operator's name.
type house struct {
	functions map[string]*guest
	sources   map[string]*script
	sinks     map[string]operator.Sink
}

func (h *house) Function(_ context.Context, o Opening) (operator.Function, State, error) {
	g, ok := h.functions[o.Operator.Name]
	if !ok {
		return nil, State{}, fault.Guestf("no such module")
	}
	g.collector, g.name = o.Collector, o.Operator.Name
	return g, State{}, nil
}

func (h *house) Source(_ context.Context, o Opening) (operator.Source, State, error) {
	s := h.sources[o.Operator.Name]
	s.collector = o.Collector
	return s, State{}, nil
}

func (h *house) Sink(_ context.Context, o Opening) (operator.Sink, error) {
	return h.sinks[o.Operator.Name], nil
}

func batchOf(values ...string) []byte {
	var b record.Builder
	for _, v := range values {
		b.Append(record.Insert, record.NoTimestamp, []byte("k"), []byte(v))
	}
	return slices.Clone(b.Bytes())
}

func values(batch []byte) string {
	var all []string
	for c := record.NewCursor(batch); c.Next(); {
		all = append(all, string(c.Value))
	}
	return strings.Join(all, ",")
}

// line is a plan of operators one behind the other, in one task.
func line(names ...string) *graph.Plan {
	p := &graph.Plan{Namespace: "default", Job: "j", MaxParallelism: 128, BufferTimeout: time.Hour}
	task := graph.Task{Parallelism: 1}
	for i, name := range names {
		op := graph.Operator{Name: name, Role: graph.RoleModule, Parallelism: 1, Outputs: []string{"out"}, Module: &graph.Module{Shape: "process"}}
		if i == 0 {
			op.Role, op.Module = graph.RoleSource, nil
		}
		if name == "sink" {
			op.Role, op.Module, op.Outputs = graph.RoleSink, nil, nil
		}
		p.Operators = append(p.Operators, op)
		task.Operators = append(task.Operators, i)
		if i > 0 {
			p.Edges = append(p.Edges, graph.Edge{ID: i - 1, From: i - 1, To: i, Chained: true, Partition: graph.Forward})
		}
	}
	p.Tasks = []graph.Task{task}
	return p
}

func runLine(t *testing.T, p *graph.Plan, h *house) (Checkpoint, *Task, error) {
	t.Helper()
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: h, Failed: make(chan struct{})})
	defer func() {
		if err := task.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := task.Open(t.Context()); err != nil {
		return Checkpoint{}, task, err
	}
	last, err := task.Run(t.Context(), time.Now())
	return last, task, err
}

// wire is a task behind an edge: two senders, one receiver, by queues.
type wire struct {
	hub     *exchange.Hub
	inbox   *exchange.Inbox
	senders []*exchange.Writer
}

func newWire(t *testing.T, credit int) *wire {
	t.Helper()
	w := &wire{hub: exchange.NewHub(exchange.Config{Job: id.Job{Namespace: "default", Name: "j"}, Subject: "t", Credit: credit})}
	local := func(int) bool { return false }
	var err error
	w.inbox, err = w.hub.Inbox("a", 0, []exchange.Channel{{Edge: 0, From: 0}, {Edge: 0, From: 1}}, func(exchange.Channel) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for from := range 2 {
		s, err := w.hub.Writer(0, from, 1, graph.Rebalance, 128, local)
		if err != nil {
			t.Fatal(err)
		}
		w.senders = append(w.senders, s)
	}
	return w
}

type signalSink chan string

func (s signalSink) Write(batch []byte) error { s <- values(batch); return nil }
func (s signalSink) Flush() error             { return nil }
func (s signalSink) Close() error             { return nil }

// idleHouse opens sources that stay idle when their steps are over.
type idleHouse struct{ *house }

func (h *idleHouse) Source(ctx context.Context, o Opening) (operator.Source, State, error) {
	s, state, err := h.house.Source(ctx, o)
	return &idleSource{s.(*script)}, state, err
}

type idleSource struct{ *script }

func (s *idleSource) Poll(max int) (operator.Status, error) {
	if len(s.steps) == 0 {
		return operator.Idle, nil
	}
	return s.script.Poll(max)
}
