package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// The pressed job: two counting sources, two operators that number what they see, one
// sink that writes when it is let.
const (
	pressedSources = 2
	pressedBatches = 150
	pressedRecords = 8
)

func pressedPlan(patience time.Duration) *graph.Plan {
	module := &graph.Module{Shape: "process"}
	return &graph.Plan{
		Namespace: "default", Job: "pressed", MaxParallelism: 128, BufferTimeout: time.Millisecond,
		Checkpoint: graph.Checkpointing{Mode: graph.ExactlyOnce, Unaligned: true, UnalignedAfter: patience},
		Operators: []graph.Operator{
			{Name: "in", Role: graph.RoleSource, Parallelism: pressedSources, Outputs: []string{"out"}},
			{Name: "number", Role: graph.RoleModule, Module: module, Parallelism: 2, Inputs: []string{"in"}, Outputs: []string{"out"}},
			{Name: "sink", Role: graph.RoleSink, Parallelism: 1, Inputs: []string{"in"}},
		},
		Edges: []graph.Edge{
			{ID: 0, From: 0, To: 1, Partition: graph.ByKey},
			{ID: 1, From: 1, To: 2, Partition: graph.Rebalance},
		},
		Tasks: []graph.Task{
			{ID: 0, Operators: []int{0}, Parallelism: pressedSources}, {ID: 1, Operators: []int{1}, Parallelism: 2}, {ID: 2, Operators: []int{2}, Parallelism: 1},
		},
	}
}

// counting is a source of numbered batches.
type counting struct {
	collector operator.Collector
	subtask   int
	next      int
	polls     *atomic.Int64
}

func (s *counting) Poll(int) (operator.Status, error) {
	if s.next == pressedBatches {
		return operator.End, nil
	}
	var b record.Builder
	for i := range pressedRecords {
		n := s.next*pressedRecords + i
		b.Append(record.Insert, int64(n), fmt.Appendf(nil, "key %d", n%13), fmt.Appendf(nil, "%d-%d %s", s.subtask, n, strings.Repeat("x", 2000)))
	}
	s.next++
	s.polls.Add(1)
	return operator.More, s.collector.Emit(0, b.Bytes())
}
func (s *counting) Ready() <-chan struct{} { return nil }
func (s *counting) Position() []operator.Split {
	return []operator.Split{{ID: strconv.Itoa(s.subtask), Position: strconv.Itoa(s.next)}}
}
func (s *counting) Close() error { return nil }

// numbering puts a number on every record, counted in a table.
type numbering struct {
	collector operator.Collector
	subtask   int
	own       state.Backend
	count     int
}

func (f *numbering) Process(_ int, batch []byte) error {
	var b record.Builder
	for c := record.NewCursor(batch); c.Next(); {
		f.count++
		b.Append(record.Insert, c.Timestamp, c.Key, fmt.Appendf(nil, "%d:%d:%s", f.subtask, f.count, c.Value))
	}
	if err := f.own.Put(0, 0, []byte("count"), nil, []byte(strconv.Itoa(f.count))); err != nil {
		return err
	}
	return f.collector.Emit(0, b.Bytes())
}
func (f *numbering) Flush() error { return nil }
func (f *numbering) End() error   { return nil }
func (f *numbering) Close() error { return nil }

// gated is a sink that waits for leave to write each batch.
type gated struct {
	leave   <-chan struct{} // nil: it need not wait
	over    <-chan struct{}
	waiting chan struct{} // it asks for leave
	wrote   []string
}

func (s *gated) Write(batch []byte) error {
	if s.leave != nil {
		select {
		case s.waiting <- struct{}{}:
		case <-s.over:
			return errors.New("stopped")
		}
		select {
		case <-s.leave:
		case <-s.over:
			return errors.New("stopped")
		}
	}
	for c := record.NewCursor(batch); c.Next(); {
		name, _, _ := strings.Cut(string(c.Value), " ")
		s.wrote = append(s.wrote, name)
	}
	return nil
}
func (s *gated) Flush() error { return nil }
func (s *gated) Close() error { return nil }
func (s *gated) Prepare(uint64) (operator.Transaction, error) {
	return operator.Transaction(strconv.Itoa(len(s.wrote))), nil
}

