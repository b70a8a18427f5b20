package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// maxGuestBatch is the most that a guest is given in one call, in bytes, unless one
// record alone is larger.
const maxGuestBatch = 256 << 10

// keepPending is the largest buffer a node keeps between batches.
const keepPending = 1 << 20

// node is one operator of a chain. It is the Collector of what it runs.
type node struct {
	task     *Task
	op       *graph.Operator
	function operator.Function // of these three, one is set
	source   operator.Source
	sink     operator.Sink
	direct   bool // native: receivers run while it emits, without a copy

	outputs [][]target         // by output
	chained []*node            // distinct receivers within the chain
	writers []*exchange.Writer // those that leave the chain here
	input   int                // of this node that its chain feeds

	state     State
	timed     operator.Timed // the function, if it has a sense of time
	ticking   ticker         // the function, if the clock concerns it
	watermark int64          // the last that came in
	announced int64          // the last that went out
	idle      bool           // the receivers were told so
	assigned  *assigner      // makes the watermarks that go out; nil: those that come in do

	pending []byte // emitted to this node, not processed yet
	waiting int    // records in pending
	current []byte // the batch being processed
	latency *hdrhistogram.Histogram
	stats   counters
}

// target is where an output leads: to a node of the chain or out of it.
type target struct {
	node   *node
	writer *exchange.Writer
}

func newNode(t *Task, op *graph.Operator) *node {
	n := &node{task: t, op: op, outputs: make([][]target, len(op.Outputs)), watermark: NoWatermark, announced: NoWatermark}
	if t.config.Latency != nil && op.Role == graph.RoleSink {
		// 1 µs to 1 h with 3 digits, as HdrHistogram counts them.
		n.latency = hdrhistogram.New(1, time.Hour.Microseconds(), 3)
	}
	if r := n.restored(); r != nil {
		n.watermark, n.announced = r.Watermark, r.Watermark
	}
	return n
}

// restored is where the operator goes on, nil if it begins from nothing.
func (n *node) restored() *Restored {
	if r, ok := n.task.config.Restore[n.op.Name]; ok {
		return &r
	}
	return nil
}

func (n *node) opening() Opening {
	return Opening{
		Operator: n.op, Subtask: n.task.config.Subtask, Collector: n, Restored: n.restored(),
		Watermark: func() int64 { return n.watermark },
	}
}

// openSource makes the source of the chain. A guest is not entered again from its own
// emit: what it gives out waits.
func (n *node) openSource(ctx context.Context, started time.Time) error {
	o := n.opening()
	o.Started = started
	var err error
	if n.source, n.state, err = n.task.config.Opener.Source(ctx, o); err != nil {
		return n.locate(fmt.Errorf("open source: %w", err))
	}
	n.direct = n.op.Role == graph.RoleSource
	return nil
}

func (n *node) isSource() bool {
	return n.op.Role == graph.RoleSource || n.op.Role == graph.RoleModule && n.op.Module.Shape == "source"
}

// Emit implements operator.Collector.
func (n *node) Emit(output int, batch []byte) error {
	records := n.emitted(output, batch)
	for _, to := range n.outputs[output] {
		switch {
		case to.writer != nil:
			to.writer.Write(batch)
		case n.direct:
			if err := to.node.process(to.node.input, batch, records); err != nil {
				return err
			}
		default:
			to.node.hold(batch, records)
		}
	}
	return nil
}

// EmitTo implements operator.Collector. Within a chain there is one receiver.
func (n *node) EmitTo(output, partition int, batch []byte) error {
	records := n.emitted(output, batch)
	for _, to := range n.outputs[output] {
		if to.writer == nil {
			to.node.hold(batch, records)
			continue
		}
		if err := to.writer.WriteTo(partition, batch); err != nil {
			return err
		}
	}
	return nil
}

// emitted counts what the node gives out. Counting walks the batch, so the receivers
// in the chain are told the number.
func (n *node) emitted(output int, batch []byte) (records int) {
	records = record.Count(batch)
	n.stats.out(batch, records)
	n.task.dirty = true
	if n.assigned != nil && !n.op.Aside(output) {
		n.assigned.observe(batch)
		if n.idle {
			n.setIdle(false) // ahead of the records
		}
	}
	return records
}

// hold keeps a batch until the operator that emits it has returned.
func (n *node) hold(batch []byte, records int) {
	n.pending = append(n.pending, batch...)
	n.waiting += records
}

// process gives a batch to the node, and what it emits to the nodes behind it. A guest
// gets it in pieces that it has room for.
func (n *node) process(input int, batch []byte, records int) error {
	n.stats.in(batch, records)
	n.task.dirty = true // whatever it does not emit now it may hold back
	if n.function == nil {
		return n.write(batch)
	}
	for len(batch) > maxGuestBatch {
		end := record.Cut(batch, maxGuestBatch)
		if err := n.call(input, batch[:end]); err != nil {
			return err
		}
		batch = batch[end:]
	}
	return n.call(input, batch)
}

