// Package task runs a chain of operators on one goroutine: it takes batches from a
// source or from the exchange, gives them to the first operator, what that emits to
// the next, and what leaves the chain to the exchange.
//
// It does not know what its operators are: whoever builds a task brings an Opener.
// Start with Task.loop, then node.process.
package task

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// pollMax is how many records a source is asked for at a time. Connectors stop
// earlier, at about 64 KiB.
const pollMax = 1024

// pollAgain is how soon a source is asked again that is idle and can't signal.
const pollAgain = time.Millisecond

// Opener makes what a task's operators run. It is called on the task's goroutine.
type Opener interface {
	// Function makes a guest that takes records, and what it keeps.
	Function(ctx context.Context, o Opening) (operator.Function, State, error)
	Source(ctx context.Context, o Opening) (operator.Source, State, error)
	// A restored sink leaves alone what it did before.
	Sink(ctx context.Context, o Opening) (operator.Sink, error)
}

// Opening is an operator's subtask that is to be opened.
type Opening struct {
	Operator  *graph.Operator
	Subtask   int
	Collector operator.Collector
	Started   time.Time // when records began to flow; for sources
	Restored  *Restored // nil: it begins from nothing
	// Watermark is the one that came in last. It is for the task's goroutine.
	Watermark func() int64
}

// Config is what a task is made of. All but Latency is required, except that the task
// of a source has no Inbox and one without receivers no Outputs.
type Config struct {
	Plan    *graph.Plan
	Task    graph.Task
	Subtask int
	Inbox   *exchange.Inbox
	Inputs  []Input                  // of the head operator, by index of the inbox's channel
	Outputs map[int]*exchange.Writer // by ID of the edge that leaves the chain
	Failed  <-chan struct{}          // closed when the exchange has failed
	Cause   func() error             // why it has
	Opener  Opener
	// Commands are what the coordinator wants of the task: checkpoints. Closed never.
	Commands <-chan Command
	// Report takes a checkpoint of the task, on its goroutine.
	Report func(Checkpoint)
	// NotYet is told of a checkpoint that can't be taken while first inputs are read.
	NotYet func(checkpoint uint64)
	// Restore is where the operators go on, by name. Those that are not in it begin from
	// nothing.
	Restore map[string]Restored
	// Next is a number that no checkpoint had before the restore; 0 is 1.
	Next uint64
	// AtLeastOnce lets channels go on whose barrier has come.
	AtLeastOnce bool
	// Clock is the system's by default.
	Clock Clock
	// Latency, if set, is when a record with this event time (ms) was due; sinks
	// measure from then.
	Latency func(started time.Time) (originNanos int64)
}

// Task is one subtask of a chain. Open, Run and Close are called in that order by one
// goroutine; Stats and InCall by any.
type Task struct {
	config  Config
	nodes   []*node // the head first
	head    *node
	writers []*exchange.Writer
	merge   merge

	dirty      bool // something may be held back since lastFlush
	lastFlush  time.Time
	nested     time.Duration // time spent in operators called by the current one
	originNano int64

	now     int64   // ms since 1970, of this turn
	clocked []*node // those that the clock concerns
	passed  lap     // since watermarks were last assigned
	pulse   int64   // ms since 1970; when somebody may become idle who assigns watermarks

	lastCheckpoint uint64
	alignedSince   time.Time // when the first barrier of an alignment came

	overtakes bool    // barriers overtake what they have waited for too long
	flight    *flight // of the last checkpoint, until its barrier has left
	triggered trigger // of a source that had no room

	backPressured atomic.Int64 // ns
	guestSince    atomic.Int64 // unix ns, 0 outside of guests
	guestLimit    atomic.Int64 // ns of CPU time for its call
}

// New builds a task from a plan; it opens nothing.
func New(c Config) *Task {
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	t := &Task{config: c, merge: newMerge(c.Inputs, !c.AtLeastOnce)}
	t.lastCheckpoint = max(c.Next, 1) - 1
	t.overtakes = c.Plan.Checkpoint.Unaligned && !c.AtLeastOnce
	byOperator := map[int]*node{}
	for _, o := range c.Task.Operators {
		n := newNode(t, &c.Plan.Operators[o])
		byOperator[o] = n
		t.nodes = append(t.nodes, n)
	}
	t.head = t.nodes[0]
	t.merge.watermark = t.head.watermark
	for _, e := range c.Plan.Edges {
		from, inside := byOperator[e.From]
		if !inside {
			continue
		}
		if e.Chained {
			to := byOperator[e.To]
			to.input = e.Input
			from.chained = append(from.chained, to)
			from.outputs[e.Output] = append(from.outputs[e.Output], target{node: to})
			continue
		}
		w := c.Outputs[e.ID]
		t.writers = append(t.writers, w)
		from.writers = append(from.writers, w)
		from.outputs[e.Output] = append(from.outputs[e.Output], target{writer: w})
	}
	return t
}

// Open makes functions and sinks. Sources are made by Run, when records may flow.
func (t *Task) Open(ctx context.Context) error {
	for _, n := range t.nodes {
		var err error
		switch {
		case n.isSource():
		case n.op.Role == graph.RoleModule:
			n.function, n.state, err = t.config.Opener.Function(ctx, n.opening())
			n.timed, _ = n.function.(operator.Timed)
			n.ticking, _ = n.function.(ticker)
		default:
			n.sink, err = t.config.Opener.Sink(ctx, n.opening())
		}
		if err != nil {
			return n.locate(fmt.Errorf("open operator: %w", err))
		}
		if n.state.Timers != nil || n.ticking != nil {
			t.clocked = append(t.clocked, n)
		}
	}
	return nil
}

