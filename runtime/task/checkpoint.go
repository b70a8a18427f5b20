package task

import (
	"context"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/state"
)

// Command is what the coordinator wants of a task.
type Command struct {
	Kind       CommandKind
	Checkpoint uint64
}

// CommandKind is the kind of a command.
type CommandKind int

// The commands.
const (
	Trigger CommandKind = iota // a source takes the checkpoint and sends its barrier
	Abort                      // the checkpoint will never be: let its channels go on
	Confirm                    // the checkpoint is complete: later ones may build on it
)

// Checkpoint is a task's part of a checkpoint, or of all later ones if it is finished.
type Checkpoint struct {
	Number   uint64 // 0 when finished
	Finished bool
	Parts    []Part        // in chain order
	Align    time.Duration // from the first barrier to the last
	Sync     time.Duration // that the task stood still
	Flight   *Flight       // what its barrier may overtake; nil if it overtakes nothing
}

// Part is an operator's part of a task's checkpoint.
type Part struct {
	Operator    string
	Splits      []operator.Split
	Transaction operator.Transaction // nil if nothing is staged
	// Keyed, Own and Heap are what it keeps, nil if nothing. Whoever gets the report
	// writes and closes them.
	Keyed, Own, Heap state.Snapshot

	Watermark int64  // the last that came in; NoWatermark if none
	Assigned  []byte // what it knows of the watermarks it assigns; nil if it does not
}

// Restored is where an operator goes on.
type Restored struct {
	Finished  bool // it had come to its end
	Splits    []operator.Split
	Watermark int64    // the least of the subtasks that it continues
	Assigned  [][]byte // Part.Assigned of each of them
}

// Close releases snapshots that nobody will write.
func (c *Checkpoint) Close() {
	for i := range c.Parts {
		for _, s := range []state.Snapshot{c.Parts[i].Keyed, c.Parts[i].Own, c.Parts[i].Heap} {
			if s != nil {
				// There is nothing to lose: it was only read.
				_ = s.Close()
			}
		}
	}
}

// ended reports whether the task had come to its end before the restore.
func (t *Task) ended() bool {
	return t.config.Restore[t.head.op.Name].Finished
}

// obey does what the coordinator has asked for meanwhile.
func (t *Task) obey(ctx context.Context) (did bool, err error) {
	if n := t.triggered.checkpoint; n > 0 {
		t.triggered = trigger{}
		return true, t.checkpoint(ctx, n)
	}
	select {
	case c := <-t.config.Commands:
		return true, t.command(ctx, c)
	default:
		return false, nil
	}
}

func (t *Task) command(ctx context.Context, c Command) error {
	switch {
	case c.Kind == Abort:
		t.forget(c.Checkpoint)
		for _, s := range t.merge.abort(c.Checkpoint) {
			if err := t.do(ctx, s); err != nil {
				return err
			}
		}
	case c.Kind == Confirm:
		for _, n := range t.nodes {
			n.state.confirm(c.Checkpoint)
		}
	case t.head.source != nil && c.Checkpoint > t.lastCheckpoint:
		// Whoever moves the clock finds what came of it in front of the barrier.
		if err := t.tellTime(ctx); err != nil {
			return err
		}
		return t.checkpoint(ctx, c.Checkpoint)
	}
	return nil
}

// do carries out a step of the merge.
func (t *Task) do(ctx context.Context, s step) error {
	switch s.kind {
	case pause:
		t.config.Inbox.Pause(int(s.value))
	case resume:
		t.config.Inbox.Resume(int(s.value))
	case beginAlign:
		t.alignedSince = time.Now()
	case snapshot:
		return t.checkpoint(ctx, uint64(s.value))
	case overtake:
		return t.overtake(ctx, uint64(s.value))
	case notYet:
		t.config.NotYet(uint64(s.value))
	case giveUp:
		t.control(exchange.Abort, s.value)
	case advance:
		if s.value == MaxWatermark {
			return nil // each operator reaches it before its end
		}
		return t.head.advance(ctx, s.value)
	case becomeIdle, becomeActive:
		if t.head.assigned == nil {
			t.head.setIdle(s.kind == becomeIdle)
		}
	}
	return nil
}

// control sends an element to every receiver, behind what was written.
func (t *Task) control(kind exchange.Kind, value int64) {
	for _, w := range t.writers {
		w.Control(exchange.Element{Kind: kind, Value: value})
	}
}

// checkpoint takes the synchronous part of a checkpoint: everything in front of the
// barrier is processed, the operators say where they stand, and the barrier goes on
// (D2). What takes long is left to whoever gets the report.
func (t *Task) checkpoint(ctx context.Context, number uint64) error {
	began := time.Now()
	t.forget(number)
	c := Checkpoint{Number: number}
	if !t.alignedSince.IsZero() {
		c.Align = began.Sub(t.alignedSince)
		t.alignedSince = time.Time{}
	}
	for _, n := range t.nodes {
		// A barrier that may overtake does not wait for room behind it, either.
		if !t.overtakes {
			if err := t.makeRoom(ctx); err != nil {
				c.Close()
				return err
			}
		}
		part, err := n.checkpoint(number)
		c.Parts = append(c.Parts, part)
		if err != nil {
			c.Close()
			return err
		}
	}
	t.control(exchange.Barrier, int64(number))
	t.lastCheckpoint = number
	c.Sync = time.Since(began)
	if t.overtakes {
		t.flight = &flight{Flight: &Flight{left: make(chan struct{})}, checkpoint: number, since: began}
		c.Flight = t.flight.Flight
	}
	t.alarm() // whoever moves the clock is told where to stop before the report
	t.config.Report(c)
	return nil
}

// checkpoint flushes the operator, which may give out its last records in front of the
// barrier, and says where it stands.
func (n *node) checkpoint(number uint64) (Part, error) {
	part := Part{Operator: n.op.Name, Watermark: n.watermark}
	if err := n.flush(); err != nil {
		return part, err
	}
	if n.timed != nil {
		n.setTime()
		call := n.enter()
		err := n.timed.Barrier(number)
		n.leave(call)
		if err != nil {
			return part, n.place(err)
		}
		if err := n.deliver(); err != nil {
			return part, err
		}
	}
	if n.assigned != nil {
		part.Assigned = n.assigned.Encode(nil)
	}
	if err := n.state.snapshot(number, &part); err != nil {
		return part, n.place(err)
	}
	switch {
	case n.source != nil:
		part.Splits = n.source.Position()
	case n.sink != nil:
		staged, err := n.prepare(number)
		if err != nil {
			return part, err
		}
		part.Transaction = staged
	}
	return part, nil
}

// prepare stages what a two-phase sink has written.
func (n *node) prepare(checkpoint uint64) (operator.Transaction, error) {
	s, ok := n.sink.(operator.TwoPhaseSink)
	if !ok {
		return nil, nil
	}
	call := n.enter()
	staged, err := s.Prepare(checkpoint)
	n.leave(call)
	if err != nil {
		return nil, n.place(err)
	}
	return staged, nil
}
