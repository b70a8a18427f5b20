package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/sdk/abi"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// keeperRig is one operator's subtasks on a worker, whose state a test changes by hand,
// with a test for a coordinator.
type keeperRig struct {
	t       *testing.T
	store   *storetest.Faulty
	backend graph.Backend
	dir     string
	inbox   <-chan cluster.Envelope // what is sent at once: declines
	log     *snapshots.Log

	worker  *Worker
	attempt *attempt
	op      *graph.Operator
	shares  []*share
	kept    []kept
	ctx     context.Context
	cancel  context.CancelCauseFunc
	number  uint32
}

func newRig(t *testing.T, backend graph.Backend) *keeperRig {
	t.Helper()
	r := &keeperRig{t: t, store: &storetest.Faulty{Store: &storetest.Memory{}}, backend: backend, dir: t.TempDir()}
	transport := cluster.NewLocal()
	var err error
	if r.inbox, err = transport.Listen(cluster.CoordinatorAddress); err != nil {
		t.Fatal(err)
	}
	r.worker = New(Config{Name: "w0", Transport: transport, Store: r.store, Dir: r.dir, Logger: slog.New(slog.DiscardHandler)})
	r.log = &snapshots.Log{Store: r.store, Job: ref(1).Job, Writer: "test"}
	if _, err := r.log.Fence(t.Context(), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop() })
	return r
}

const rigGroups = 12

var rigTables = []graph.Table{
	{Name: "counts", Scope: abi.ScopeKey},
	{Name: "shards", Scope: abi.ScopeSplit},
	{Name: "rules", Scope: abi.ScopeBroadcast},
}