// Run carries records until the input has ended or ctx is canceled. What it returns is
// the task's part of every later checkpoint.
func (t *Task) Run(ctx context.Context, started time.Time) (Checkpoint, error) {
	defer t.forget(math.MaxUint64) // whoever has the last report may wait
	if t.ended() {
		return t.finish(ctx) // it had come to its end before the restore
	}
	if t.config.Latency != nil {
		t.originNano = t.config.Latency(started)
	}
	if t.head.isSource() {
		if err := t.head.openSource(ctx, started); err != nil {
			return Checkpoint{}, err
		}
	}
	if err := t.begin(ctx); err != nil {
		return Checkpoint{}, err
	}
	if err := t.loop(ctx); err != nil {
		return Checkpoint{}, err
	}
	return t.finish(ctx)
}

// loop runs until the input has ended. Before each turn all outputs have room.
func (t *Task) loop(ctx context.Context) error {
	for {
		if err := t.room(ctx, true); err != nil {
			return err
		}
		if did, err := t.obey(ctx); err != nil {
			return err
		} else if did {
			continue
		}
		if err := t.tellTime(ctx); err != nil {
			return err
		}
		progress, err := t.turn(ctx)
		switch {
		case err != nil:
			return err
		case progress == ended:
			return nil
		case t.dirty && time.Since(t.lastFlush) >= t.config.Plan.BufferTimeout:
			if err := t.flush(ctx); err != nil {
				return err
			}
			runtime.Gosched() // those who wait for it come first
		case progress == nothing:
			if err := t.wait(ctx); err != nil {
				return err
			}
		}
	}
}

type progress int

const (
	some progress = iota
	nothing
	ended
)

// turn takes one batch or control through the chain.
func (t *Task) turn(ctx context.Context) (progress, error) {
	if t.head.source != nil {
		status, err := t.head.poll()
		switch {
		case err != nil:
			return some, err
		case status == operator.End:
			return ended, nil
		case status == operator.Idle:
			return nothing, nil
		}
		return some, nil
	}
	channel, e, ok := t.config.Inbox.Next()
	if !ok {
		return nothing, nil
	}
	if e.Kind == exchange.Data {
		err := t.head.process(t.merge.inputs[channel].Input, e.Batch, record.Count(e.Batch))
		t.config.Inbox.Release(e)
		return some, err
	}
	steps, err := t.merge.control(channel, e)
	t.config.Inbox.Release(e)
	if err != nil {
		return some, err
	}
	for _, s := range steps {
		if s.kind == finish {
			return ended, nil
		}
		if err := t.do(ctx, s); err != nil {
			return some, err
		}
	}
	return some, nil
}

// wait is where an idle task stands.
func (t *Task) wait(ctx context.Context) error {
	var ready <-chan struct{}
	var timer <-chan time.Time
	if t.config.Inbox != nil {
		ready = t.config.Inbox.Ready()
	} else if ready = t.head.source.Ready(); ready == nil {
		timer = time.After(pollAgain)
	}
	if timer == nil {
		if at := t.wake(); !at.IsZero() {
			timer = time.After(time.Until(at))
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.config.Failed:
		return t.config.Cause()
	case c := <-t.config.Commands:
		return t.command(ctx, c)
	case <-ready:
	case <-timer:
	case <-t.alarm():
	}
	return nil
}

// flush gives out what operators and buffers hold back.
func (t *Task) flush(ctx context.Context) error {
	for _, n := range t.nodes {
		if err := t.room(ctx, true); err != nil {
			return err
		}
		if err := n.flush(); err != nil {
			return err
		}
	}
	t.dirty = false // unless what comes now is held back
	if err := t.assign(ctx); err != nil {
		return err
	}
	for _, w := range t.writers {
		w.Flush()
	}
	t.lastFlush = time.Now()
	return nil
}

// finish ends the operators in chain order and tells the receivers. What sinks staged
// last is part of the next checkpoint.
func (t *Task) finish(ctx context.Context) (Checkpoint, error) {
	last := Checkpoint{Finished: true}
	for _, n := range t.nodes {
		if err := t.makeRoom(ctx); err != nil {
			return last, err
		}
		part, err := n.end(ctx, t.ended())
		if err != nil {
			return last, err
		}
		last.Parts = append(last.Parts, part)
	}
	for _, w := range t.writers {
		w.Control(exchange.Element{Kind: exchange.End})
		w.Flush()
	}
	return last, t.makeRoom(ctx)
}

// Close ends every operator, whatever state it is in.
func (t *Task) Close() error {
	var first error
	for _, n := range t.nodes {
		if err := n.close(); err != nil && first == nil {
			first = n.locate(fmt.Errorf("close operator: %w", err))
		}
	}
	return first
}

// InGuest is for how long the task has been inside one call of a guest, 0 if it is not,
// and the limit on its CPU time. It is how a supervisor tells a stuck task from a
// waiting one.
func (t *Task) InGuest(now time.Time) (in, limit time.Duration) {
	if since := t.guestSince.Load(); since != 0 {
		return now.Sub(time.Unix(0, since)), time.Duration(t.guestLimit.Load())
	}
	return 0, 0
}

// Name is the subtask of the task's first operator.
func (t *Task) Name() string { return t.head.subtask().String() }

func (n *node) subtask() id.Subtask {
	return id.Subtask{Operator: n.op.Name, Index: n.task.config.Subtask}
}

// locate says where an error happened, once.
func (n *node) locate(err error) error {
	return &fault.Error{Subtask: n.subtask(), Err: err}
}