// pressed is one attempt of the job.
type pressed struct {
	t        *testing.T
	plan     *graph.Plan
	hub      *exchange.Hub
	sink     *gated
	leave    chan struct{}
	polls    atomic.Int64
	inbox    *exchange.Inbox // of the sink
	commands []chan Command
	reports  chan storedTask
	tasks    sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
	failed   chan error
	from     map[id.Subtask]storedTask
}

// storedTask is a task's part of a checkpoint, as a store has it.
type storedTask struct {
	at          id.Subtask // of the head
	splits      []operator.Split
	own         []byte
	transaction string
	flight      []byte
	in, out     int // records in flight
}

func (p *pressed) Function(_ context.Context, o Opening) (operator.Function, State, error) {
	own, err := state.NewOperator([]state.Table{{Name: "count", Scope: state.ScopeSplit}}, 0)
	if err != nil {
		return nil, State{}, err
	}
	f := &numbering{collector: o.Collector, subtask: o.Subtask, own: own}
	if was, ok := p.from[id.Subtask{Operator: "number", Index: o.Subtask}]; ok {
		r, err := state.NewRunReader(bytes.NewReader(was.own))
		if err == nil {
			err = own.Restore(r, 0)
		}
		if err != nil {
			return nil, State{}, err
		}
		value, _, _, err := own.Get(0, 0, []byte("count"), nil)
		if err != nil {
			return nil, State{}, err
		}
		f.count, _ = strconv.Atoi(string(value))
	}
	return f, State{Own: own}, nil
}

func (p *pressed) Source(_ context.Context, o Opening) (operator.Source, State, error) {
	s := &counting{collector: o.Collector, subtask: o.Subtask, polls: &p.polls}
	if o.Restored != nil {
		s.next, _ = strconv.Atoi(o.Restored.Splits[0].Position)
	}
	return s, State{}, nil
}

func (p *pressed) Sink(context.Context, Opening) (operator.Sink, error) { return p.sink, nil }

// start makes the tasks and lets them run; the sink waits for leave if it is gated.
func startPressed(t *testing.T, patience time.Duration, from map[id.Subtask]storedTask, gate bool) *pressed {
	t.Helper()
	p := &pressed{t: t, plan: pressedPlan(patience), reports: make(chan storedTask, 16), failed: make(chan error, 16), from: from}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	p.sink = &gated{over: p.ctx.Done(), waiting: make(chan struct{}, 1)}
	if gate {
		p.leave = make(chan struct{})
		p.sink.leave = p.leave
	}
	p.hub = exchange.NewHub(exchange.Config{Job: id.Job{Namespace: "default", Name: "pressed"}, Subject: "t"})
	local := func(exchange.Channel) bool { return false }
	var configs []Config
	for _, g := range p.plan.Tasks {
		for s := range g.Parallelism {
			commands := make(chan Command, 4)
			p.commands = append(p.commands, commands)
			c := Config{Plan: p.plan, Task: g, Subtask: s, Opener: p, Failed: p.hub.Failed(), Cause: p.hub.Err, Commands: commands}
			if g.ID > 0 {
				var channels []exchange.Channel
				for f := range p.plan.Tasks[g.ID-1].Parallelism {
					channels = append(channels, exchange.Channel{Edge: g.ID - 1, From: f, To: s})
					c.Inputs = append(c.Inputs, Input{Edge: g.ID - 1, From: f})
				}
				var err error
				if c.Inbox, err = p.hub.Inbox("task", s, channels, local); err != nil {
					t.Fatal(err)
				}
				p.inbox = c.Inbox
			}
			configs = append(configs, c)
		}
	}
	for i := range configs {
		p.restore(&configs[i])
	}
	for _, c := range configs {
		task := New(c)
		p.tasks.Go(func() { p.run(task) })
	}
	return p
}

func (p *pressed) run(task *Task) {
	err := task.Open(p.ctx)
	if err == nil {
		_, err = task.Run(p.ctx, time.Now())
	}
	if cerr := task.Close(); err == nil {
		err = cerr
	}
	if err != nil && p.ctx.Err() == nil {
		p.failed <- err
	}
}