// start begins the next attempt, from a checkpoint if it is not 0.
func (r *keeperRig) start(parallelism int, from uint64) {
	r.t.Helper()
	r.stop()
	r.number++
	plan := &graph.Plan{
		Namespace: "default", Job: "j", MaxParallelism: rigGroups,
		Operators: []graph.Operator{{
			Name: "count", Role: graph.RoleModule, Parallelism: parallelism, Inputs: []string{"in"}, Module: &graph.Module{Shape: "aggregate"},
			Window: &graph.Window{Late: -1}, State: &graph.State{Backend: r.backend, Version: 3, Keyed: true, Tables: rigTables},
		}},
		Tasks: []graph.Task{{ID: 0, Operators: []int{0}, Parallelism: parallelism}},
	}
	r.op = &plan.Operators[0]
	r.attempt = newAttempt(r.worker, cluster.Prepare{AttemptRef: ref(r.number), Plan: plan, Workers: []string{"w0"}, Restore: from})
	r.ctx, r.cancel = context.WithCancelCause(r.t.Context())
	r.attempt.cancel, r.attempt.over = r.cancel, r.ctx.Done()
	if err := r.attempt.takeUp(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	r.shares = r.attempt.share()
	r.attempt.shares = r.shares
	o := &opener{attempt: r.attempt}
	for _, m := range r.shares {
		k, err := o.keep(r.ctx, r.op, m.subtask)
		if err != nil {
			r.t.Fatal(err)
		}
		r.kept = append(r.kept, k)
	}
}

// stop ends the attempt as tasks do: when uploads are over.
func (r *keeperRig) stop() {
	if r.attempt == nil {
		return
	}
	r.cancel(errCanceled)
	for i, m := range r.shares {
		m.uploads.Wait()
		for _, b := range []state.Backend{r.kept[i].Keyed, r.kept[i].Own} {
			if err := b.Close(); err != nil {
				r.t.Error(err)
			}
		}
	}
	r.kept, r.shares, r.attempt = nil, nil, nil
}

func (r *keeperRig) subtask(key string) *kept {
	return &r.kept[keygroup.Subtask(keygroup.Of([]byte(key), rigGroups), r.op.Parallelism, rigGroups)]
}

func (r *keeperRig) put(key, value string) {
	r.t.Helper()
	if err := r.subtask(key).Tables.Put(0, []byte(key), nil, []byte(value)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *keeperRig) remove(key string) {
	r.t.Helper()
	if err := r.subtask(key).Tables.Delete(0, []byte(key), nil); err != nil {
		r.t.Fatal(err)
	}
}

// contents is all that is kept: keyed entries once, others with their subtask.
func (r *keeperRig) contents() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for i := range r.kept {
		for table := range rigTables {
			err := r.kept[i].Tables.ScanKeys(table, nil, func(key []byte) bool {
				all[fmt.Sprintf("%s %s", rigTables[table].Name, key)] += "?"
				return true
			})
			if err != nil {
				r.t.Fatal(err)
			}
		}
		for name := range maps.Clone(all) {
			table, key, _ := strings.Cut(name, " ")
			at := slices.IndexFunc(rigTables, func(t graph.Table) bool { return t.Name == table })
			if at == 0 && r.subtask(key) != &r.kept[i] {
				continue
			}
			value, version, ok, err := r.kept[i].Tables.Get(at, []byte(key), nil)
			if err != nil || ok && version != 3 {
				r.t.Fatalf("read %s: version %d, %v", name, version, err)
			}
			if ok {
				all[name] = strings.TrimRight(all[name], "?") + string(value)
			}
		}
	}
	return all
}

// take takes a checkpoint of every subtask, whose uploads are under way on return.
func (r *keeperRig) take(n uint64) {
	r.t.Helper()
	for i, m := range r.shares {
		k := &r.kept[i]
		part := task.Part{Operator: "count", Watermark: int64(100 + 10*i)}
		var err error
		if part.Keyed, err = k.Keyed.Snapshot(n, k.Full()); err != nil {
			r.t.Fatal(err)
		}
		if part.Own, err = k.Own.Snapshot(n, true); err != nil {
			r.t.Fatal(err)
		}
		r.attempt.report(r.ctx, m, task.Checkpoint{Number: n, Parts: []task.Part{part}})
	}
}

// acks waits for what every subtask has to say of a checkpoint; declined has the reasons
// of those that can't.
func (r *keeperRig) acks(n uint64) (all []cluster.Snapshot, declined []string) {
	r.t.Helper()
	for range r.shares {
		select {
		case m := <-r.worker.events:
			ack := m.(cluster.CheckpointAck)
			if ack.Checkpoint != n {
				r.t.Fatalf("ack of checkpoint %d, want %d", ack.Checkpoint, n)
			}
			all = append(all, ack.Snapshots...)
		case e := <-r.inbox:
			declined = append(declined, e.Message.(cluster.CheckpointDeclined).Reason)
		case <-time.After(20 * time.Second):
			r.t.Fatal("no answer within 20s")
		}
	}
	return all, declined
}

// record completes a checkpoint in the log.
func (r *keeperRig) record(n uint64, all []cluster.Snapshot) {
	r.t.Helper()
	o := snapshots.Operator{Name: "count", Parallelism: r.op.Parallelism, StateVersion: 3}
	for _, s := range all {
		o.Subtasks = append(o.Subtasks, s.Subtask)
	}
	slices.SortFunc(o.Subtasks, func(a, b snapshots.Subtask) int { return a.Index - b.Index })
	m := &snapshots.Manifest{Checkpoint: n, Attempt: r.attempt.ref.Attempt, MaxParallelism: rigGroups, Operators: []snapshots.Operator{o}}
	if _, err := r.log.Append(r.t.Context(), snapshots.Entry{Checkpoint: m, Time: time.Now()}, 1); err != nil {
		r.t.Fatal(err)
	}
}

// confirm tells the subtasks, as their tasks do.
func (r *keeperRig) confirm(n uint64) {
	for i := range r.kept {
		r.kept[i].Confirmed(n)
		r.kept[i].Keyed.Confirm(n)
		r.kept[i].Own.Confirm(n)
	}
	r.attempt.complete(n)
}

// complete takes a checkpoint and confirms it.
func (r *keeperRig) complete(n uint64) []cluster.Snapshot {
	r.t.Helper()
	r.take(n)
	all, declined := r.acks(n)
	if len(declined) > 0 {
		r.t.Fatalf("checkpoint %d declined: %q", n, declined)
	}
	r.record(n, all)
	r.confirm(n)
	return all
}

// sizes lists of how many runs each subtask's state consists.
func sizes(all []cluster.Snapshot) (runs []int) {
	for _, s := range all {
		runs = append(runs, len(s.Runs))
	}
	return runs
}

func eachBackend(t *testing.T, test func(t *testing.T, backend graph.Backend)) {
	for _, backend := range []graph.Backend{graph.MemoryBackend, graph.DiskBackend} {
		t.Run(string(backend), func(t *testing.T) { test(t, backend) })
	}
}
