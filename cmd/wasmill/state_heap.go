package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/snapshots"
)

// heapSize is how large the heap of a subtask is in a checkpoint.
type heapSize struct {
	Operator string    `json:"operator"`
	Subtask  int       `json:"subtask"`
	Module   string    `json:"module"` // SHA-256
	Memory   int64     `json:"memory"` // bytes
	Kept     int64     `json:"kept"`   // bytes of pages that are neither zero nor as the module begins
	Lent     int64     `json:"lent"`   // bytes of them that lie in another place, and only once
	Stored   int64     `json:"stored"` // bytes in packs, of its own runs
	Runs     []heapRun `json:"runs"`   // that it consists of, oldest first
}

// heapRun is what a checkpoint wrote of a heap.
type heapRun struct {
	Checkpoint uint64 `json:"checkpoint"`
	Since      uint64 `json:"since,omitempty"` // the checkpoint it builds on; 0: it is whole
	Memory     int64  `json:"memory"`          // bytes, at that time
	Written    int64  `json:"written"`         // bytes before compression
	Stored     int64  `json:"stored"`
	Lenders    int    `json:"lenders,omitempty"` // runs of other subtasks that it has pages in
}

// heap opens the heap of a subtask, folded; nil if it has none.
func (s *snapshot) heap(ctx context.Context, o *snapshots.Operator, subtask int) (*host.HeapFold, *heapSize, func(), error) {
	size := &heapSize{Operator: o.Name, Subtask: subtask, Runs: []heapRun{}}
	var open []io.Closer
	done := func() {
		for _, c := range open {
			c.Close() // it was only read
		}
	}
	if o.Subtasks[subtask].Finished || len(o.Subtasks[subtask].Heap) == 0 {
		return nil, size, done, nil
	}
	var readers []*host.HeapReader
	kept := s.folder.OpenHeap(ctx, o.Subtasks[subtask].Heap)
	for n, run := range o.Subtasks[subtask].Heap {
		in := kept.Open(n)
		open = append(open, in)
		r, err := host.NewHeapReader(in, func(number uint32) (host.Lender, error) { return kept.Lender(n, number) })
		if err != nil {
			return nil, nil, done, fmt.Errorf("read heap of %s[%d]: %w", o.Name, subtask, err)
		}
		readers = append(readers, r)
		size.Stored += run.Stored
		size.Runs = append(size.Runs, heapRun{run.Checkpoint, run.Since, int64(r.Head.Memory) << 16, run.Length, run.Stored, len(run.Lenders)})
	}
	fold, err := host.FoldHeap(readers)
	if err != nil {
		return nil, nil, done, fmt.Errorf("read heap of %s[%d]: %w", o.Name, subtask, err)
	}
	size.Module, size.Memory = hex.EncodeToString(fold.Head.Module[:]), int64(fold.Head.Memory)<<16
	return fold, size, done, nil
}

