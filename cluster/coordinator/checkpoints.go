package coordinator

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
)

// CheckpointEvent is something that happened to the checkpoints of an attempt.
type CheckpointEvent interface{ checkpointEvent() }

// The events. Time comes with them.
type (
	// Began says that records flow. Next is the first number to give out.
	Began struct {
		Now  time.Time
		Next uint64
	}
	// Ticked lets time pass.
	Ticked struct{ Now time.Time }
	// Requested asks for a checkpoint as soon as one can be taken, whatever the interval.
	Requested struct{ Now time.Time }
	// Acked brings a subtask's snapshot.
	Acked struct {
		Now        time.Time
		Checkpoint uint64
		Task       cluster.TaskRef
		Snapshots  []cluster.Snapshot
	}
	// Declined says that a subtask can't take a checkpoint.
	Declined struct {
		Now        time.Time
		Checkpoint uint64
		Reason     string
		NotYet     bool // nothing failed
	}
	// Ended says that a task came to its end; what it leaves is part of every later
	// checkpoint.
	Ended struct {
		Now       time.Time
		Task      cluster.TaskRef
		Snapshots []cluster.Snapshot
	}
	// Logged says how the attempt to write a manifest ended.
	Logged struct {
		Now        time.Time
		Checkpoint uint64
		Err        error
	}
)

func (Began) checkpointEvent()     {}
func (Ticked) checkpointEvent()    {}
func (Requested) checkpointEvent() {}
func (Acked) checkpointEvent()     {}
func (Declined) checkpointEvent()  {}
func (Ended) checkpointEvent()     {}
func (Logged) checkpointEvent()    {}

// CheckpointAction is what is to be done.
type CheckpointAction interface{ checkpointAction() }

// The actions.
type (
	// Trigger asks the sources for a checkpoint.
	Trigger struct{ Checkpoint uint64 }
	// WriteManifest puts a checkpoint into the job's log; Logged answers. The next
	// manifest waits for that, so that the log keeps the order of the numbers.
	WriteManifest struct {
		Checkpoint uint64
		Started    time.Time
		Snapshots  []cluster.Snapshot
		Final      bool // every task has ended
	}
	// Completed tells everybody that a checkpoint is in the log.
	Completed struct {
		Checkpoint uint64
		Snapshots  []cluster.Snapshot // as in the manifest
		Final      bool
	}
	// Aborted tells everybody that a checkpoint will never be.
	Aborted struct {
		Checkpoint uint64
		Reason     string
		Failed     bool // it counts as a failure
	}
	// GiveUp fails the attempt: too many checkpoints in a row have failed.
	GiveUp struct{ Reason string }
)

func (Trigger) checkpointAction()       {}
func (WriteManifest) checkpointAction() {}
func (Completed) checkpointAction()     {}
func (Aborted) checkpointAction()       {}
func (GiveUp) checkpointAction()        {}

// Checkpoints decides when the checkpoints of an attempt are taken, complete and given
// up. It is a step machine like Job.
type Checkpoints struct {
	pace graph.Checkpointing
	next uint64

	running map[cluster.TaskRef]bool               // tasks that still take part
	sources map[cluster.TaskRef]bool               // those of them that barriers come from
	ended   map[cluster.TaskRef][]cluster.Snapshot // what the others left
	pending map[uint64]*pendingCheckpoint
	writing uint64 // whose manifest is being written, 0 if none

	requested          bool
	lastStart, lastEnd time.Time
	failures           int // in a row
	final              bool
}

type pendingCheckpoint struct {
	started time.Time
	acks    map[cluster.TaskRef][]cluster.Snapshot
	sent    bool // a source has taken it, and its barrier is on its way
	final   bool
	written []cluster.Snapshot // once its manifest is being written
}

