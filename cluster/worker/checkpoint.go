package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// command tells every task here that runs; a source that is too busy to listen does not
// take part in the checkpoint.
func (a *attempt) command(c task.Command) {
	a.mu.Lock()
	shares := a.shares
	a.mu.Unlock()
	for _, m := range shares {
		if m.ended.Load() || c.Kind == task.Trigger && m.inbox != nil {
			continue // to whom barriers come they bring the checkpoint
		}
		select {
		case m.commands <- c:
		default:
			if c.Kind == task.Trigger {
				a.decline(m, c.Checkpoint, "the task has not listened for many checkpoints")
			}
		}
	}
}

// report sends a task's part of a checkpoint on its way: what it keeps is written to
// the store first, in the background. It is called by the task.
func (a *attempt) report(ctx context.Context, m *share, c task.Checkpoint) {
	ctx, cancel := context.WithCancel(ctx)
	a.uploading(m, c.Number, cancel)
	parts := a.snapshots(m, c)
	m.uploads.Go(func() {
		defer a.uploaded(m, c.Number)
		defer c.Close()
		began := time.Now()
		if err := a.upload(ctx, m, c, parts); err != nil {
			if ctx.Err() == nil {
				a.decline(m, c.Number, err.Error())
			}
			return
		}
		for i := range parts {
			parts[i].AsyncNanos = int64(time.Since(began))
		}
		ref := cluster.TaskRef{Task: m.task.ID, Subtask: m.subtask}
		a.tell(cluster.CheckpointAck{AttemptRef: a.ref, Checkpoint: c.Number, Task: ref, Snapshots: parts})
	})
}

// upload writes what the operators of a task keep, and what is in flight at the task,
// into one pack.
func (a *attempt) upload(ctx context.Context, m *share, c task.Checkpoint, parts []cluster.Snapshot) error {
	pack := snapshots.PackID{Checkpoint: c.Number, Attempt: a.ref.Attempt, Task: m.task.ID, Subtask: m.subtask}
	flight := &task.InFlight{}
	if c.Flight != nil {
		var err error
		if flight, err = c.Flight.Wait(ctx); err != nil {
			return err
		}
	}
	stateful := slices.ContainsFunc(c.Parts, func(p task.Part) bool { return p.Keyed != nil || p.Own != nil || p.Heap != nil })
	if !stateful && flight.Empty() {
		return nil
	}
	_, err := a.folder().WritePack(ctx, pack, func(w *snapshots.PackWriter) error { return a.writeParts(ctx, w, m, c, flight, parts) })
	return err
}

func (a *attempt) writeParts(ctx context.Context, w *snapshots.PackWriter, m *share, c task.Checkpoint, flight *task.InFlight, parts []cluster.Snapshot) error {
	for i := range c.Parts {
		if err := a.writePart(ctx, w, m, c.Number, &c.Parts[i], &parts[i].Subtask); err != nil {
			return fmt.Errorf("write state of %s[%d]: %w", c.Parts[i].Operator, m.subtask, err)
		}
	}
	if flight.Empty() {
		return nil
	}
	head := &parts[0]
	section, err := w.Section(head.Operator+"/in-flight", func(w io.Writer) error { return flight.Encode(w, a.plan) })
	if err != nil {
		return fmt.Errorf("write what is in flight at %s[%d]: %w", head.Operator, m.subtask, err)
	}
	head.InFlight, head.Caught = &section, flight.Edges(a.plan)
	return nil
}

func (a *attempt) writePart(ctx context.Context, w *snapshots.PackWriter, m *share, checkpoint uint64, p *task.Part, to *snapshots.Subtask) error {
	if p.Keyed != nil {
		k, err := a.keeper(id.Subtask{Operator: p.Operator, Index: m.subtask})
		if err != nil {
			return err
		}
		var info state.RunInfo
		section, err := w.Section(p.Operator+"/keyed", func(w io.Writer) (err error) {
			info, err = p.Keyed.Write(w)
			return err
		})
		if err != nil {
			return err
		}
		if to.Runs, err = k.written(info, section); err != nil {
			return err
		}
	}
	if p.Heap != nil {
		if err := a.writeHeap(ctx, w, m, checkpoint, p, to); err != nil {
			return err
		}
	}
	if p.Own == nil {
		return nil
	}
	section, err := w.Section(p.Operator+"/own", func(w io.Writer) error {
		_, err := p.Own.Write(w)
		return err
	})
	to.Tables = &section
	return err
}

// giveUp ends what is being uploaded for a checkpoint that will never be.
func (a *attempt) giveUp(checkpoint uint64) {
	a.command(task.Command{Kind: task.Abort, Checkpoint: checkpoint})
	a.endHeaps(checkpoint, false)
	a.endUploads(checkpoint)
}

