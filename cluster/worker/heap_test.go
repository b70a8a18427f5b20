package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// heapRig is two subtasks of a guest whose state is its heap, on a worker, with a test for
// a task and for a coordinator.
type heapRig struct {
	*keeperRig
	guests []*host.Instance
	totals [2]total // what the guests said last
}

// total is a Collector that reads the guest's running total.
type total struct{ n uint64 }

func (o *total) Emit(_ int, batch []byte) error {
	o.n = binary.LittleEndian.Uint64(batch[len(batch)-8:])
	return nil
}
func (o *total) EmitTo(output, _ int, batch []byte) error { return o.Emit(output, batch) }
func (o *total) Reject(operator.Rejection) error          { return errors.New("rejected") }

func newHeapRig(t *testing.T) *heapRig {
	r := &heapRig{keeperRig: newRig(t, graph.MemoryBackend)}
	h, err := host.New(t.Context(), host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.worker.config.Modules = NewModules(h)
	t.Cleanup(r.end)
	return r
}

// begin begins the next attempt, from a checkpoint if it is not 0.
func (r *heapRig) begin(from uint64) error {
	r.t.Helper()
	r.end()
	wasm, err := os.ReadFile("../../host/testdata/kernels.wasm")
	if err != nil {
		r.t.Fatal(err)
	}
	module, err := r.worker.config.Modules.Add(r.t.Context(), wasm)
	if err != nil {
		r.t.Fatal(err)
	}
	r.number++
	plan := &graph.Plan{
		Namespace: "default", Job: "j", MaxParallelism: rigGroups,
		Operators: []graph.Operator{{
			Name: "count", Role: graph.RoleModule, Parallelism: 2, Inputs: make([]string, 7), Outputs: []string{"out"},
			Module: &graph.Module{Shape: "process", SHA256: module.SHA256()}, State: &graph.State{Heap: true},
		}},
		Tasks: []graph.Task{{ID: 0, Operators: []int{0}, Parallelism: 2}},
	}
	r.op = &plan.Operators[0]
	r.attempt = newAttempt(r.worker, cluster.Prepare{AttemptRef: ref(r.number), Plan: plan, Workers: []string{"w0"}, Restore: from})
	r.ctx, r.cancel = context.WithCancelCause(r.t.Context())
	r.attempt.cancel, r.attempt.over = r.cancel, r.ctx.Done()
	o := &opener{attempt: r.attempt}
	if err := errors.Join(r.attempt.takeUp(r.ctx), o.load(r.ctx)); err != nil {
		r.t.Fatal(err)
	}
	r.attempt.shares = r.attempt.share()
	for _, m := range r.attempt.shares {
		opening := task.Opening{Operator: r.op, Subtask: m.subtask, Collector: &r.totals[m.subtask], Watermark: func() int64 { return task.NoWatermark }}
		if from != 0 {
			opening.Restored = &task.Restored{}
		}
		i, k, err := o.instance(r.ctx, opening, opening.Collector)
		if err != nil {
			return err
		}
		r.shares, r.guests, r.kept = append(r.shares, m), append(r.guests, i), append(r.kept, k)
	}
	return nil
}

func (r *heapRig) end() {
	if r.attempt == nil {
		return
	}
	r.cancel(errCanceled)
	for i, m := range r.shares {
		m.uploads.Wait()
		r.kept[i].close()
		if err := r.guests[i].Close(); err != nil {
			r.t.Error(err)
		}
	}
	r.kept, r.shares, r.guests, r.attempt = nil, nil, nil, nil
}

// feed gives each guest a record, and returns their totals.
func (r *heapRig) feed(text string) [2]total {
	r.t.Helper()
	for n, g := range r.guests {
		var b record.Builder
		b.Append(record.Insert, int64(n), nil, []byte(text))
		if err := g.Process(6, b.Bytes()); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.totals
}

// snapshot takes a checkpoint, whose uploads are under way on return.
func (r *heapRig) snapshot(n uint64) {
	r.t.Helper()
	for i, m := range r.shares {
		s, err := r.kept[i].Heap.Snapshot(n)
		if err != nil {
			r.t.Fatal(err)
		}
		r.attempt.report(r.ctx, m, task.Checkpoint{Number: n, Parts: []task.Part{{Operator: "count", Heap: s}}})
	}
}

// done takes a checkpoint and confirms it.
func (r *heapRig) done(n uint64) []cluster.Snapshot {
	r.t.Helper()
	r.snapshot(n)
	all, declined := r.acks(n)
	if len(declined) > 0 {
		r.t.Fatalf("checkpoint %d declined: %q", n, declined)
	}
	r.record(n, all)
	for i := range r.kept {
		r.kept[i].Heap.Confirm(n)
	}
	r.attempt.complete(n)
	return all
}

// packs of a subtask, oldest first.
func (r *heapRig) packs(subtask int) (names []string) {
	for _, name := range r.store.Store.(*storetest.Memory).Names("default/jobs/j/packs/") {
		if strings.HasSuffix(name, fmt.Sprintf("-%d.pack", subtask)) {
			names = append(names, name)
		}
	}
	return names
}

func (r *heapRig) flip(pack string) {
	memory := r.store.Store.(*storetest.Memory)
	b := bytes.Clone(memory.Bytes(pack))
	b[20] ^= 1
	memory.Damage(pack, b)
}

// Over many checkpoints, attempts and aborts, guests go on exactly; a checkpoint consists of
// few runs, and now and then of one again.
func TestHeapsGoOn(t *testing.T) {
	r, alone := newHeapRig(t), newHeapRig(t)
	if err := errors.Join(r.begin(0), alone.begin(0)); err != nil {
		t.Fatal(err)
	}
	bases := 0
	for n := uint64(1); n <= 160; n++ {
		text := fmt.Sprint("record ", n)
		if got, want := r.feed(text), alone.feed(text); got != want {
			t.Fatalf("record %d: totals %v, want %v", n, got, want)
		}
		switch {
		case n%7 == 3: // never confirmed
			r.snapshot(n)
			if _, declined := r.acks(n); len(declined) > 0 {
				t.Fatal(declined)
			}
			r.attempt.giveUp(n)
			continue
		case n%45 == 44:
			r.done(n)
			if err := r.begin(n); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, s := range r.done(n) {
			if runs := s.Heap; len(runs) == 0 || len(runs) > 51 || runs[0].Since != 0 {
				t.Fatalf("checkpoint %d consists of %d runs", n, len(runs))
			} else if len(runs) == 1 {
				bases++
			}
		}
	}
	if bases < 4 {
		t.Errorf("%d bases were written", bases)
	}
}

// A base that can't be merged, since what it builds on is damaged, is declined by name;
// the next one is copied from memory, and all is well again.
func TestHeapOnDamagedRuns(t *testing.T) {
	r := newHeapRig(t)
	if err := r.begin(0); err != nil {
		t.Fatal(err)
	}
	r.feed("begin")
	r.done(1)
	first := r.packs(0)[0]
	r.flip(first)
	n, last := uint64(2), ""
	for ; n < 80; n++ {
		r.feed(fmt.Sprint(n))
		r.snapshot(n)
		all, declined := r.acks(n)
		if len(declined) > 0 {
			last = declined[0]
			break
		}
		r.record(n, all)
		for i := range r.kept {
			r.kept[i].Heap.Confirm(n)
		}
		r.attempt.complete(n)
	}
	if !strings.Contains(last, first) || !strings.Contains(last, "copies all of the heap") {
		t.Fatalf("declined at %d: %q", n, last)
	}
	r.feed("again")
	all := r.done(n + 1)
	for _, s := range all {
		if s.Index == 0 && (len(s.Heap) != 1 || s.Heap[0].Since != 0) {
			t.Errorf("the next checkpoint consists of %d runs", len(s.Heap))
		}
	}
	if err := r.begin(n + 1); err != nil {
		t.Fatal(err)
	}
}

// Images that are damaged, missing, cut off or another subtask's are noticed, by the name
// of the pack, and so is one that the manifest does not have (C3).
func TestDamagedHeapsAreRefused(t *testing.T) {
	memory := func(r *heapRig) *storetest.Memory { return r.store.Store.(*storetest.Memory) }
	for _, c := range []struct {
		name   string
		damage func(r *heapRig, mine, other string)
		named  bool
	}{
		{"a bit flipped", func(r *heapRig, mine, _ string) { r.flip(mine) }, true},
		{"missing", func(r *heapRig, mine, _ string) {
			if err := r.store.Delete(r.t.Context(), mine); err != nil {
				r.t.Fatal(err)
			}
		}, true},
		{"cut off", func(r *heapRig, mine, _ string) {
			memory(r).Damage(mine, memory(r).Bytes(mine)[:100])
		}, true},
		{"swapped between subtasks", func(r *heapRig, mine, other string) {
			a, b := bytes.Clone(memory(r).Bytes(mine)), bytes.Clone(memory(r).Bytes(other))
			memory(r).Damage(mine, b)
			memory(r).Damage(other, a)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHeapRig(t)
			if err := r.begin(0); err != nil {
				t.Fatal(err)
			}
			r.feed("one")
			r.done(1)
			r.feed("two")
			r.done(2)
			c.damage(r, r.packs(0)[0], r.packs(1)[0])
			want := r.packs(0)
			if c.name == "missing" {
				want = []string{"packs/00000000000000000001"}
			}
			err := r.begin(2)
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), want[0]) || !strings.Contains(err.Error(), `"count/heap"`) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("not in the manifest", func(t *testing.T) {
		r := newHeapRig(t)
		if err := r.begin(0); err != nil {
			t.Fatal(err)
		}
		r.feed("one")
		r.snapshot(1)
		all, _ := r.acks(1)
		for i := range all {
			if all[i].Index == 0 {
				all[i].Heap = nil
			}
		}
		r.record(1, all)
		if err := r.begin(1); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "no heap of count[0]") {
			t.Errorf("got %v", err)
		}
	})
}

// The log says how written pages are found, and what was restored.
func TestHeapsAreToldOf(t *testing.T) {
	r := newHeapRig(t)
	var log bytes.Buffer
	r.worker.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := r.begin(0); err != nil {
		t.Fatal(err)
	}
	method, _ := host.HeapMethod()
	if want := "writtenPagesBy=" + method; strings.Count(log.String(), `msg="heaps are kept"`) != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("it does not say once that heaps are kept with %s:\n%s", want, &log)
	}
	r.done(1)
	if err := r.begin(1); err != nil {
		t.Fatal(err)
	}
	for subtask := range 2 {
		if want := fmt.Sprintf(`msg="heap restored" namespace=default job=j operator=count subtask=%d checkpoint=1 runs=1 took=`, subtask); !strings.Contains(log.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &log)
		}
	}
}
