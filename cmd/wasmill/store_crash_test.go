package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// crashJob is a small job with state: how often each key came so far.
const crashJob = `
version: 1
job: counted
parallelism: 2
checkpoint: {interval: 10ms, tolerableFailures: %d, retain: {count: 2}}
restart: %s
operators:
  in: {source: generator, with: {records: %d, rate: %d, keys: 50, valueSize: 8}}
  count: {module: %s, inputs: [{from: in, by: key}]}
  out: {sink: file, inputs: [count], with: {path: %s}}
`

// lab runs jobs in this process, with the test's own stores.
type lab struct {
	modules *worker.Modules
	cmd     *cobra.Command
	dataDir string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	h, err := host.New(t.Context(), host.Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	l := &lab{modules: worker.NewModules(h), cmd: &cobra.Command{}, dataDir: t.TempDir()}
	l.cmd.SetContext(t.Context())
	return l
}

func (l *lab) plan(t *testing.T, text string) *graph.Plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	plan, err := readJob(l.cmd, file, jobFlags{parallelism: 1}, func(wasm []byte) (*host.Module, error) { return l.modules.Add(t.Context(), wasm) })
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func (l *lab) run(ctx context.Context, plan *graph.Plan, s snapshots.Store, from string, observe func(coordinator.Observation)) (*stint, error) {
	r := &jobRun{
		cmd: l.cmd, modules: l.modules, observe: observe, plan: plan, store: &jobStore{url: "test", store: s},
		options: runOptions{dataDir: l.dataDir, begin: beginning{from: from}},
	}
	done, err := r.carry(ctx)
	if err == nil {
		err = errors.Join(done.result.Err, done.history.end(ctx, done.result))
	}
	return done, err
}

func runningModule(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../sdk/c/example/running.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The process dies at the k-th operation on its store, for every k until there is none;
// the next run goes on, and the output is that of a run without faults.
func TestACrashAtEveryStoreOperation(t *testing.T) {
	l := newLab(t)
	const records = 600
	once := func(out string) *graph.Plan {
		return l.plan(t, fmt.Sprintf(crashJob, 0, "none", records, 5*records, runningModule(t), out))
	}
	whole := t.TempDir()
	if _, err := l.run(t.Context(), once(whole), storeIn(t, t.TempDir()), "", nil); err != nil {
		t.Fatal(err)
	}
	want := rows(t, whole)
	if len(want) != records {
		t.Fatalf("%d rows without faults", len(want))
	}
	crashes, restored := 0, 0
	for k := 1; ; k++ {
		folder, out := t.TempDir(), t.TempDir()
		faulty := &storetest.Faulty{Store: storeIn(t, folder), Decide: storetest.CrashAt(k)}
		if k%2 == 0 { // done, but nobody lived to hear of it
			faulty.Decide = storetest.At(k, storetest.CrashAfter)
		}
		_, err := l.run(t.Context(), once(out), faulty, "", nil)
		if err == nil && faulty.Ops() < k {
			break
		}
		crashes++
		from := "none"
		state, err := (&snapshots.Log{Store: storeIn(t, folder), Job: jobOf(once(out))}).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if state.Newest() != nil {
			from = "latest"
			restored++
		} else if err := os.RemoveAll(out); err != nil { // from nothing, into nothing
			t.Fatal(err)
		}
		if _, err := l.run(t.Context(), once(out), storeIn(t, folder), from, nil); err != nil {
			t.Fatalf("crash at operation %d, then --from %s: %v", k, from, err)
		}
		if got := rows(t, out); !slices.Equal(got, want) {
			t.Fatalf("crash at operation %d, then --from %s: %d rows, want %d, as without faults", k, from, len(got), len(want))
		}
	}
	t.Logf("%d crashes, after %d of them a checkpoint was restored", crashes, restored)
	if restored < 10 {
		t.Error("hardly anything was restored: the test shows nothing")
	}
}

func jobOf(p *graph.Plan) id.Job { return id.Job{Namespace: p.Namespace, Name: p.Job} }

func storeIn(t *testing.T, folder string) snapshots.Store {
	t.Helper()
	s, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The store is away for a while: checkpoints fail within their tolerance, the job goes
// on, and they succeed when it is back.
func TestTheStoreIsAwayForAWhile(t *testing.T) {
	l := newLab(t)
	out, folder := t.TempDir(), t.TempDir()
	plan := l.plan(t, fmt.Sprintf(crashJob, 1000000, "none", 20000, 10000, runningModule(t), out))
	var away atomic.Bool
	var refused atomic.Int64
	faulty := &storetest.Faulty{Store: storeIn(t, folder), Decide: func(op storetest.Op) storetest.Fault {
		if away.Load() {
			refused.Add(1)
			return storetest.Unavailable
		}
		return storetest.None
	}}
	log := &snapshots.Log{Store: storeIn(t, folder), Job: jobOf(plan)}
	last := func() uint64 {
		state, err := log.Read(t.Context())
		if err != nil {
			t.Error(err)
		}
		return state.Last
	}
	done := make(chan error, 1)
	flowed := make(chan uint64, 1)
	go func() {
		_, err := l.run(t.Context(), plan, faulty, "", func(o coordinator.Observation) {
			for _, s := range o.Stats {
				if s.Operator == "count" {
					select {
					case <-flowed:
					default:
					}
					flowed <- s.RecordsIn
				}
			}
		})
		done <- err
	}()
	waitUntil(t, "checkpoints complete", func() bool { return last() >= 3 })
	away.Store(true)
	waitUntil(t, "the store refuses", func() bool { return refused.Load() >= 20 })
	before := last()
	in := <-flowed
	waitUntil(t, "records flow on", func() bool { return <-flowed > in })
	if now := last(); now != before {
		t.Errorf("checkpoint %d completed without a store", now)
	}
	away.Store(false)
	waitUntil(t, "checkpoints complete again", func() bool { return last() > before })
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the job does not end")
	}
	if got := rows(t, out); len(got) != 20000 {
		t.Errorf("%d rows, want 20000", len(got))
	}
}
