package host

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/wasmill/wasmill/host/internal/dirty"
	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/runtime/state"
)

// HeapPage is the unit in which heaps are kept, in bytes.
const HeapPage = dirty.PageSize

// Heap takes snapshots of an instance: of the whole of it, or of what was written since
// a checkpoint that completed. It belongs to the goroutine of the instance; only the
// snapshots are written and closed by others.
type Heap struct {
	instance  *Instance
	tracker   dirty.Tracker
	module    [32]byte
	began     []byte // the memory as the module begins
	confirmed uint64 // 0: the next snapshot is whole
	// epochs are the pages written before each checkpoint since the confirmed one,
	// ascending: those of an aborted checkpoint are still to be kept.
	epochs []epoch
	ranges []dirty.Range
	spare  chan []byte // at most one buffer for copies
}

// epoch is what was written before a checkpoint, and after the one before.
type epoch struct {
	checkpoint uint64
	pages      pageSet
}

// maxEpochs bounds what aborted checkpoints leave: older epochs count for later ones.
const maxEpochs = 64

// Heap begins to watch the instance's memory. Base is the checkpoint that the instance
// was restored from just now, and later snapshots build on; 0: none.
func (i *Instance) Heap(base uint64) (*Heap, error) {
	if reason := i.module.noImage(); reason != "" {
		return nil, fmt.Errorf("keep heap: module %s %s", i.module.hash[:12], reason)
	}
	began, err := i.module.beginning()
	if err != nil {
		return nil, fmt.Errorf("keep heap: %w", err)
	}
	// A method that can't be had is no error: the other one works everywhere.
	tracker, _ := dirty.New(i.memory.reserved)
	return i.heap(base, began, tracker)
}

func (i *Instance) heap(base uint64, began []byte, tracker dirty.Tracker) (*Heap, error) {
	h := &Heap{instance: i, tracker: tracker, began: began, confirmed: base, spare: make(chan []byte, 1)}
	if _, err := hex.Decode(h.module[:], []byte(i.module.hash)); err != nil {
		return nil, fmt.Errorf("keep heap: %w", err)
	}
	if base == 0 {
		return h, nil
	}
	// What the restore wrote is nothing new.
	var err error
	if h.ranges, err = tracker.Written(i.memory.reserved[:i.memory.size], h.ranges); err != nil {
		h.Close()
		return nil, fmt.Errorf("keep heap: %w", err)
	}
	return h, nil
}

// HeapMethod is how written pages are found on this machine, and why not by the kernel's
// help if it is not.
func HeapMethod() (method, reason string) {
	m := &memory{limit: wasmPage}
	m.Allocate(0, wasmPage)
	defer m.Free()
	if m.failure != nil || m.Reallocate(wasmPage) == nil {
		return string(dirty.Hashes), fmt.Sprint(m.failure)
	}
	tracker, err := dirty.New(m.reserved)
	if err != nil {
		reason = err.Error()
	}
	defer tracker.Close()
	return string(tracker.Method()), reason
}

// Snapshot copies what a checkpoint needs: the pages written since the last confirmed
// checkpoint, or with full set, or without such a checkpoint, all of them. It is called
// between calls.
func (h *Heap) Snapshot(checkpoint uint64, full bool) (*HeapSnapshot, error) {
	i := h.instance
	if i.fault != nil {
		return nil, fmt.Errorf("take snapshot of heap: %w", i.fault)
	}
	memory := i.memory.reserved[:i.memory.size]
	var err error
	if h.ranges, err = h.tracker.Written(memory, h.ranges[:0]); err != nil {
		return nil, fmt.Errorf("take snapshot of heap: %w", err)
	}
	h.remember(checkpoint)
	s := &HeapSnapshot{heap: h, head: h.head(checkpoint), began: h.began}
	var pages pageSet
	if full || h.confirmed == 0 {
		pages = h.all(memory)
	} else {
		s.head.Since = h.confirmed
		for _, e := range h.epochs {
			pages = pages.union(e.pages)
		}
	}
	s.ranges = pages.ranges()
	count := 0
	for _, r := range s.ranges {
		count += r.End - r.First
	}
	s.buffer = h.buffer(count * HeapPage)
	for _, r := range s.ranges {
		s.buffer = append(s.buffer, memory[r.First*HeapPage:r.End*HeapPage]...)
	}
	return s, nil
}

