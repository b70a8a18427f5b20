package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
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

func TestAChainRunsInOrderToItsEnd(t *testing.T) {
	var log []string
	two := func(g *guest, _ int, batch []byte) error { // emits twice in one call
		if err := g.collector.Emit(0, batchOf("x")); err != nil {
			return err
		}
		return g.collector.Emit(0, batch)
	}
	sink := &memorySink{log: &log}
	h := &house{
		sources:   map[string]*script{"in": {steps: [][]byte{batchOf("1", "2"), nil, batchOf("3")}, ready: make(chan struct{}, 1)}},
		functions: map[string]*guest{"a": {log: &log, process: two, end: batchOf("end of a")}, "b": {log: &log, end: batchOf("end of b")}},
		sinks:     map[string]operator.Sink{"sink": sink},
	}
	last, task, err := runLine(t, line("in", "a", "b", "sink"), h)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a process 0 1,2", "b process 0 x,1,2", "sink write x,1,2",
		"a process 0 3", "b process 0 x,3", "sink write x,3",
		"a end", "b process 0 end of a", "sink write end of a",
		"b end", "sink write end of b",
		"a close", "b close",
	}
	if !slices.Equal(log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
	if !last.Finished || len(last.Parts) != 4 || last.Parts[3].Operator != "sink" || string(last.Parts[3].Transaction) != "staged" || sink.prepared != 1 {
		t.Errorf("left %+v for checkpoint %d", last, sink.prepared)
	}
	stats := task.Stats()
	if s := stats[1]; s.Operator != "a" || s.RecordsIn != 3 || s.RecordsOut != 6 || s.BytesIn != 3*18 {
		t.Errorf("stats of a: %+v", s)
	}
}

