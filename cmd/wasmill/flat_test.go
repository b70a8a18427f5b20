package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// usageNow is what a process must not use more and more of.
type usageNow struct {
	goroutines, files, objects, left int
	heap, resident                   int64 // bytes
}

func (u usageNow) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d objects, %d files of attempts, %d MiB heap, %d MiB resident",
		u.goroutines, u.files, u.objects, u.left, u.heap>>20, u.resident>>20)
}

func look(t *testing.T, store, dataDir string) usageNow {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return usageNow{
		goroutines: runtime.NumGoroutine(), files: len(open), objects: filesBelow(t, store), left: filesBelow(t, dataDir),
		heap: int64(m.HeapAlloc), resident: residentBytes(t),
	}
}

func filesBelow(t *testing.T, folder string) (n int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // it was deleted meanwhile
		}
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func residentBytes(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// maxObjects is how many entries a log, and packs the chains of its checkpoints, have at
// most: a log is trimmed, a base written again, when they become many.
const maxObjects = 400

// A job that restarts again and again, with thousands of checkpoints, takes no more at the
// end than it did before: a part of row 25 of the faults.
func TestAJobStaysFlat(t *testing.T) {
	lasts := 8 * time.Second
	if os.Getenv("WASMILL_SOAK") != "" {
		lasts = 20 * time.Minute
	}
	l := newLab(t)
	folder := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0)) // of Decide, which is called by one goroutine at a time
	faulty := &storetest.Faulty{Store: storeIn(t, folder), Decide: func(op storetest.Op) storetest.Fault {
		if op.Verb == "Put" && r.IntN(15) == 0 {
			return storetest.Unavailable
		}
		return storetest.None
	}}
	plan := l.plan(t, fmt.Sprintf(`
version: 1
job: flat
parallelism: 2
checkpoint: {interval: 10ms, tolerableFailures: 0}
restart: {fixed: {delay: 1ms, attempts: 1000000}}
operators:
  in: {source: generator, with: {records: unlimited, rate: 10000, keys: 1000, valueSize: 8}}
  count: {module: %s, inputs: [{from: in, by: key}], state: {backend: disk, cache: 8MiB}}
  out: {sink: discard, inputs: [count]}
`, runningModule(t)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var restarts atomic.Int64
	done := make(chan error, 1)
	go func() {
		_, err := l.run(ctx, plan, faulty, "", func(o coordinator.Observation) {
			if o.State == coordinator.Restarting {
				restarts.Add(1)
			}
		})
		done <- err
	}()
	log := &snapshots.Log{Store: storeIn(t, folder), Job: jobOf(plan)}
	completed := func() uint64 {
		state, err := log.Read(t.Context())
		if err != nil {
			t.Error(err)
		}
		return state.Last
	}
	var all []usageNow // after every ten checkpoints
	for started := time.Now(); time.Since(started) < lasts || len(all) < 12 || restarts.Load() < 3; {
		before := completed()
		waitUntil(t, "checkpoints complete", func() bool { return completed() >= before+10 })
		all = append(all, look(t, folder, l.dataDir))
	}
	early, late := most(all[:len(all)*2/3]), most(all[len(all)*2/3:])
	last := completed()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d checkpoints, %d restarts", last, restarts.Load())
	t.Logf("before: %s", early)
	t.Logf("after:  %s", late)
	for _, c := range []struct {
		what          string
		before, after int64
		slack         int64
	}{
		{"goroutines", int64(early.goroutines), int64(late.goroutines), 20},
		{"open files", int64(early.files), int64(late.files), 20},
		{"objects", max(maxObjects, int64(early.objects)), int64(late.objects), 0},
		{"files of attempts", int64(early.left), int64(late.left), 40},
		{"bytes of heap", early.heap, late.heap, 16 << 20},
		{"resident bytes", early.resident, late.resident, 64 << 20},
	} {
		if c.after > c.before+c.before/5+c.slack {
			t.Errorf("%d %s after, %d before", c.after, c.what, c.before)
		}
	}
}

// most is the highest of each figure.
func most(all []usageNow) (m usageNow) {
	for _, u := range all {
		m = usageNow{
			goroutines: max(m.goroutines, u.goroutines), files: max(m.files, u.files), objects: max(m.objects, u.objects),
			left: max(m.left, u.left), heap: max(m.heap, u.heap), resident: max(m.resident, u.resident),
		}
	}
	return m
}
