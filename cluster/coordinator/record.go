package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

// deploy starts the next attempt when enough workers are there: the first from where
// the user said, later ones from the newest checkpoint.
func (c *Coordinator) deploy() {
	workers := c.alive()
	if len(workers) < c.config.Workers || c.recording > 0 {
		return // a tick asks again
	}
	c.restart = time.Time{}
	if c.job.State() == Created {
		c.start(workers, c.from)
		return
	}
	cause := c.job.Cause()
	doubt := cause != nil && cause.Class == "corrupt"
	go func() {
		latest, err := c.config.History.Latest(context.Background(), doubt)
		c.later <- func() {
			if err != nil {
				c.step(AttemptFailed{Cause: cluster.CauseOf(err), Final: !errors.Is(err, fault.ErrTransient)})
				return
			}
			if latest == nil {
				latest = c.config.From
			}
			workers := c.alive()
			if len(workers) < c.config.Workers {
				c.restart = time.Now() // one was lost meanwhile
				return
			}
			c.start(workers, latest)
		}
	}()
}

func (c *Coordinator) start(workers []string, from *snapshots.Manifest) {
	deploy := Deploy{Workers: workers}
	if from != nil {
		deploy.Restore = from.Checkpoint
	}
	c.step(deploy)
}

// beginCheckpoints starts the machine of a new attempt.
func (c *Coordinator) beginCheckpoints() {
	if c.checkpoints != nil {
		c.next = max(c.next, c.checkpoints.Next())
	}
	for n, waiting := range c.asking { // of the attempt before
		c.asked = append(c.asked, waiting...)
		delete(c.asking, n)
	}
	c.checkpoints = NewCheckpoints(c.config.Plan)
	c.stepCheckpoints(Began{Now: time.Now(), Next: c.next})
	if len(c.asked) > 0 {
		c.stepCheckpoints(Requested{Now: time.Now()})
	}
}

// request has a checkpoint taken, when records flow.
func (c *Coordinator) request(r Request) {
	c.asked = append(c.asked, r)
	if c.checkpoints != nil {
		c.stepCheckpoints(Requested{Now: time.Now()})
	}
}

// answer tells those who asked what became of a checkpoint.
func (c *Coordinator) answer(checkpoint uint64, err error) {
	for _, r := range c.asking[checkpoint] {
		r.Done(err)
	}
	delete(c.asking, checkpoint)
}

// checkpointMessage feeds the checkpoints of the running attempt (C2).
func (c *Coordinator) checkpointMessage(m cluster.Message) {
	now, ref := time.Now(), c.job.Attempt()
	if c.checkpoints == nil {
		return
	}
	switch m := m.(type) {
	case cluster.CheckpointAck:
		if m.AttemptRef == ref {
			c.stepCheckpoints(Acked{Now: now, Checkpoint: m.Checkpoint, Task: m.Task, Snapshots: m.Snapshots})
		}
	case cluster.CheckpointDeclined:
		if m.AttemptRef == ref {
			c.stepCheckpoints(Declined{Now: now, Checkpoint: m.Checkpoint, Reason: m.Reason, NotYet: m.NotYet})
		}
	case cluster.TaskFinished:
		if m.AttemptRef == ref {
			c.stepCheckpoints(Ended{Now: now, Task: m.Task, Snapshots: m.Snapshots})
		}
	}
}

