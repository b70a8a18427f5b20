package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// takeUp reads the checkpoint to go on from, and makes visible what it had staged: the
// attempt that took it may have died before it could (D5).
func (a *attempt) takeUp(ctx context.Context) error {
	if a.from == 0 {
		return nil
	}
	log := snapshots.Log{Store: a.worker.config.Store, Job: a.ref.Job}
	state, err := log.Read(ctx)
	if err != nil {
		return fmt.Errorf("read checkpoint %d: %w", a.from, err)
	}
	found := state.Find(a.from)
	if found == nil {
		return fault.Corruptf("checkpoint %d is not in the log of job %s", a.from, a.ref.Job)
	}
	a.restore, a.next = &found.Manifest, state.NextCheckpoint()
	if a.before, err = a.elapsed(); err != nil {
		return err
	}
	for _, op := range a.restore.Operators {
		parallelism := a.parallelism(op.Name)
		if parallelism == 0 {
			continue
		}
		for _, s := range op.Subtasks {
			// Whoever opens the sink of a subtask's successor commits for it, before that.
			if !a.mine(s.Index % parallelism) {
				continue
			}
			for _, data := range s.Transactions {
				if err := a.commitOne(ctx, cluster.Transaction{Operator: op.Name, Subtask: s.Index, Data: data}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parallelism is an operator's in this attempt, 0 if it is gone.
func (a *attempt) parallelism(name string) int {
	for i := range a.plan.Operators {
		if op := &a.plan.Operators[i]; op.Name == name {
			return op.Parallelism
		}
	}
	return 0
}

// elapsed is how far generators had come by their schedule: it goes on where the job
// was, and not at its start again.
func (a *attempt) elapsed() (time.Duration, error) {
	least := time.Duration(math.MaxInt64)
	for i := range a.plan.Operators {
		op := &a.plan.Operators[i]
		schedule, ok := connector.ScheduleOf(op)
		if !ok {
			continue
		}
		was := a.restore.Operator(op.Name)
		if was == nil {
			return 0, nil // it begins
		}
		for _, s := range was.Subtasks {
			var splits []operator.Split
			if err := json.Unmarshal(s.Splits, &splits); err != nil {
				return 0, fault.Corruptf("read splits of %s[%d]: %w", op.Name, s.Index, err)
			}
			elapsed, err := schedule.Elapsed(splits)
			if err != nil {
				return 0, err
			}
			least = min(least, elapsed)
		}
	}
	if least == math.MaxInt64 {
		return 0, nil
	}
	return least, nil
}

// takeover is what a subtask continues, nil if it begins from nothing.
func (a *attempt) takeover(op *graph.Operator, subtask int) (*snapshots.Share, error) {
	if a.restore == nil {
		return nil, nil
	}
	return a.restore.Assign(op.Name, op.Parallelism, subtask)
}

// restored is where the operators of a task go on; those that are new are left out. Nil
// when all begin from nothing.
func (a *attempt) restored(m *share) (map[string]task.Restored, error) {
	if a.restore == nil {
		return nil, nil
	}
	all := map[string]task.Restored{}
	for _, o := range m.task.Operators {
		op := &a.plan.Operators[o]
		share, err := a.takeover(op, m.subtask)
		if err != nil {
			return nil, err
		}
		if share == nil {
			continue
		}
		r := task.Restored{Finished: share.Finished, Splits: []operator.Split{}, Watermark: task.MaxWatermark}
		for _, raw := range share.Splits {
			var s operator.Split
			if err := json.Unmarshal(raw, &s); err != nil {
				return nil, fault.Corruptf("read split of %s[%d]: %w", op.Name, m.subtask, err)
			}
			r.Splits = append(r.Splits, s)
		}
		for _, raw := range share.Time {
			var t subtaskTime
			if err := json.Unmarshal(raw, &t); err != nil {
				return nil, fault.Corruptf("read time of %s[%d]: %w", op.Name, m.subtask, err)
			}
			r.Watermark = min(r.Watermark, t.Watermark)
			if t.Assigned != nil {
				r.Assigned = append(r.Assigned, t.Assigned)
			}
		}
		if len(share.Time) == 0 {
			r.Watermark = task.NoWatermark
		}
		all[op.Name] = r
	}
	return all, nil
}

// restoreFlight gives the ends of the exchange what was in flight at a task.
func (a *attempt) restoreFlight(ctx context.Context, m *share) error {
	for _, o := range m.task.Operators {
		op := &a.plan.Operators[o]
		share, err := a.takeover(op, m.subtask)
		if err != nil {
			return err
		}
		if share == nil || share.InFlight == nil {
			continue
		}
		if err := a.restoreSection(ctx, m, *share.InFlight); err != nil {
			return &fault.Error{Subtask: id.Subtask{Operator: op.Name, Index: m.subtask}, Err: fmt.Errorf("restore what was in flight: %w", err)}
		}
	}
	return nil
}

func (a *attempt) restoreSection(ctx context.Context, m *share, s snapshots.Section) error {
	in := a.folder().OpenSection(ctx, s)
	defer in.Close()
	flight, err := task.DecodeInFlight(in, a.plan, m.task)
	if err != nil {
		return err
	}
	if len(flight.In) > 0 {
		if err := m.inbox.Restore(flight.In); err != nil {
			return err
		}
	}
	out := map[int][]exchange.Caught{}
	for _, c := range flight.Out {
		out[c.Channel.Edge] = append(out[c.Channel.Edge], c)
	}
	for edge, caught := range out {
		if err := m.outputs[edge].Restore(caught); err != nil {
			return err
		}
	}
	return nil
}

// subtaskTime is how a manifest has the time of a subtask.
type subtaskTime struct {
	Watermark int64  `json:"watermark"`          // the last that came in; int64 min: none
	Assigned  []byte `json:"assigned,omitempty"` // of one that assigns its own: watermark.Generator's
}