// restore gives a task its outputs, and what the checkpoint has of it.
func (p *pressed) restore(c *Config) {
	p.t.Helper()
	head := &p.plan.Operators[c.Task.Operators[0]]
	at := id.Subtask{Operator: head.Name, Index: c.Subtask}
	if c.Task.ID < 2 {
		w, err := p.hub.Writer(c.Task.ID, c.Subtask, p.plan.Operators[c.Task.ID+1].Parallelism, p.plan.Edges[c.Task.ID].Partition, 128, func(int) bool { return false })
		if err != nil {
			p.t.Fatal(err)
		}
		c.Outputs = map[int]*exchange.Writer{c.Task.ID: w}
	}
	if was, ok := p.from[at]; ok {
		c.Restore = map[string]Restored{head.Name: {Splits: was.splits, Watermark: NoWatermark}}
		flight, err := DecodeInFlight(bytes.NewReader(was.flight), p.plan, c.Task)
		if err != nil {
			p.t.Fatal(err)
		}
		if c.Inbox != nil {
			err = c.Inbox.Restore(flight.In)
		}
		if err == nil && len(flight.Out) > 0 {
			err = c.Outputs[c.Task.ID].Restore(flight.Out)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	c.Report = func(c Checkpoint) { p.tasks.Go(func() { p.store(at, c) }) }
}

// store is what a worker does with a report.
func (p *pressed) store(at id.Subtask, c Checkpoint) {
	defer c.Close()
	s := storedTask{at: at, splits: c.Parts[0].Splits, transaction: string(c.Parts[0].Transaction)}
	flight, err := c.Flight.Wait(p.ctx)
	if err != nil {
		return
	}
	var own, encoded bytes.Buffer
	if c.Parts[0].Own != nil {
		_, err = c.Parts[0].Own.Write(&own)
	}
	if err = errors.Join(err, flight.Encode(&encoded, p.plan)); err != nil {
		p.failed <- err
		return
	}
	s.own, s.flight, s.in, s.out = own.Bytes(), encoded.Bytes(), caughtRecords(flight.In), caughtRecords(flight.Out)
	p.reports <- s
}

func caughtRecords(all []exchange.Caught) (n int) {
	for _, c := range all {
		n += record.Count(c.Batch)
	}
	return n
}

// crash takes a checkpoint while the sink is stopped but for one batch, after some
// polls, and ends everything.
func (p *pressed) crash(polls int64) (taken map[id.Subtask]storedTask) {
	p.t.Helper()
	p.until("the sink stops", p.sink.waiting)
	// Sooner or later the sources have no room.
	for before, still := int64(0), 0; p.polls.Load() < polls && still < 40; still++ {
		if now := p.polls.Load(); now > before {
			before, still = now, 0
		}
		p.alive()
	}
	for _, commands := range p.commands {
		commands <- Command{Kind: Trigger, Checkpoint: 1}
	}
	// The barrier comes through although nobody takes a record.
	for {
		if _, came, ok := p.inbox.Newest(0); ok && time.Since(came) >= p.plan.Checkpoint.UnalignedAfter {
			break
		}
		p.alive()
	}
	p.leave <- struct{}{}
	taken = map[id.Subtask]storedTask{}
	for range p.commands {
		select {
		case s := <-p.reports:
			taken[s.at] = s
		case err := <-p.failed:
			p.t.Fatal(err)
		case <-p.t.Context().Done():
			p.t.Fatal("the checkpoint does not come")
		}
	}
	p.stop()
	return taken
}

func (p *pressed) stop() {
	p.t.Helper()
	p.cancel()
	p.tasks.Wait()
	if err := p.hub.Err(); err != nil {
		p.t.Error(err)
	}
	// What a task was given when it was stopped it did not release; nobody minds.
	_ = p.hub.Close()
}

func (p *pressed) until(what string, signal <-chan struct{}) {
	p.t.Helper()
	select {
	case <-signal:
	case err := <-p.failed:
		p.t.Fatal(err)
	case <-p.t.Context().Done():
		p.t.Fatal("waited for ever until " + what)
	}
}

func (p *pressed) alive() {
	p.t.Helper()
	select {
	case err := <-p.failed:
		p.t.Fatal(err)
	case <-p.t.Context().Done():
		p.t.Fatal("the job does not go on")
	case <-time.After(50 * time.Microsecond):
	}
}