func (c *Coordinator) stepCheckpoints(e CheckpointEvent) {
	ref := c.job.Attempt()
	log := c.config.Logger.With("namespace", ref.Job.Namespace, "job", ref.Job.Name, "attempt", ref.Attempt.String())
	for _, a := range c.checkpoints.Step(e) {
		switch a := a.(type) {
		case Trigger:
			c.asking[a.Checkpoint], c.asked = c.asked, nil
			c.toAll(cluster.TriggerCheckpoint{AttemptRef: ref, Checkpoint: a.Checkpoint})
		case WriteManifest:
			c.record(a)
		case Completed:
			log.Info("checkpoint completed", "checkpoint", a.Checkpoint)
			c.commit(a)
			c.answer(a.Checkpoint, nil)
		case Aborted:
			level := slog.LevelInfo
			if a.Failed {
				level = slog.LevelWarn
			}
			log.Log(context.Background(), level, "checkpoint aborted", "checkpoint", a.Checkpoint, "reason", a.Reason)
			c.toAll(cluster.CheckpointAborted{AttemptRef: ref, Checkpoint: a.Checkpoint, Reason: a.Reason})
			c.answer(a.Checkpoint, fmt.Errorf("checkpoint %d: %s", a.Checkpoint, a.Reason))
		case GiveUp:
			c.step(AttemptFailed{Cause: cluster.Cause{Class: "transient", Text: "checkpoints fail: " + a.Reason}})
		}
	}
}

func (c *Coordinator) toAll(m cluster.Message) {
	for _, w := range c.job.workers {
		c.reply(w, m)
	}
}

// record writes a manifest away from the coordinator's goroutine.
func (c *Coordinator) record(a WriteManifest) {
	machine, m := c.checkpoints, c.manifest(a)
	c.recording++
	go func() {
		err := c.config.History.Record(context.Background(), m)
		c.later <- func() {
			c.recording--
			if machine != c.checkpoints {
				return // of an attempt that is over: the next one has read the log
			}
			if errors.Is(err, fault.ErrFenced) {
				c.step(AttemptFailed{Cause: cluster.CauseOf(err)})
				return
			}
			c.stepCheckpoints(Logged{Now: time.Now(), Checkpoint: a.Checkpoint, Err: err})
		}
	}()
}

// commit has workers make visible what a completed checkpoint lists as staged.
func (c *Coordinator) commit(a Completed) {
	var all []cluster.Transaction
	for _, s := range a.Snapshots {
		for _, data := range s.Transactions {
			all = append(all, cluster.Transaction{Operator: s.Operator, Subtask: s.Index, Data: data})
		}
	}
	if a.Final {
		c.concluded = true
		c.step(Concluded{Checkpoint: a.Checkpoint, Transactions: all})
		return
	}
	ref, workers := c.job.Attempt(), c.job.workers
	for i, w := range workers {
		var own []cluster.Transaction
		for _, t := range all {
			if t.Subtask%len(workers) == i {
				own = append(own, t)
			}
		}
		c.reply(w, cluster.Commit{AttemptRef: ref, Checkpoint: a.Checkpoint, Transactions: own})
	}
}

// manifest lists what the tasks have answered.
func (c *Coordinator) manifest(a WriteManifest) *snapshots.Manifest {
	plan := c.config.Plan
	m := &snapshots.Manifest{
		Checkpoint: a.Checkpoint, Attempt: c.job.Attempt().Attempt, Created: a.Started, Duration: time.Since(a.Started),
		MaxParallelism: plan.MaxParallelism,
	}
	for i := range plan.Operators {
		op := &plan.Operators[i]
		o := snapshots.Operator{Name: op.Name, Parallelism: op.Parallelism}
		if op.Module != nil {
			o.Module = op.Module.SHA256
		}
		if op.State != nil {
			o.StateVersion = op.State.Version
			for _, t := range op.State.Tables {
				o.Tables = append(o.Tables, snapshots.Table{Name: t.Name, Scope: string(t.Scope)})
			}
		}
		for _, s := range a.Snapshots {
			if s.Operator == op.Name {
				o.Subtasks = append(o.Subtasks, s.Subtask)
				m.Unaligned = m.Unaligned || s.InFlight != nil
			}
		}
		slices.SortFunc(o.Subtasks, func(a, b snapshots.Subtask) int { return a.Index - b.Index })
		m.Operators = append(m.Operators, o)
	}
	return m
}