// NewCheckpoints is a machine for the tasks of an attempt.
func NewCheckpoints(plan *graph.Plan) *Checkpoints {
	c := &Checkpoints{
		pace: plan.Checkpoint, running: map[cluster.TaskRef]bool{}, sources: map[cluster.TaskRef]bool{},
		ended: map[cluster.TaskRef][]cluster.Snapshot{}, pending: map[uint64]*pendingCheckpoint{},
	}
	for _, t := range tasks(plan) {
		c.running[t] = true
		head := plan.Tasks[t.Task].Operators[0]
		if !slices.ContainsFunc(plan.Edges, func(e graph.Edge) bool { return e.To == head }) {
			c.sources[t] = true
		}
	}
	return c
}

// Step takes an event and returns what is to be done.
func (c *Checkpoints) Step(e CheckpointEvent) []CheckpointAction {
	switch e := e.(type) {
	case Began:
		c.next, c.lastStart, c.lastEnd = e.Next, e.Now, e.Now
	case Ticked:
		return append(c.expire(e.Now), c.start(e.Now)...)
	case Requested:
		c.requested = true
		return c.start(e.Now)
	case Acked:
		if p := c.pending[e.Checkpoint]; p != nil && c.running[e.Task] {
			p.acks[e.Task] = e.Snapshots
			p.sent = p.sent || c.sources[e.Task]
			return c.write()
		}
	case Declined:
		if c.pending[e.Checkpoint] != nil && c.writing != e.Checkpoint {
			if e.NotYet {
				delete(c.pending, e.Checkpoint)
				c.lastEnd = e.Now
				return []CheckpointAction{Aborted{Checkpoint: e.Checkpoint, Reason: e.Reason}}
			}
			return c.abort(e.Now, e.Checkpoint, e.Reason)
		}
	case Ended:
		return c.end(e)
	case Logged:
		return c.logged(e)
	}
	return nil
}

// Next is the number that the next checkpoint gets.
func (c *Checkpoints) Next() uint64 { return c.next }

func (c *Checkpoints) start(now time.Time) []CheckpointAction {
	if c.next == 0 || c.final || len(c.sources) == 0 || len(c.pending) >= max(1, c.pace.MaxConcurrent) || !c.requested && !c.due(now) {
		return nil
	}
	n := c.next
	c.next++
	c.lastStart, c.requested = now, false
	c.pending[n] = &pendingCheckpoint{started: now, acks: map[cluster.TaskRef][]cluster.Snapshot{}}
	return []CheckpointAction{Trigger{Checkpoint: n}}
}

func (c *Checkpoints) due(now time.Time) bool {
	return c.pace.Interval > 0 && now.Sub(c.lastStart) >= c.pace.Interval && now.Sub(c.lastEnd) >= c.pace.MinPause
}

// expire gives up checkpoints that take too long. One whose manifest is being written
// may be in the log already: its fate is the store's.
func (c *Checkpoints) expire(now time.Time) (actions []CheckpointAction) {
	for _, n := range c.numbers() {
		if p := c.pending[n]; p != nil && c.pace.Timeout > 0 && n != c.writing && !p.final && now.Sub(p.started) >= c.pace.Timeout {
			actions = append(actions, c.abort(now, n, "not complete within "+c.pace.Timeout.String())...)
		}
	}
	return actions
}

func (c *Checkpoints) numbers() []uint64 { return slices.Sorted(maps.Keys(c.pending)) }

// write writes the manifest of the oldest checkpoint that has all its snapshots. Older
// ones that don't are overtaken: nobody will restore from them.
func (c *Checkpoints) write() (actions []CheckpointAction) {
	if c.writing != 0 {
		return nil
	}
	for _, n := range c.numbers() {
		p := c.pending[n]
		if !c.acked(p) {
			continue
		}
		for _, older := range c.numbers() {
			if older < n {
				delete(c.pending, older)
				actions = append(actions, Aborted{Checkpoint: older, Reason: "overtaken by a later one"})
			}
		}
		c.writing, p.written = n, c.gather(p)
		return append(actions, WriteManifest{Checkpoint: n, Started: p.started, Snapshots: p.written, Final: p.final})
	}
	return actions
}

