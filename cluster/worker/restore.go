package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/fault"
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
	manifest, err := a.worker.config.Manifest(ctx, a.ref.Job, a.from)
	if err != nil {
		return fmt.Errorf("read checkpoint %d: %w", a.from, err)
	}
	a.restore = manifest
	for _, op := range manifest.Operators {
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

// restored is where the operators of a task go on; nil when they start from nothing.
func (a *attempt) restored(m *share) (map[string]task.Restored, error) {
	if a.restore == nil {
		return nil, nil
	}
	all := map[string]task.Restored{}
	for _, o := range m.task.Operators {
		op := &a.plan.Operators[o]
		i := slices.IndexFunc(a.restore.Operators, func(was snapshots.Operator) bool { return was.Name == op.Name })
		if i < 0 {
			all[op.Name] = task.Restored{Splits: []operator.Split{}} // it is new
			continue
		}
		r, err := restoredPart(&a.restore.Operators[i], op.Parallelism, m.subtask)
		if err != nil {
			return nil, fmt.Errorf("restore %s: %w", op.Name, err)
		}
		all[op.Name] = r
	}
	return all, nil
}

// restoredPart is what one subtask takes over. Splits keep their subtask as long as the
// parallelism does; otherwise they are dealt out anew.
func restoredPart(was *snapshots.Operator, parallelism, subtask int) (task.Restored, error) {
	r := task.Restored{Finished: true, Splits: []operator.Split{}}
	var all []operator.Split
	for _, s := range was.Subtasks {
		if was.Parallelism == parallelism && s.Index != subtask {
			continue
		}
		r.Finished = r.Finished && s.Finished
		var splits []operator.Split
		if s.Splits != nil {
			if err := json.Unmarshal(s.Splits, &splits); err != nil {
				return r, fault.Corruptf("read splits of subtask %d: %w", s.Index, err)
			}
		}
		all = append(all, splits...)
	}
	if was.Parallelism == parallelism {
		r.Splits = append(r.Splits, all...)
		return r, nil
	}
	slices.SortFunc(all, func(a, b operator.Split) int { return cmp.Compare(a.ID, b.ID) })
	for i := subtask; i < len(all); i += parallelism {
		r.Splits = append(r.Splits, all[i])
	}
	return r, nil
}
