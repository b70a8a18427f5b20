package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
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

// What was kept comes back, whole, at any parallelism: keyed entries once where their key
// belongs, those of a split table once, those of a broadcast table everywhere. At the
// same parallelism it goes on with deltas.
func TestStateIsRescaled(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend graph.Backend) {
		r := newRig(t, backend)
		want := map[string]string{}
		r.start(1, 0)
		n := uint64(0)
		for round, parallelism := range []int{1, 3, 3, 2, 1} {
			if round > 0 {
				r.start(parallelism, n)
			}
			for i := range 400 {
				key := fmt.Sprintf("%d", i+200*round)
				r.put(key, fmt.Sprint(round))
				want["counts "+key] = fmt.Sprint(round)
			}
			key := fmt.Sprintf("%d", 200*round)
			r.remove(key)
			delete(want, "counts "+key)
			for i := range r.kept {
				if err := r.kept[i].Tables.Put(2, []byte("rule"), nil, []byte("r")); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.kept[0].Tables.Put(1, fmt.Appendf(nil, "shard%d", round), nil, []byte("s")); err != nil {
				t.Fatal(err)
			}
			want[fmt.Sprintf("shards shard%d", round)] = "s"
			for again := range 2 {
				want["rules rule"] = strings.Repeat("r", parallelism)
				if got := r.contents(); !maps.Equal(got, want) {
					t.Fatalf("round %d: kept\n%v\nwant\n%v", round, got, want)
				}
				n++
				all := r.complete(n)
				if got := slices.Max(sizes(all)); round == 1 && got != again+1 {
					t.Errorf("%d runs behind a restore, want %d: a whole one, and what changed since", got, again+1)
				}
				r.start(parallelism, n)
			}
		}
	})
}

// A watermark is the least of those that a subtask goes on from.
func TestWatermarksAreRescaled(t *testing.T) {
	r := newRig(t, graph.MemoryBackend)
	r.start(3, 0)
	r.put("k", "v")
	r.complete(1)
	for _, parallelism := range []int{3, 2} {
		r.start(parallelism, 1)
		for i, m := range r.shares {
			restored, err := r.attempt.restored(m)
			if err != nil {
				t.Fatal(err)
			}
			want := int64(100)
			if parallelism == 3 {
				want += int64(10 * i)
			}
			if got, known := restored["count"]; !known || got.Watermark != want || got.Finished {
				t.Errorf("%d of %d: restored %+v, want watermark %d", i, parallelism, got, want)
			}
		}
	}
	r.start(2, 0)
	if restored, err := r.attempt.restored(r.shares[0]); err != nil || len(restored) != 0 {
		t.Errorf("a run from nothing is restored from %+v, %v", restored, err)
	}
}

// Snapshots that failed are declined with the reason and leave no object; what they had
// is in the next.
func TestAFailedUploadIsDeclined(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend graph.Backend) {
		for name, fault := range map[string]storetest.Fault{
			"unavailable": storetest.Unavailable, "reset": storetest.Reset, "torn": storetest.Torn, "lost reply": storetest.LostReply,
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, backend)
				r.start(2, 0)
				r.put("a", "1")
				r.complete(1)
				r.put("b", "2")
				bad := true
				r.store.Decide = func(op storetest.Op) storetest.Fault {
					if bad && op.Verb == "Put" {
						return fault
					}
					return storetest.None
				}
				r.take(2)
				if all, declined := r.acks(2); len(all) != 0 || len(declined) != 2 || !strings.Contains(declined[0], "write pack") {
					t.Fatalf("answered %v, declined %q", all, declined)
				}
				r.attempt.giveUp(2)
				bad = false
				r.put("c", "3")
				r.complete(3)
				r.start(2, 3)
				if got, want := r.contents(), map[string]string{"counts a": "1", "counts b": "2", "counts c": "3"}; !maps.Equal(got, want) {
					t.Errorf("kept %v, want %v", got, want)
				}
			})
		}
	})
}