// remember keeps what was written as an epoch of its own.
func (h *Heap) remember(checkpoint uint64) {
	var pages pageSet
	for _, r := range h.ranges {
		pages = pages.add(r.First, r.End)
	}
	h.epochs = append(h.epochs, epoch{checkpoint, pages})
	if len(h.epochs) > maxEpochs {
		h.epochs[1].pages = h.epochs[0].pages.union(h.epochs[1].pages)
		h.epochs = slices.Delete(h.epochs, 0, 1)
	}
}

// all are the pages that a whole snapshot has: those that are not zero, or were not when
// the module began.
func (h *Heap) all(memory []byte) (pages pageSet) {
	for at := 0; at < len(memory); at += HeapPage {
		if at < len(h.began) || !isZero(memory[at:at+HeapPage]) {
			pages = pages.add(at/HeapPage, at/HeapPage+1)
		}
	}
	return pages
}

func (h *Heap) head(checkpoint uint64) HeapHead {
	i := h.instance
	head := HeapHead{Checkpoint: checkpoint, Module: h.module, Clock: i.clock, Random: i.random, Memory: uint32(i.memory.size / wasmPage)}
	for _, g := range i.module.globals {
		value := i.guest.ExportedGlobal(rewrite.GlobalName(g.index)).Get()
		head.Globals = append(head.Globals, GlobalValue{uint32(g.index), g.valueType, value})
	}
	return head
}

// Confirm tells that a checkpoint completed: later snapshots build on it. Unknown and
// older ones are ignored.
func (h *Heap) Confirm(checkpoint uint64) {
	if checkpoint <= h.confirmed || !slices.ContainsFunc(h.epochs, func(e epoch) bool { return e.checkpoint == checkpoint }) {
		return
	}
	h.confirmed = checkpoint
	h.epochs = slices.DeleteFunc(h.epochs, func(e epoch) bool { return e.checkpoint <= checkpoint })
}

// Method is how written pages are found.
func (h *Heap) Method() string { return string(h.tracker.Method()) }

// Close ends watching. Snapshots may be written and closed later.
func (h *Heap) Close() error { return h.tracker.Close() }

// keepBuffer is the largest buffer that is kept between snapshots.
const keepBuffer = 32 << 20

// buffer has room for so many bytes.
func (h *Heap) buffer(size int) []byte {
	select {
	case b := <-h.spare:
		if cap(b) >= size {
			return b[:0]
		}
	default:
	}
	return make([]byte, 0, size)
}

// HeapSnapshot is a copy of what a checkpoint needs of a heap. Any goroutine may write and
// close it.
type HeapSnapshot struct {
	heap   *Heap
	head   HeapHead
	began  []byte
	ranges []dirty.Range
	buffer []byte // the pages of ranges
}

// Since is the checkpoint that the snapshot builds on, 0 if it is whole.
func (s *HeapSnapshot) Since() uint64 { return s.head.Since }

// Write implements state.Snapshot: every page is stored.
func (s *HeapSnapshot) Write(w io.Writer) (state.RunInfo, error) { return s.WriteSharing(w, nil) }

// WriteSharing writes the snapshot as a run; pages that lie in places already are not
// stored again.
func (s *HeapSnapshot) WriteSharing(w io.Writer, places PagePlaces) (state.RunInfo, error) {
	run := newHeapWriter(w, &s.head, places)
	rest := s.buffer
	var page []byte
	bytes := func() ([]byte, error) { return page, nil }
	for _, r := range s.ranges {
		for p := r.First; p < r.End; p++ {
			page, rest = rest[:HeapPage], rest[HeapPage:]
			switch kind := s.kind(p, page); {
			case kind == PageBytes:
				run.page(uint32(p), sumOf(page), bytes)
			case kind == PageZero || s.head.Since != 0: // a whole run is silent of what it began with
				run.blank(uint32(p), kind)
			}
			if run.err != nil {
				return run.info, run.err
			}
		}
	}
	return run.finish()
}

// kind tells how a page is written.
func (s *HeapSnapshot) kind(p int, page []byte) PageKind {
	at := p * HeapPage
	switch {
	case at < len(s.began) && string(s.began[at:at+HeapPage]) == string(page):
		return PageBegun
	case !isZero(page):
		return PageBytes
	case at < len(s.began):
		return PageZero
	}
	return PageBegun
}

// Close implements state.Snapshot.
func (s *HeapSnapshot) Close() error {
	if b := s.buffer; b != nil && cap(b) <= keepBuffer {
		select {
		case s.heap.spare <- b:
		default:
		}
	}
	s.buffer, s.ranges = nil, nil
	return nil
}