// heaps lists the heaps of an operator.
func (s *snapshot) heaps(ctx context.Context, o *snapshots.Operator) (all []*heapSize, err error) {
	for i := range o.Subtasks {
		fold, size, done, err := s.heap(ctx, o, i)
		if err == nil && fold != nil {
			err = size.count(fold)
			all = append(all, size)
		}
		done()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// count goes through the pages that are not as the module begins.
func (s *heapSize) count(fold *host.HeapFold) error {
	for {
		_, kind, err := fold.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if kind >= host.PageBytes {
			s.Kept += host.HeapPage
		}
		if kind == host.PageLent {
			s.Lent += host.HeapPage
		}
	}
}

func (l *stateList) writeHeaps(w io.Writer) error {
	err := writeRows(w, "OPERATOR\tSUBTASK\tMODULE\tMEMORY\tKEPT\tLENT\tSTORED\tRUNS", func(row func(...any)) {
		for _, h := range l.Heaps {
			row(h.Operator, h.Subtask, h.Module[:12], size(h.Memory), size(h.Kept), size(h.Lent), size(h.Stored), len(h.Runs))
		}
	})
	if err != nil || !l.groups {
		return err
	}
	return writeRows(w, "\nOPERATOR\tSUBTASK\tCHECKPOINT\tSINCE\tMEMORY\tWRITTEN\tSTORED", func(row func(...any)) {
		for _, h := range l.Heaps {
			for _, r := range h.Runs {
				row(h.Operator, h.Subtask, r.Checkpoint, dashIfZero(r.Since), size(r.Memory), size(r.Written), size(r.Stored))
			}
		}
	})
}

func dashIfZero(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// heapDiff is how the heap of a subtask changed between two checkpoints.
type heapDiff struct {
	Operator string       `json:"operator"`
	Subtask  int          `json:"subtask"`
	Before   int64        `json:"before"` // bytes of memory
	After    int64        `json:"after"`
	Pages    int64        `json:"pages"` // that differ
	Regions  []regionDiff `json:"regions"`
}

// regionDiff is how many pages of a region differ; one counts where it first differs.
type regionDiff struct {
	Region string `json:"region"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"` // of memory, the end
	Pages  int64  `json:"pages"`
	First  uint64 `json:"first"` // address of the first that differs
}

// modules are what a user gave to name the regions of memory: by hash.
type moduleRegions map[[32]byte][]host.Region

func readRegions(files []string) (moduleRegions, error) {
	all := moduleRegions{}
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			return nil, invalid(reason("module", file, err))
		}
		regions, hash, err := host.Regions(wasm)
		if err != nil {
			return nil, invalid(fmt.Errorf("%s: %w", file, err))
		}
		all[hash] = regions
	}
	return all, nil
}

// heaps compares the heaps of an operator, which one of the snapshots may not have.
func (d *diff) heaps(ctx context.Context, name string, a, b *snapshot) error {
	before, after := a.manifest.Operator(name), b.manifest.Operator(name)
	count := 0
	for _, o := range []*snapshots.Operator{before, after} {
		if o != nil {
			count = max(count, len(o.Subtasks))
		}
	}
	for i := range count {
		if err := d.heap(ctx, name, i, a, before, b, after); err != nil {
			return err
		}
	}
	return nil
}

func (d *diff) heap(ctx context.Context, name string, subtask int, a *snapshot, before *snapshots.Operator, b *snapshot, after *snapshots.Operator) error {
	var folds [2]*host.HeapFold
	diff := heapDiff{Operator: name, Subtask: subtask}
	for n, side := range []struct {
		of *snapshot
		o  *snapshots.Operator
	}{{a, before}, {b, after}} {
		if side.o == nil || subtask >= len(side.o.Subtasks) {
			continue
		}
		fold, size, done, err := side.of.heap(ctx, side.o, subtask)
		defer done()
		if err != nil {
			return err
		}
		folds[n] = fold
		*[]*int64{&diff.Before, &diff.After}[n] = size.Memory
	}
	if folds[0] == nil || folds[1] == nil {
		return nil
	}
	if folds[0].Head.Module != folds[1].Head.Module {
		return refusedError{fmt.Errorf("the heaps of %s[%d] in %s and %s are of two modules and can't be compared", name, subtask, a, b)}
	}
	if err := diff.compare(folds, d.modules[folds[1].Head.Module]); err != nil {
		return err
	}
	if diff.Pages > 0 || diff.Before != diff.After {
		d.Heaps = append(d.Heaps, &diff)
	}
	return nil
}

// compare goes through both heaps at once.
func (h *heapDiff) compare(folds [2]*host.HeapFold, regions []host.Region) error {
	var at [2]heapPage
	for side := range at {
		if err := at[side].next(folds[side]); err != nil {
			return err
		}
	}
	for {
		page := min(at[0].number, at[1].number)
		if page == lastPage {
			return nil
		}
		off, err := at[0].differs(&at[1])
		if err != nil {
			return err
		}
		if off >= 0 {
			h.count(uint64(page)*host.HeapPage+uint64(off), regions)
		}
		for side := range at {
			if at[side].number == page {
				if err := at[side].next(folds[side]); err != nil {
					return err
				}
			}
		}
	}
}

// heapPage is a page that is not as the module begins; lastPage is behind all.
type heapPage struct {
	fold   *host.HeapFold
	number uint32
	kind   host.PageKind
}

const lastPage = ^uint32(0)

func (p *heapPage) next(fold *host.HeapFold) (err error) {
	p.fold = fold
	if p.number, p.kind, err = fold.Next(); err == io.EOF {
		p.number, err = lastPage, nil
	}
	return err
}

// differs is where two pages first do, of what two heaps have next; below 0: nowhere.
func (p *heapPage) differs(other *heapPage) (int, error) {
	if p.number != other.number {
		return 0, nil
	}
	if p.kind >= host.PageBytes && other.kind >= host.PageBytes && p.fold.Sum() == other.fold.Sum() {
		return -1, nil
	}
	a, err := p.bytes()
	if err != nil {
		return 0, err
	}
	b, err := other.bytes()
	return differs(a, b), err
}

// bytes are nil for zeros.
func (p *heapPage) bytes() ([]byte, error) {
	if p.kind < host.PageBytes {
		return nil, nil
	}
	return p.fold.Bytes()
}

// differs is the first place where two pages do; below 0: nowhere.
func differs(a, b []byte) int {
	if a == nil && b == nil {
		return -1
	}
	for i := range host.HeapPage {
		var x, y byte
		if a != nil {
			x = a[i]
		}
		if b != nil {
			y = b[i]
		}
		if x != y {
			return i
		}
	}
	return -1
}

func (h *heapDiff) count(at uint64, regions []host.Region) {
	h.Pages++
	r := regionDiff{Region: "memory", To: uint64(h.After), First: at &^ (host.HeapPage - 1)}
	for _, region := range regions {
		if region.From <= at && at < region.To {
			r.Region, r.From, r.To = region.Name, region.From, min(region.To, uint64(max(h.Before, h.After)))
		}
	}
	i := slices.IndexFunc(h.Regions, func(known regionDiff) bool { return known.Region == r.Region && known.From == r.From })
	if i < 0 {
		i = len(h.Regions)
		h.Regions = append(h.Regions, r)
	}
	h.Regions[i].Pages++
}

func (d *diff) writeHeaps(w io.Writer) error {
	return writeRows(w, "OPERATOR\tSUBTASK\tMEMORY\tREGION\tFROM\tTO\tPAGES CHANGED\tFIRST", func(row func(...any)) {
		for _, h := range d.Heaps {
			memory := size(h.Before) + " → " + size(h.After)
			if h.Before == h.After {
				memory = size(h.After)
			}
			for _, r := range h.Regions {
				row(h.Operator, h.Subtask, memory, r.Region, fmt.Sprintf("%#x", r.From), fmt.Sprintf("%#x", r.To), r.Pages, fmt.Sprintf("%#x", r.First))
			}
			if len(h.Regions) == 0 {
				row(h.Operator, h.Subtask, memory, "-", "-", "-", 0, "-")
			}
		}
	})
}