// An upload ends when its checkpoint is given up, and when the attempt does; nobody is
// told, and no snapshot stays open.
func TestUploadsAreCanceled(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend graph.Backend) {
		for name, end := range map[string]func(r *keeperRig){
			"given up": func(r *keeperRig) { r.attempt.giveUp(1) },
			"over":     func(r *keeperRig) { r.cancel(errCanceled) },
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, backend)
				stalled := make(chan struct{}, 2)
				r.store.Delay = time.Hour
				r.store.Decide = func(op storetest.Op) storetest.Fault {
					if op.Verb == "Put" {
						stalled <- struct{}{}
						return storetest.Stall
					}
					return storetest.None
				}
				r.start(2, 0)
				r.put("a", "1")
				r.take(1)
				<-stalled
				<-stalled
				end(r)
				for _, m := range r.shares {
					m.uploads.Wait()
				}
				select {
				case m := <-r.worker.events:
					t.Errorf("told %+v", m)
				case e := <-r.inbox:
					t.Errorf("told %+v", e.Message)
				default:
				}
				if len(r.attempt.uploads) > 0 && name == "given up" {
					t.Errorf("%d checkpoints are still on the list", len(r.attempt.uploads))
				}
			})
		}
	})
}

// Two checkpoints under way at a time, each confirmed when the next has been taken: none
// is refused, and each is whole.
func TestCheckpointsUnderWayAtATime(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend graph.Backend) {
		r := newRig(t, backend)
		r.start(2, 0)
		want := map[string]string{}
		kept := map[uint64]map[string]string{}
		put := func(n uint64) {
			for i := range 10 {
				key := fmt.Sprint(int(n)*7 + i)
				r.put(key, fmt.Sprint(n))
				want["counts "+key] = fmt.Sprint(n)
			}
			key := fmt.Sprint(int(n)*7 + 3)
			r.remove(key)
			delete(want, "counts "+key)
			kept[n] = maps.Clone(want)
		}
		const last = 30
		var before []cluster.Snapshot
		for n := uint64(1); n <= last; n++ {
			put(n)
			r.take(n) // while n-1 is not confirmed
			if n > 1 {
				r.record(n-1, before)
				if n%3 == 0 {
					r.confirm(n - 1) // before n is written, or behind
				}
			}
			all, declined := r.acks(n)
			if len(declined) > 0 {
				t.Fatalf("checkpoint %d declined: %q", n, declined)
			}
			if before = all; n > 1 && n%3 != 0 {
				r.confirm(n - 1)
			}
		}
		r.record(last, before)
		r.confirm(last)
		for i := range r.kept {
			if n := len(r.kept[i].keeper.runs); n > 60 {
				t.Errorf("%d runs are remembered", n)
			}
		}
		for n := uint64(1); n <= last; n += 7 {
			r.start(2, n)
			if got := r.contents(); !maps.Equal(got, kept[n]) {
				t.Errorf("checkpoint %d: kept %v, want %v", n, got, kept[n])
			}
		}
	})
}

// State on disk is gone when the attempt is over, and what another left does not hurt.
func TestFilesOfAnAttemptAreRemoved(t *testing.T) {
	r := newRig(t, graph.DiskBackend)
	r.number = 4
	left := filepath.Join(r.dir, "default", "j", "1.5", "count-0")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "CURRENT"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(2, 0)
	r.put("a", "1")
	r.stop()
	files := 0
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files > 0 {
		t.Errorf("%d files are left, %v", files, err)
	}
}

// A damaged object is named, and nothing of the state stays open.
func TestDamagedStateIsRefused(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend graph.Backend) {
		r := newRig(t, backend)
		r.start(1, 0)
		for i := range 100 {
			r.put(fmt.Sprint(i), "v")
		}
		all := r.complete(1)
		memory := r.store.Store.(*storetest.Memory)
		name := snapshots.JobFolder(ref(1).Job) + "/" + all[0].Runs[0].Pack
		data := slices.Clone(memory.Bytes(name))
		data[len(data)/3] ^= 1
		memory.Damage(name, data)
		o := &opener{attempt: r.attempt}
		r.attempt.from = 1
		if err := r.attempt.takeUp(r.ctx); err != nil {
			t.Fatal(err)
		}
		r.attempt.ref = ref(9) // a folder of its own
		_, err := o.keep(r.ctx, r.op, 0)
		if err == nil || !strings.Contains(err.Error(), "restore") || cluster.CauseOf(err).Class != "corrupt" {
			t.Errorf("got %v", err)
		}
	})
}
