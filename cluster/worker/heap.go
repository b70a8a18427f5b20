package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// heap is the image of a subtask's instance, as the task sees it.
type heap struct {
	*host.Heap
	keeper *heapKeeper
}

// Snapshot implements task.Heap. It copies what was written, and everything only if it
// must: a whole run is otherwise merged in the background.
func (h *heap) Snapshot(checkpoint uint64) (state.Snapshot, error) {
	return h.Heap.Snapshot(checkpoint, h.keeper.mustCopy())
}

// Confirm implements task.Heap.
func (h *heap) Confirm(checkpoint uint64) {
	h.keeper.confirmed(checkpoint)
	h.Heap.Confirm(checkpoint)
}

// heapKeeper knows where the heap of a subtask lies in the store.
type heapKeeper struct {
	*keeper
	subtask int
	pool    *heapPool
	mu      sync.Mutex
	damaged bool // what is there can't be read: guarded by mu
}

func newHeapKeeper(subtask int, pool *heapPool) *heapKeeper {
	return &heapKeeper{keeper: newKeeper(), subtask: subtask, pool: pool}
}

func (k *heapKeeper) mustCopy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	damaged := k.damaged
	k.damaged = false
	return damaged
}

// write writes a snapshot. When a base is due, the snapshot is merged with the runs that
// it builds on: the task does not stand still for that.
func (k *heapKeeper) write(ctx context.Context, from snapshots.Folder, s *host.HeapSnapshot, whole bool, places host.PagePlaces, w io.Writer) (state.RunInfo, error) {
	if !whole || s.Since() == 0 {
		return s.WriteSharing(w, places)
	}
	pipe, out := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := s.Write(out)
		out.CloseWithError(err)
	}()
	defer func() {
		pipe.Close()
		<-written
	}()
	info, err := k.merge(ctx, from, pipe, places, w)
	if errors.Is(err, fault.ErrCorrupt) {
		k.mu.Lock()
		k.damaged = true
		k.mu.Unlock()
		err = fmt.Errorf("write a new base, the next checkpoint copies all of the heap: %w", err)
	}
	return info, err
}

func (k *heapKeeper) merge(ctx context.Context, from snapshots.Folder, newest io.Reader, places host.PagePlaces, w io.Writer) (info state.RunInfo, err error) {
	last, err := host.NewHeapReader(newest, nil)
	if err != nil {
		return info, err
	}
	runs := k.consists(last.Head.Since)
	kept := from.OpenHeap(ctx, runs)
	var readers []*host.HeapReader
	for n := range runs {
		in := kept.Open(n)
		defer in.Close()
		reader, err := host.NewHeapReader(in, lenders(kept, n))
		if err != nil {
			return info, err
		}
		readers = append(readers, reader)
	}
	return host.MergeHeap(w, append(readers, last), places)
}

// lenders opens what lends pages to a run of a heap.
func lenders(kept *snapshots.HeapRuns, run int) host.Lenders {
	return func(number uint32) (host.Lender, error) { return kept.Lender(run, number) }
}

// consists are the runs of a confirmed checkpoint, oldest first.
func (k *keeper) consists(checkpoint uint64) (runs []snapshots.Run) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, info := range k.chain.Runs(checkpoint) {
		runs = append(runs, k.runs[info.Checkpoint])
	}
	return runs
}

// writeHeap writes the image of an operator's instance into a pack.
func (a *attempt) writeHeap(ctx context.Context, w *snapshots.PackWriter, m *share, checkpoint uint64, p *task.Part, to *snapshots.Subtask) error {
	at := id.Subtask{Operator: p.Operator, Index: m.subtask}
	a.mu.Lock()
	k := a.heaps[at]
	a.mu.Unlock()
	if k == nil {
		return fault.Corruptf("%s has no heap", at)
	}
	taken, ok := p.Heap.(*host.HeapSnapshot)
	if !ok {
		return fault.Corruptf("%s has no image", at)
	}
	whole := taken.Since() == 0 || k.full()
	places := k.pool.places(k, checkpoint, taken.Since(), whole)
	var info state.RunInfo
	section, err := w.Section(p.Operator+"/heap", func(w io.Writer) (err error) {
		info, err = k.write(ctx, a.folder(), taken, whole, places, w)
		return err
	})
	places.written(section, err)
	if err != nil {
		return err
	}
	borrowed, err := places.borrowed(ctx)
	if err == nil {
		to.Heap, err = k.written(info, section, borrowed...)
	}
	return err
}

// heapPool is that of an operator.
func (a *attempt) heapPool(operator string) *heapPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pools[operator]
	if p == nil {
		p = newHeapPool()
		a.pools[operator] = p
	}
	return p
}

// endHeaps tells all heaps what became of a checkpoint.
func (a *attempt) endHeaps(checkpoint uint64, complete bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pools {
		p.end(checkpoint, complete)
	}
}

// restoreHeap makes an instance that goes on where its image was taken; nil if there is
// none to go on from.
func (o *opener) restoreHeap(ctx context.Context, op *graph.Operator, subtask int, c host.InstanceConfig) (*host.Instance, error) {
	a := o.attempt
	share, err := a.takeover(op, subtask)
	if share == nil || err != nil || share.Finished {
		return nil, err
	}
	if len(share.Heap) == 0 {
		// C3: what was kept is not left behind.
		if was := a.restore.Operator(op.Name); was.HasHeap() {
			return nil, fault.Corruptf("checkpoint %d has no heap of %s at parallelism %d", a.from, c.Subtask, op.Parallelism)
		}
		return nil, nil
	}
	began, pool, kept := time.Now(), a.heapPool(op.Name), a.folder().OpenHeap(ctx, share.Heap)
	var runs []host.HeapRun
	for n, r := range share.Heap {
		in := kept.Open(n)
		defer in.Close()
		runs = append(runs, host.HeapRun{Reader: in, Lent: lenders(kept, n), Stored: func(sum host.PageSum, offset int64) {
			pool.restored(sum, heapPlace{r.Checkpoint, offset, subtask})
		}})
	}
	i, err := o.modules[op.Module.SHA256].RestoreHeap(ctx, c, runs)
	if err == nil {
		c.Logger.Info("heap restored", "checkpoint", a.from, "runs", len(runs), "took", time.Since(began))
	}
	return i, err
}

// keepHeap has an instance's image taken with every checkpoint.
func (o *opener) keepHeap(k *kept, i *host.Instance, op *graph.Operator, subtask int, restored bool) error {
	a := o.attempt
	base, keeper := uint64(0), newHeapKeeper(subtask, a.heapPool(op.Name))
	if restored {
		base = a.restore.Checkpoint
		keeper.goOn(a.restore.Operator(op.Name).Subtasks[subtask].Heap)
	}
	h, err := i.Heap(base)
	if err != nil {
		return err
	}
	o.heapLog.Do(func() {
		method, reason := host.HeapMethod()
		log := a.worker.config.Logger.With("namespace", a.ref.Job.Namespace, "job", a.ref.Job.Name, "writtenPagesBy", method)
		if reason != "" {
			log = log.With("since", reason)
		}
		log.Info("heaps are kept")
	})
	k.Heap = &heap{h, keeper}
	keeper.pool.join(keeper)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heaps[id.Subtask{Operator: op.Name, Index: subtask}] = keeper
	return nil
}