// acked reports whether every task has answered or come to its end.
func (c *Checkpoints) acked(p *pendingCheckpoint) bool {
	for t := range c.running {
		if _, ok := p.acks[t]; !ok {
			return false
		}
	}
	return true
}

// gather is what a manifest lists: what tasks answered, and what ended ones left. A
// task that answered and then ended is in it as it was when it answered (D2).
func (c *Checkpoints) gather(p *pendingCheckpoint) []cluster.Snapshot {
	var all []cluster.Snapshot
	for t, s := range c.ended {
		if _, answered := p.acks[t]; !answered {
			all = append(all, s...)
		}
	}
	for _, s := range p.acks {
		all = append(all, s...)
	}
	slices.SortFunc(all, func(a, b cluster.Snapshot) int {
		return cmp.Or(cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Index, b.Index))
	})
	return all
}

func (c *Checkpoints) end(e Ended) []CheckpointAction {
	if !c.running[e.Task] {
		return nil
	}
	delete(c.running, e.Task)
	c.ended[e.Task] = e.Snapshots
	last := c.sources[e.Task] && len(c.sources) == 1
	delete(c.sources, e.Task)
	if len(c.running) > 0 {
		actions := c.write()
		if last {
			actions = append(actions, c.dropUnsent()...)
		}
		return actions
	}
	// The last output of a bounded job becomes visible with a checkpoint of its own.
	n := c.next
	c.next++
	c.final = true
	c.pending[n] = &pendingCheckpoint{started: e.Now, acks: map[cluster.TaskRef][]cluster.Snapshot{}, final: true}
	var actions []CheckpointAction
	for _, older := range c.numbers() {
		if older < n && older != c.writing {
			delete(c.pending, older)
			actions = append(actions, Aborted{Checkpoint: older, Reason: "every task has ended"})
		}
	}
	return append(actions, c.write()...)
}

// dropUnsent forgets checkpoints that no source has taken, now that none is left: their
// barriers will never come. What is still on its way is left to the final one.
func (c *Checkpoints) dropUnsent() (actions []CheckpointAction) {
	for _, n := range c.numbers() {
		if p := c.pending[n]; n != c.writing && !p.sent {
			delete(c.pending, n)
			actions = append(actions, Aborted{Checkpoint: n, Reason: "every source has ended"})
		}
	}
	return actions
}

func (c *Checkpoints) logged(e Logged) []CheckpointAction {
	p := c.pending[e.Checkpoint]
	if p == nil || c.writing != e.Checkpoint {
		return nil
	}
	c.writing = 0
	if e.Err != nil {
		if p.final {
			delete(c.pending, e.Checkpoint)
			return []CheckpointAction{GiveUp{Reason: "write final checkpoint: " + e.Err.Error()}}
		}
		return append(c.abort(e.Now, e.Checkpoint, "write manifest: "+e.Err.Error()), c.write()...)
	}
	delete(c.pending, e.Checkpoint)
	c.failures, c.lastEnd = 0, e.Now
	for t, left := range c.ended {
		if _, answered := p.acks[t]; answered {
			continue // what it left at its end is not in this one
		}
		// What was committed with this one need not be with the next.
		left = slices.Clone(left)
		for i := range left {
			left[i].Transactions = nil
		}
		c.ended[t] = left
	}
	return append([]CheckpointAction{Completed{Checkpoint: e.Checkpoint, Snapshots: p.written, Final: p.final}}, c.write()...)
}

func (c *Checkpoints) abort(now time.Time, n uint64, reason string) []CheckpointAction {
	delete(c.pending, n)
	c.failures++
	c.lastEnd = now
	actions := []CheckpointAction{Aborted{Checkpoint: n, Reason: reason, Failed: true}}
	if c.failures > c.pace.TolerableFailures {
		actions = append(actions, GiveUp{Reason: reason})
	}
	return actions
}