// call gives one piece to the function.
func (n *node) call(input int, batch []byte) error {
	if err := n.enterGuest(input, batch); err != nil {
		return n.place(err)
	}
	return n.deliver()
}

// enterGuest calls the function. A record that does not fit into it is a bad record, not
// a fault of the guest: the batch is halved until it is found.
func (n *node) enterGuest(input int, batch []byte) error {
	n.current = batch
	n.setTime()
	call := n.enter()
	err := n.function.Process(input, batch)
	n.leave(call)
	if errors.Is(err, operator.ErrTooLarge) && n.op.Window == nil {
		first := record.Cut(batch, len(batch)/2)
		if first == len(batch) {
			return n.Reject(operator.Rejection{Reason: err.Error()})
		}
		if err = n.enterGuest(input, batch[:first]); err == nil {
			err = n.enterGuest(input, batch[first:])
		}
	}
	n.current = nil
	return err
}

// write gives a batch to the sink.
func (n *node) write(batch []byte) error {
	n.current = batch
	call := n.enter()
	err := n.sink.Write(batch)
	n.leave(call)
	n.current = nil
	if err != nil {
		return n.place(err)
	}
	if n.latency != nil {
		n.recordLatency(batch)
	}
	return nil
}

// deliver processes what is pending at the receivers in the chain.
func (n *node) deliver() error {
	for _, to := range n.chained {
		if len(to.pending) == 0 {
			continue
		}
		batch, records := to.pending, to.waiting
		to.waiting = 0
		err := to.process(to.input, batch, records)
		if to.pending = batch[:0]; cap(batch) > keepPending {
			to.pending = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *node) poll() (operator.Status, error) {
	n.setTime()
	call := n.enter()
	status, err := n.source.Poll(pollMax)
	n.leave(call)
	if err != nil {
		return status, n.place(err)
	}
	if n.assigned != nil {
		n.polled()
	}
	return status, n.deliver()
}

// flusher is a source that may hold records back: a guest.
type flusher interface{ Flush() error }

func (n *node) flush() error {
	if n.state.Keyed != nil {
		n.stats.state.Store(n.state.Keyed.Bytes())
	}
	call := n.enter()
	var err error
	switch {
	case n.function != nil:
		err = n.function.Flush()
	case n.sink != nil:
		err = n.sink.Flush()
	default:
		if f, ok := n.source.(flusher); ok {
			err = f.Flush()
		}
	}
	n.leave(call)
	if err != nil {
		return n.place(err)
	}
	return n.deliver()
}

// end gives out the operator's last output and says what it leaves. One that had ended
// before the restore has nothing left to give.
func (n *node) end(ctx context.Context, before bool) (Part, error) {
	part := Part{Operator: n.op.Name}
	if before {
		return part, nil
	}
	if err := n.reach(ctx, MaxWatermark); err != nil {
		return part, err
	}
	if err := n.flush(); err != nil {
		return part, err
	}
	if err := n.task.makeRoom(ctx); err != nil {
		return part, err
	}
	switch {
	case n.function != nil:
		call := n.enter()
		err := n.function.End()
		n.leave(call)
		if err != nil {
			return part, n.place(err)
		}
	case n.source != nil:
		part.Splits = n.source.Position()
	case n.sink != nil:
		// The next checkpoint's number is not known yet, and does not matter: every
		// later one has this part until it is committed.
		staged, err := n.prepare(n.task.lastCheckpoint + 1)
		if err != nil {
			return part, err
		}
		part.Transaction = staged
	}
	return part, n.deliver()
}

func (n *node) close() error {
	var err error
	if n.function != nil {
		err = n.function.Close()
		n.function = nil
	}
	if n.source != nil {
		err = n.source.Close()
		n.source = nil
	}
	if n.sink != nil {
		err = n.sink.Close()
		n.sink = nil
	}
	return errors.Join(err, n.state.close())
}

type call struct {
	started time.Time
	outer   time.Duration
}

// enter and leave bracket a call of the operator, so that each node is charged for its
// own time and not for the nodes that ran inside its call.
func (n *node) enter() call {
	c := call{started: time.Now(), outer: n.task.nested}
	n.task.nested = 0
	if n.op.Module != nil {
		// Guests are not entered from guests: there is one at a time.
		n.task.guestLimit.Store(int64(n.op.Limits.CPUPerBatch))
		n.task.guestSince.Store(c.started.UnixNano())
	}
	return c
}

func (n *node) leave(c call) {
	took := time.Since(c.started)
	n.stats.busy.Add(int64(took - n.task.nested))
	n.task.nested = c.outer + took
	if n.op.Module != nil {
		n.task.guestSince.Store(0)
		if m, ok := n.guest().(metered); ok {
			n.stats.guest.Store(int64(m.GuestTime()))
		}
		if w, ok := n.function.(windowed); ok {
			n.stats.late.Store(w.TooLate())
		}
	}
}

// windowed drops records that come too late.
type windowed interface{ TooLate() int64 }

// metered is a guest whose time on the processor is known.
type metered interface{ GuestTime() time.Duration }

func (n *node) guest() any {
	if n.function != nil {
		return n.function
	}
	return n.source
}
