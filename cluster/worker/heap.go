package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

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
	mu      sync.Mutex
	damaged bool // what is there can't be read: guarded by mu
}

func newHeapKeeper() *heapKeeper { return &heapKeeper{keeper: newKeeper()} }

func (k *heapKeeper) mustCopy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	damaged := k.damaged
	k.damaged = false
	return damaged
}

// write writes a snapshot. When a base is due, the snapshot is merged with the runs that
// it builds on: the task does not stand still for that.
func (k *heapKeeper) write(ctx context.Context, from snapshots.Folder, s state.Snapshot, w io.Writer) (state.RunInfo, error) {
	if !k.full() {
		return s.Write(w)
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
	info, err := k.merge(ctx, from, pipe, w)
	if errors.Is(err, fault.ErrCorrupt) {
		k.mu.Lock()
		k.damaged = true
		k.mu.Unlock()
		err = fmt.Errorf("write a new base, the next checkpoint copies all of the heap: %w", err)
	}
	return info, err
}

func (k *heapKeeper) merge(ctx context.Context, from snapshots.Folder, newest io.Reader, w io.Writer) (info state.RunInfo, err error) {
	last, err := host.NewHeapReader(newest)
	if err != nil {
		return info, err
	}
	var readers []*host.HeapReader
	for _, r := range k.consists(last.Head.Since) {
		in := from.OpenSection(ctx, r.Section)
		defer in.Close()
		reader, err := host.NewHeapReader(in)
		if err != nil {
			return info, err
		}
		readers = append(readers, reader)
	}
	return host.MergeHeap(w, append(readers, last))
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
func (a *attempt) writeHeap(ctx context.Context, w *snapshots.PackWriter, m *share, p *task.Part, to *snapshots.Subtask) error {
	at := id.Subtask{Operator: p.Operator, Index: m.subtask}
	a.mu.Lock()
	k := a.heaps[at]
	a.mu.Unlock()
	if k == nil {
		return fault.Corruptf("%s has no heap", at)
	}
	var info state.RunInfo
	section, err := w.Section(p.Operator+"/heap", func(w io.Writer) (err error) {
		info, err = k.write(ctx, a.folder(), p.Heap, w)
		return err
	})
	if err == nil {
		to.Heap, err = k.written(info, section)
	}
	return err
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
	var runs []io.Reader
	for _, r := range share.Heap {
		in := a.folder().OpenSection(ctx, r.Section)
		defer in.Close()
		runs = append(runs, in)
	}
	return o.modules[op.Module.SHA256].RestoreHeap(ctx, c, runs)
}

// keepHeap has an instance's image taken with every checkpoint.
func (o *opener) keepHeap(k *kept, i *host.Instance, op *graph.Operator, subtask int, restored bool) error {
	a := o.attempt
	base, keeper := uint64(0), newHeapKeeper()
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
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heaps[id.Subtask{Operator: op.Name, Index: subtask}] = keeper
	return nil
}
