package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/task"
)

// build makes the hub and the tasks, and returns when all of them can take records.
func (a *attempt) build(ctx context.Context, opener *opener) error {
	hub := exchange.NewHub(exchange.Config{
		Job: a.ref.Job, Attempt: a.ref.Attempt, Subject: "wasmill." + a.worker.config.Cluster, Conn: a.worker.config.Data,
	})
	a.mu.Lock()
	a.hub = hub
	a.mu.Unlock()
	mine := a.share()
	a.worker.config.Tasks(len(mine))
	// Every inbox is there before the first writer looks for it.
	for _, m := range mine {
		if err := m.openInput(a, hub); err != nil {
			return fmt.Errorf("open input of %s: %w", m.head(a.plan), err)
		}
	}
	var opened []chan error
	for _, m := range mine {
		if err := m.openOutputs(a, hub); err != nil {
			return fmt.Errorf("open output of %s: %w", m.head(a.plan), err)
		}
		if err := a.restoreFlight(ctx, m); err != nil {
			return err
		}
		restored, err := a.restored(m)
		if err != nil {
			return err
		}
		built := task.New(task.Config{
			Plan: a.plan, Task: m.task, Subtask: m.subtask, Inbox: m.inbox, Inputs: m.inputs, Outputs: m.outputs,
			Failed: hub.Failed(), Cause: hub.Err, Opener: opener, Latency: a.latency(),
			Commands: m.commands, Report: func(c task.Checkpoint) { a.report(ctx, m, c) }, NotYet: func(n uint64) { a.notYet(m, n) }, Restore: restored, Next: a.next,
			AtLeastOnce: a.plan.Checkpoint.Mode == graph.AtLeastOnce, Clock: a.worker.config.Clock,
		})
		a.mu.Lock()
		a.built = append(a.built, built)
		a.shares = append(a.shares, m)
		a.mu.Unlock()
		done := make(chan error, 1)
		opened = append(opened, done)
		a.tasks.Go(func() { a.runTask(ctx, built, m, done) })
	}
	var errs []error
	for _, done := range opened {
		errs = append(errs, <-done)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return hub.Ready()
}

// latency is how sinks find the time at which a record was due. It is known when all
// records come from sources that keep a schedule, and their timestamps begin alike.
func (a *attempt) latency() func(time.Time) int64 {
	var starts []int64
	for i := range a.plan.Operators {
		op := &a.plan.Operators[i]
		if op.Module != nil && op.Module.Shape == "source" {
			return nil
		}
		if op.Role != graph.RoleSource {
			continue
		}
		schedule, ok := connector.ScheduleOf(op)
		if !ok || len(starts) > 0 && starts[0] != schedule.Start {
			return nil
		}
		starts = append(starts, schedule.Start)
	}
	if len(starts) == 0 {
		return nil
	}
	return func(started time.Time) int64 {
		return started.UnixNano() - starts[0]*int64(time.Millisecond)
	}
}

// probe finds frames and credits that NATS lost when none came after them.
func (a *attempt) probe() {
	a.mu.Lock()
	hub := a.hub
	a.mu.Unlock()
	if hub == nil {
		return
	}
	if err := hub.Probe(); err != nil {
		// The hub has failed for the same reason; its tasks tell.
		a.worker.config.Logger.Debug("probe exchange", "err", err)
	}
}