func TestRejectedRecords(t *testing.T) {
	reject := func(index int) func(*guest, int, []byte) error {
		return func(g *guest, _ int, batch []byte) error {
			if err := g.collector.Reject(operator.Rejection{Index: index, Reason: "no JSON"}); err != nil {
				return err
			}
			return g.collector.Emit(0, batchOf("good"))
		}
	}
	for name, test := range map[string]struct {
		policy graph.OnReject
		index  int
		fails  string
		guest  bool
		want   []string
	}{
		"fail": {policy: graph.OnReject{Policy: graph.RejectFail}, index: 1,
			fails: `a[0]: record 1 of its batch, key "k", value "two": record rejected: no JSON (onReject: skip or {to: OUTPUT} lets the job go on)`},
		"skip": {policy: graph.OnReject{Policy: graph.RejectSkip}, index: 1, want: []string{"sink write good"}},
		"to an output": {policy: graph.OnReject{Policy: graph.RejectTo, Output: 1}, index: 1, want: []string{
			`sink write {"operator":"a","subtask":0,"place":"record 1 of its batch, key \"k\", value \"two\"","reason":"no JSON","record":{"key":"k","value":"two","time":null,"change":"insert"}},good`}},
		"an index outside of the batch": {policy: graph.OnReject{Policy: graph.RejectSkip}, index: 2,
			fails: "a[0]: reject record 2: the batch has 2", guest: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			p := line("in", "a", "sink")
			p.Operators[1].OnReject = test.policy
			p.Operators[1].Outputs = []string{"out", "bad"}
			p.Edges = append(p.Edges, graph.Edge{ID: 2, From: 1, Output: 1, To: 2, Chained: true})
			h := &house{
				sources:   map[string]*script{"in": {steps: [][]byte{batchOf("one", "two")}}},
				functions: map[string]*guest{"a": {log: new([]string), process: reject(test.index)}},
				sinks:     map[string]operator.Sink{"sink": &memorySink{log: &log}},
			}
			_, _, err := runLine(t, p, h)
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || err.Error() != test.fails) {
				t.Fatalf("got error %v, want %q", err, test.fails)
			}
			if errors.Is(err, fault.ErrGuest) != test.guest {
				t.Errorf("is a guest fault: %t, want %t", !test.guest, test.guest)
			}
			if !slices.Equal(log, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A guest gets what it has room for; a record that it has no room for is a bad one.
func TestLargeInputIsCutAndTooLargeRecordsAreRejected(t *testing.T) {
	const room = 100 << 10
	big, huge := strings.Repeat("b", 90<<10), strings.Repeat("h", 200<<10)
	var sizes []int
	choosy := func(g *guest, _ int, batch []byte) error {
		if len(batch) > room {
			return fault.As(fault.ErrGuest, operator.ErrTooLarge)
		}
		sizes = append(sizes, record.Count(batch))
		return g.collector.Emit(0, batch)
	}
	for name, test := range map[string]struct {
		policy graph.OnReject
		fails  string
	}{
		"skip": {policy: graph.OnReject{Policy: graph.RejectSkip}},
		"fail": {policy: graph.OnReject{Policy: graph.RejectFail}, fails: "record rejected: batch does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			sizes = nil
			p := line("in", "a", "sink")
			p.Operators[1].OnReject = test.policy
			var log []string
			h := &house{
				sources:   map[string]*script{"in": {steps: [][]byte{batchOf("1", big, "2", huge, "3", big, big)}}},
				functions: map[string]*guest{"a": {log: new([]string), process: choosy}},
				sinks:     map[string]operator.Sink{"sink": &memorySink{log: &log}},
			}
			_, task, err := runLine(t, p, h)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || errors.Is(err, fault.ErrGuest) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, n := range sizes {
				total += n
			}
			if got := task.Stats()[1]; total != 6 || got.RecordsOut != 6 || got.Rejected != 1 {
				t.Errorf("the guest took %v records, stats %+v", sizes, got)
			}
			if all := strings.Join(log, ","); !strings.Contains(all, "3") || strings.Contains(all, huge) {
				t.Error("records behind the bad one are lost, or it came through")
			}
		})
	}
}

func TestFailuresNameTheirSubtask(t *testing.T) {
	bad := func(*guest, int, []byte) error { return fault.Guestf("unreachable") }
	for name, test := range map[string]struct {
		h    *house
		want string
	}{
		"a trap": {&house{functions: map[string]*guest{"a": {log: new([]string), process: bad}}}, "a[0]: unreachable"},
		"a trap further down": {&house{functions: map[string]*guest{"a": {log: new([]string)}, "b": {log: new([]string), process: bad}}},
			"b[0]: unreachable"},
		"no module": {&house{}, "a[0]: open operator: no such module"},
	} {
		t.Run(name, func(t *testing.T) {
			names := []string{"in", "a"}
			if test.h.functions["b"] != nil {
				names = append(names, "b")
			}
			test.h.sources = map[string]*script{"in": {steps: [][]byte{batchOf("1")}}}
			_, _, err := runLine(t, line(names...), test.h)
			if err == nil || err.Error() != test.want || !errors.Is(err, fault.ErrGuest) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			var located *fault.Error
			if !errors.As(err, &located) || located.Subtask.Operator == "in" {
				t.Errorf("located at %+v", located)
			}
		})
	}
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

func TestATaskEndsWhenAllItsChannelsHave(t *testing.T) {
	var log []string
	w := newWire(t, 0)
	p := line("a", "sink")
	p.Operators[0].Role, p.Operators[0].Module = graph.RoleModule, &graph.Module{Shape: "process"}
	task := New(Config{
		Plan: p, Task: p.Tasks[0], Inbox: w.inbox, Inputs: []Input{{Input: 0}, {Input: 1}}, Failed: w.hub.Failed(), Cause: w.hub.Err,
		Opener: &house{functions: map[string]*guest{"a": {log: &log}}, sinks: map[string]operator.Sink{"sink": &memorySink{log: new([]string)}}},
	})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.senders[1].Write(batchOf("1"))
	for _, s := range w.senders {
		s.Control(exchange.Element{Kind: exchange.End})
		if done, err := s.Drain(); !done || err != nil {
			t.Fatalf("drain: %t, %v", done, err)
		}
	}
	if _, err := task.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a process 1 1", "a end"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

// A guest is not called while its output has no room, and goes on when there is.
func TestAGuestWaitsForRoom(t *testing.T) {
	w := newWire(t, 128<<10)
	var log []string
	calls, released := 0, atomic.Int64{}
	// A record takes more than the credit: one is under way, none is pending, at each call.
	big := func(g *guest, _ int, batch []byte) error {
		if calls++; int(released.Load()) < calls-2 {
			return fmt.Errorf("call %d after %d records were taken", calls, released.Load())
		}
		return g.collector.Emit(0, batchOf(strings.Repeat("x", 200<<10)))
	}
	p := line("in", "a")
	p.Edges = append(p.Edges, graph.Edge{ID: 7, From: 1, To: 2, Partition: graph.Rebalance})
	steps := [][]byte{batchOf("1"), batchOf("2"), batchOf("3"), batchOf("4")}
	task := New(Config{
		Plan: p, Task: p.Tasks[0], Outputs: map[int]*exchange.Writer{7: w.senders[0]}, Failed: w.hub.Failed(), Cause: w.hub.Err,
		Opener: &house{sources: map[string]*script{"in": {steps: steps}}, functions: map[string]*guest{"a": {log: &log, process: big}}},
	})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := task.Run(ctx, time.Now())
		done <- err
	}()
	received := 0
	for {
		channel, e, ok := w.inbox.Next()
		if !ok {
			select {
			case <-w.inbox.Ready():
				continue
			case <-ctx.Done():
				t.Fatal("nothing comes")
			}
		}
		if channel != 0 {
			t.Fatalf("channel %d", channel)
		}
		kind := e.Kind
		released.Add(1)
		w.inbox.Release(e)
		if kind == exchange.End {
			break
		}
		received++
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if received != len(steps) {
		t.Errorf("received %d records, want %d", received, len(steps))
	}
}

// What operators hold back goes out after the buffer timeout, without new input.
func TestHeldBackRecordsGoOutInTime(t *testing.T) {
	var log []string
	p := line("in", "a", "sink")
	p.BufferTimeout = time.Millisecond
	hold := func(g *guest, _ int, batch []byte) error { g.flush = slices.Clone(batch); return nil }
	idle := &script{steps: [][]byte{batchOf("1")}, ready: make(chan struct{})}
	written := make(chan string, 1)
	h := &house{
		sources:   map[string]*script{"in": idle},
		functions: map[string]*guest{"a": {log: &log, process: hold}},
		sinks:     map[string]operator.Sink{"sink": signalSink(written)},
	}
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: &idleHouse{house: h}, Failed: make(chan struct{})})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := task.Run(ctx, time.Now())
		done <- err
	}()
	select {
	case got := <-written:
		if got != "1" {
			t.Errorf("got %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("held back for 10s")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
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
