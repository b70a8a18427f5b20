package worker

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

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

// A task may take a checkpoint when it has been given up already: nothing is left of it
// but an ack that nobody waits for.
func TestNothingIsLeftOfUploads(t *testing.T) {
	r := newRig(t, graph.MemoryBackend)
	r.start(2, 0)
	r.put("a", "1")
	r.complete(1)
	r.attempt.giveUp(2)
	r.take(2)
	r.acks(2)
	for _, m := range r.shares {
		m.uploads.Wait()
	}
	if len(r.attempt.uploads) > 0 {
		t.Errorf("%d checkpoints are still on the list", len(r.attempt.uploads))
	}
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