// complete tells the tasks that later snapshots may build on a checkpoint.
func (a *attempt) complete(checkpoint uint64) {
	a.command(task.Command{Kind: task.Confirm, Checkpoint: checkpoint})
	a.endHeaps(checkpoint, true)
	a.endUploads(checkpoint)
}

func (a *attempt) uploading(m *share, checkpoint uint64, cancel context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uploads[checkpoint] == nil {
		a.uploads[checkpoint] = map[*share]context.CancelFunc{}
	}
	a.uploads[checkpoint][m] = cancel
}

func (a *attempt) uploaded(m *share, checkpoint uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.uploads[checkpoint][m]()
	if delete(a.uploads[checkpoint], m); len(a.uploads[checkpoint]) == 0 {
		delete(a.uploads, checkpoint)
	}
}

func (a *attempt) endUploads(checkpoint uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, cancel := range a.uploads[checkpoint] {
		cancel()
	}
}

func (a *attempt) decline(m *share, checkpoint uint64, reason string) {
	ref := cluster.TaskRef{Task: m.task.ID, Subtask: m.subtask}
	a.worker.send(cluster.CheckpointDeclined{AttemptRef: a.ref, Checkpoint: checkpoint, Task: ref, Reason: reason})
}

// notYet says of a checkpoint that the task is not far enough for it.
func (a *attempt) notYet(m *share, checkpoint uint64) {
	ref := cluster.TaskRef{Task: m.task.ID, Subtask: m.subtask}
	a.tell(cluster.CheckpointDeclined{AttemptRef: a.ref, Checkpoint: checkpoint, Task: ref, Reason: "inputs that come first are being read", NotYet: true})
}

// snapshots makes what a manifest lists of a task's checkpoint. What sinks staged with
// earlier checkpoints that were not completed is part of this one, too.
func (a *attempt) snapshots(m *share, c task.Checkpoint) []cluster.Snapshot {
	all := make([]cluster.Snapshot, 0, len(c.Parts))
	for _, part := range c.Parts {
		first, end := keygroup.Range(m.subtask, m.task.Parallelism, a.plan.MaxParallelism)
		s := cluster.Snapshot{Operator: part.Operator, Subtask: snapshots.Subtask{
			Index: m.subtask, Finished: c.Finished, Groups: snapshots.Range{First: first, End: end},
			AlignNanos: int64(c.Align), SyncNanos: int64(c.Sync),
		}}
		if !c.Finished {
			// Numbers and bytes: encoding them can't fail.
			s.Time, _ = json.Marshal(subtaskTime{Watermark: part.Watermark, Assigned: part.Assigned})
		}
		if part.Splits != nil {
			// Splits are plain strings and flags: encoding them can't fail.
			s.Splits, _ = json.Marshal(part.Splits)
		}
		at := id.Subtask{Operator: part.Operator, Index: m.subtask}
		a.mu.Lock()
		if part.Transaction != nil {
			a.staged[at] = append(a.staged[at], part.Transaction)
		}
		s.Transactions = slices.Clone(a.staged[at])
		a.mu.Unlock()
		all = append(all, s)
	}
	return all
}

// commit makes visible what a completed checkpoint lists, in the background (D5). An
// attempt is not over before that is.
func (a *attempt) commit(ctx context.Context, c cluster.Commit) {
	a.tasks.Go(func() {
		a.commits.Lock()
		defer a.commits.Unlock()
		for _, t := range c.Transactions {
			if err := a.commitOne(ctx, t); err != nil {
				a.fail(err)
				return
			}
			a.forget(t)
		}
		a.tell(cluster.Committed{AttemptRef: a.ref, Checkpoint: c.Checkpoint, Transactions: len(c.Transactions)})
	})
}

// forget takes a committed transaction from what is staged.
func (a *attempt) forget(t cluster.Transaction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := id.Subtask{Operator: t.Operator, Index: t.Subtask}
	a.staged[at] = slices.DeleteFunc(a.staged[at], func(staged []byte) bool { return bytes.Equal(staged, t.Data) })
}

func (a *attempt) commitOne(ctx context.Context, t cluster.Transaction) error {
	committer, err := a.committer(t.Operator)
	if err == nil {
		err = committer.Commit(ctx, t.Data)
	}
	if err != nil {
		return fmt.Errorf("commit output of %s[%d]: %w", t.Operator, t.Subtask, err)
	}
	return nil
}

// abort drops what was staged and is in no checkpoint that anybody will restore.
func (a *attempt) abort() {
	a.mu.Lock()
	all := a.staged
	a.staged = map[id.Subtask][][]byte{}
	a.mu.Unlock()
	ctx := context.Background() // the attempt's own has ended
	for at, transactions := range all {
		committer, err := a.committer(at.Operator)
		for _, st := range transactions {
			if err == nil {
				err = committer.Abort(ctx, st)
			}
		}
		if err != nil {
			a.worker.config.Logger.Warn("staged output stays behind", "operator", at.Operator, "subtask", at.Index, "err", err)
		}
	}
}
