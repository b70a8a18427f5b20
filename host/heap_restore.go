package host

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// HeapRun is a heap run that lies in a store.
type HeapRun struct {
	io.Reader
	Lent Lenders // nil: no page of it is lent
	// Stored is told, unless it is nil, where each page that the run stores lies in it.
	Stored func(sum PageSum, offset int64)
}

// RestoreHeap makes an instance that continues where heap runs, oldest first, have come
// to. Its pages are read into its memory directly, those of the newest run first. Neither
// start function nor _initialize nor wasmill_open runs.
func (m *Module) RestoreHeap(ctx context.Context, c InstanceConfig, runs []HeapRun) (*Instance, error) {
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
		err = into.run(&runs[n], n == 0)
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
	lent     []lentTo  // pages of the run being read that are still to be fetched
}

type lentTo struct {
	lentPage
	page int
}

// run takes the pages of a run that no newer one has.
func (t *heapRestore) run(run *HeapRun, oldest bool) error {
	r, err := NewHeapReader(run, run.Lent)
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
		last := err == io.EOF
		if last {
			err = t.fetch(r)
		} else if err == nil {
			err = t.pages(r, p, run.Stored)
		}
		if last && err == nil {
			return nil
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
func (t *heapRestore) pages(r *HeapReader, p HeapPages, stored func(PageSum, int64)) error {
	memory := t.instance.memory.reserved[:t.instance.memory.size]
	first, end := int(p.First), int(p.First+p.Count)
	for at := first; at < end; {
		open := t.settled.next(at, end, false)
		stop := t.settled.next(open, end, true)
		if p.Kind >= PageBytes {
			for ; at < stop; at++ {
				var to []byte
				if at >= open && p.Kind == PageBytes {
					to = memory[at*HeapPage:][:HeapPage]
				}
				l, err := r.take(to)
				if err != nil {
					return err
				}
				if at >= open && p.Kind == PageLent {
					t.lent = append(t.lent, lentTo{l, at})
				}
				if stored != nil && p.Kind == PageBytes && !r.old {
					stored(l.sum, l.at.Offset)
				}
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

// fetch reads the lent pages of a run, in the order in which they lie.
func (t *heapRestore) fetch(r *HeapReader) error {
	slices.SortFunc(t.lent, func(a, b lentTo) int {
		return cmp.Or(cmp.Compare(a.at.Lender, b.at.Lender), cmp.Compare(a.at.Offset, b.at.Offset))
	})
	for n := range t.lent {
		l := &t.lent[n]
		if err := l.fetch(t.instance.memory.reserved[l.page*HeapPage:][:HeapPage], r.lent); err != nil {
			return err
		}
	}
	t.lent = t.lent[:0]
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
