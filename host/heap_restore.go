package host

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// RestoreHeap makes an instance that continues where heap runs, oldest first, have come
// to. Its pages are read into its memory directly, those of the newest run first. Neither
// start function nor _initialize nor wasmill_open runs.
func (m *Module) RestoreHeap(ctx context.Context, c InstanceConfig, runs []io.Reader) (*Instance, error) {
	if reason := m.noImage(); reason != "" {
		return nil, fmt.Errorf("restore heap: module %s %s", m.hash[:12], reason)
	}
	began, err := m.beginning()
	if err != nil {
		return nil, fmt.Errorf("restore heap: %w", err)
	}
	i, err := m.instance(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("restore heap: %w", err)
	}
	into := heapRestore{instance: i, began: began}
	for n := len(runs) - 1; n >= 0 && err == nil; n-- {
		err = into.run(runs[n], n == 0)
	}
	if err != nil {
		i.Close()
		return nil, fmt.Errorf("restore heap: %w", err)
	}
	return i, nil
}

// heapRestore fills an instance.
type heapRestore struct {
	instance *Instance
	began    []byte
	head     *HeapHead // of the newest run
	settled  pageSet   // pages that a newer run has
}

// run takes the pages of a run that no newer one has.
func (t *heapRestore) run(from io.Reader, oldest bool) error {
	r, err := NewHeapReader(from)
	if err != nil {
		return err
	}
	switch {
	case t.head == nil:
		if err := t.begin(&r.Head); err != nil {
			return err
		}
	case r.Head.Module != t.head.Module || r.Head.Memory > t.head.Memory:
		return fault.Corruptf("the runs of checkpoints %d and %d are not of one instance", r.Head.Checkpoint, t.head.Checkpoint)
	}
	if oldest != (r.Head.Since == 0) {
		return fault.Corruptf("the run of checkpoint %d builds on checkpoint %d, which is missing or too much", r.Head.Checkpoint, r.Head.Since)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = t.pages(r, p)
		}
		if err != nil {
			return fmt.Errorf("checkpoint %d: %w", r.Head.Checkpoint, err)
		}
	}
}

// begin sets all but the memory's pages.
func (t *heapRestore) begin(head *HeapHead) error {
	i := t.instance
	if taken := hex.EncodeToString(head.Module[:]); taken != i.module.hash {
		return fmt.Errorf("it was taken of module %s, this is %s", taken[:12], i.module.hash[:12])
	}
	if err := i.restoreGlobals(head.Globals); err != nil {
		return err
	}
	have := uint32(i.memory.size / wasmPage)
	if head.Memory < have {
		return fmt.Errorf("its memory of %d pages is smaller than the module's at the start, %d", head.Memory, have)
	}
	if _, ok := i.guest.Memory().Grow(head.Memory - have); !ok {
		return fmt.Errorf("its memory of %s exceeds limit memory %s", bytesText(int64(head.Memory)*wasmPage), bytesText(i.limits.Memory))
	}
	i.clock, i.random = head.Clock, head.Random
	t.head = head
	return nil
}

// pages takes what is not settled of an entry; the rest is skipped.
func (t *heapRestore) pages(r *HeapReader, p HeapPages) error {
	memory := t.instance.memory.reserved[:t.instance.memory.size]
	first, end := int(p.First), int(p.First+p.Count)
	for at := first; at < end; {
		open := t.settled.next(at, end, false)
		stop := t.settled.next(open, end, true)
		if p.Kind == PageBytes {
			for ; at < open; at++ {
				if err := r.skip(); err != nil {
					return err
				}
			}
			if err := r.Read(memory[open*HeapPage : stop*HeapPage]); err != nil {
				return err
			}
		}
		if p.Kind == PageZero && open*HeapPage < len(t.began) {
			clear(memory[open*HeapPage : min(stop*HeapPage, len(t.began))])
		}
		at = stop
	}
	t.settled = t.settled.add(first, end)
	return nil
}

func (i *Instance) restoreGlobals(values []GlobalValue) error {
	globals := i.module.globals
	if len(values) != len(globals) {
		return fmt.Errorf("it has %d globals, the module has %d that change", len(values), len(globals))
	}
	for n, g := range values {
		if int(g.Index) != globals[n].index || g.Type != globals[n].valueType {
			return fmt.Errorf("global %d of the image does not fit the module", g.Index)
		}
		i.setGlobal(rewrite.GlobalName(globals[n].index), g.Value)
	}
	return nil
}

// beginning is the memory of an instance of which no code has run, up to the last page
// that is not zero.
func (m *Module) beginning() ([]byte, error) {
	m.beganOnce.Do(func() {
		limits := graph.Limits{Memory: max(wasmPage, int64(m.memoryPages)*wasmPage), TableEntries: max(1, m.tableEntries)}
		i, err := m.instance(context.Background(), InstanceConfig{Limits: limits, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			m.beganErr = err
			return
		}
		defer i.Close()
		memory := i.memory.reserved[:i.memory.size]
		end := len(memory)
		for end > 0 && isZero(memory[end-HeapPage:end]) {
			end -= HeapPage
		}
		m.began = bytes.Clone(memory[:end])
	})
	return m.began, m.beganErr
}
