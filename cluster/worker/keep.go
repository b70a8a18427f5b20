package worker

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/runtime/window"
	"github.com/wasmill/wasmill/sdk/abi"
	"github.com/wasmill/wasmill/snapshots"
)

// keeper knows where the keyed state of a subtask lies in the store: the runs that its
// checkpoints consist of.
type keeper struct {
	mu    sync.Mutex
	chain *state.Chain             // guarded by mu
	runs  map[uint64]snapshots.Run // by the checkpoint that wrote them; guarded by mu
}

func newKeeper() *keeper {
	return &keeper{chain: &state.Chain{}, runs: map[uint64]snapshots.Run{}}
}

// goOn begins with runs that the state was restored from, whole.
func (k *keeper) goOn(runs []snapshots.Run) {
	infos := make([]state.RunInfo, len(runs))
	for i, r := range runs {
		infos[i] = state.RunInfo{Checkpoint: r.Checkpoint, Since: r.Since, Header: r.Header, Bytes: r.Length}
		k.runs[r.Checkpoint] = r
	}
	k.chain = state.NewChain(infos)
}

func (k *keeper) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.chain.Full()
}

// written takes a run that is in the store, with what it borrows from, and lists what its
// checkpoint consists of, oldest first.
func (k *keeper) written(info state.RunInfo, in snapshots.Section, lenders ...snapshots.Section) ([]snapshots.Run, error) {
	run := snapshots.Run{Section: in, Checkpoint: info.Checkpoint, Since: info.Since, Header: info.Header, Lenders: lenders}
	for _, g := range info.Groups {
		run.Groups = append(run.Groups, snapshots.GroupOffset{Group: g.Group, Offset: g.Offset, Length: g.Length})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	infos, ok := k.chain.Written(info)
	if !ok {
		return nil, fmt.Errorf("it builds on checkpoint %d, which a later one has replaced", info.Since)
	}
	k.runs[info.Checkpoint] = run
	runs := make([]snapshots.Run, len(infos))
	for i := range infos {
		runs[i] = k.runs[infos[i].Checkpoint]
	}
	return runs, nil
}

func (k *keeper) confirmed(checkpoint uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.chain.Confirm(checkpoint)
	maps.DeleteFunc(k.runs, func(n uint64, _ snapshots.Run) bool { return !k.chain.Needs(n) })
}

// kept is what an operator's subtask keeps, while it is being opened.
type kept struct {
	task.State
	keeper     *keeper // nil without keyed state
	first, end int     // key groups
	engine     int     // the first table of the engine's own in Keyed
}

// keep makes the backends of a subtask and restores them.
func (o *opener) keep(ctx context.Context, op *graph.Operator, subtask int) (k kept, err error) {
	if op.State == nil {
		return k, nil
	}
	a := o.attempt
	k.first, k.end = keygroup.Range(subtask, op.Parallelism, a.plan.MaxParallelism)
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	tables := tablesOf(op.State)
	keyed, own := state.Divide(tables)
	k.engine = len(keyed)
	switch {
	case op.Window != nil:
		keyed = append(keyed, window.Tables()...)
	case op.State.Keyed && o.modules[op.Module.SHA256].Exports(abi.ExportTimers):
		keyed = append(keyed, state.Table{Name: state.TimersTable, Scope: state.ScopeKey})
	}
	if len(keyed) > 0 {
		if err := o.openKeyed(&k, op, subtask, keyed); err != nil {
			return k, err
		}
	}
	if len(own) > 0 {
		if k.Own, err = backend(state.NewOperator(own, op.State.Limit)); err != nil {
			return k, err
		}
		k.Own.SetVersion(op.State.Version)
	}
	if err := o.restore(ctx, &k, op, subtask, own); err != nil {
		return k, err
	}
	if op.Window == nil && len(keyed) > k.engine {
		if k.Timers, err = state.NewTimers(k.Keyed, k.engine, k.first, k.end); err != nil {
			return k, err
		}
	}
	k.Tables = state.NewTables(tables, k.Keyed, k.Own, k.first, k.end, a.plan.MaxParallelism)
	return k, nil
}

func (k *kept) close() {
	for _, b := range []state.Backend{k.Keyed, k.Own} {
		if b != nil {
			// The error that led here is the one that counts.
			_ = b.Close()
		}
	}
	if k.Heap != nil {
		_ = k.Heap.Close()
	}
	k.State = task.State{}
}

func tablesOf(s *graph.State) []state.Table {
	tables := make([]state.Table, len(s.Tables))
	for i, t := range s.Tables {
		tables[i] = state.Table{Name: t.Name, Scope: state.Scope(t.Scope), TTL: t.TTL}
	}
	return tables
}

func (o *opener) openKeyed(k *kept, op *graph.Operator, subtask int, tables []state.Table) error {
	options := state.Options{Tables: tables, First: k.first, End: k.end, Limit: op.State.Limit,
		Pace: paced(o.attempt.plan.Checkpoint.Interval, o.attempt.idle)}
	var err error
	if op.State.Backend == graph.DiskBackend {
		options.Cache = op.State.Cache
		options.Dir = filepath.Join(o.attempt.dir(), op.Name+"-"+strconv.Itoa(subtask))
		k.Keyed, err = backend(state.NewDisk(options))
	} else {
		k.Keyed, err = backend(state.NewMemory(options))
	}
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	k.Keyed.SetVersion(op.State.Version)
	k.keeper = newKeeper()
	k.Full, k.Confirmed = k.keeper.full, k.keeper.confirmed
	o.attempt.keep(id.Subtask{Operator: op.Name, Index: subtask}, k.keeper)
	return nil
}

// backend keeps a nil pointer from becoming an interface that is not nil.
func backend[B interface {
	comparable
	state.Backend
}](b B, err error) (state.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// restore fills the backends with what the checkpoint has of the subtask.
func (o *opener) restore(ctx context.Context, k *kept, op *graph.Operator, subtask int, own []state.Table) error {
	share, err := o.attempt.takeover(op, subtask)
	if share == nil || err != nil {
		return err
	}
	folder, was := o.attempt.folder(), o.attempt.restore.Operator(op.Name)
	if k.Own != nil && len(share.Tables) > 0 {
		merged, err := restoreOwn(ctx, folder, share, make([]state.Source, was.Parallelism), own, subtask, op.Parallelism)
		if err == nil {
			err = k.Own.Restore(merged, 0)
		}
		if err != nil {
			return fmt.Errorf("restore operator tables: %w", err)
		}
	}
	if k.Keyed == nil || len(share.Runs) == 0 {
		return nil
	}
	// Whole runs go on as they are; those that were cut are written anew.
	base := uint64(0)
	if was.Parallelism == op.Parallelism {
		base = o.attempt.restore.Checkpoint
	}
	if err := restoreKeyed(ctx, folder, share, k.Keyed, base); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	if base > 0 {
		k.keeper.goOn(was.Subtasks[subtask].Runs)
	}
	return nil
}

// restoreKeyed folds the runs of a share into a backend.
func restoreKeyed(ctx context.Context, from snapshots.Folder, share *snapshots.Share, to state.Backend, base uint64) error {
	var readers []*state.RunReader
	for _, r := range share.Runs {
		in := from.OpenRun(ctx, r)
		defer in.Close()
		reader, err := state.NewPartialReader(in)
		if err != nil {
			return err
		}
		readers = append(readers, reader)
	}
	merged, err := state.Merge(readers, share.Groups.First, share.Groups.End)
	if err != nil {
		return err
	}
	return to.Restore(merged, base)
}

// restoreOwn restores operator tables; before has a place for each former subtask.
func restoreOwn(ctx context.Context, from snapshots.Folder, share *snapshots.Share, before []state.Source, tables []state.Table, subtask, parallelism int) (state.Source, error) {
	for _, t := range share.Tables {
		in := from.OpenSection(ctx, t.Section)
		defer in.Close()
		reader, err := state.NewRunReader(in)
		if err != nil {
			return nil, err
		}
		before[t.From] = reader
	}
	return state.Spread(before, tables, subtask, parallelism)
}

// keep remembers who knows where a subtask's state lies.
func (a *attempt) keep(at id.Subtask, k *keeper) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keepers[at] = k
}

func (a *attempt) keeper(at id.Subtask) (*keeper, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.keepers[at]; k != nil {
		return k, nil
	}
	return nil, fault.Corruptf("%s has no keyed state", at)
}
