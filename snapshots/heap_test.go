package snapshots_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// heapOf is a heap of two runs, the newer of which borrows from a third section, and what
// is in these sections.
func heapOf(t *testing.T, s snapshots.Store) (runs []snapshots.Run, contents [][]byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		b := make([]byte, 50*snapshots.ChunkSize+r.IntN(snapshots.ChunkSize))
		for at := range b {
			b[at] = byte(r.IntN(4))
		}
		contents = append(contents, b)
	}
	sections := writePack(t, s, contents...)
	return []snapshots.Run{{Section: sections[0], Checkpoint: 7}, {Section: sections[1], Checkpoint: 8, Since: 7, Lenders: sections[2:]}}, contents
}

// Any part of what lends pages is read, in any order, and in few requests when parts
// follow each other.
func TestHeapLenders(t *testing.T) {
	store := &storetest.Faulty{Store: new(storetest.Memory)}
	runs, contents := heapOf(t, store)
	heap := folderOf(store).OpenHeap(t.Context(), runs)
	numbers := []uint32{snapshots.ChainLender(0), snapshots.ChainLender(1), snapshots.SectionLender(0)}
	read := func(lender int, offset int64, length int) {
		t.Helper()
		from, err := heap.Lender(1, numbers[lender])
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, length)
		if n, err := from.ReadAt(got, offset); err != nil || n != length {
			t.Fatalf("read %d bytes at %d of %s: %d, %v", length, offset, from, n, err)
		}
		if !bytes.Equal(got, contents[lender][offset:][:length]) {
			t.Fatalf("%d bytes at %d of %s are others", length, offset, from)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		lender := r.IntN(3)
		length := 1 + r.IntN(8192)
		read(lender, r.Int64N(int64(len(contents[lender])-length+1)), length)
	}
	heap = folderOf(store).OpenHeap(t.Context(), runs)
	before := store.Ops()
	for offset := int64(0); offset+4096 <= int64(len(contents[2])); offset += 4096 {
		read(2, offset, 4096)
	}
	if calls := store.Ops() - before; calls > 12 {
		t.Errorf("%d chunks in a row take %d requests", len(contents[2])/snapshots.ChunkSize, calls)
	}
	for _, c := range []struct {
		name   string
		run    int
		number uint32
	}{
		{"a run that comes later", 0, snapshots.ChainLender(1)},
		{"a run that is not there", 1, snapshots.ChainLender(2)},
		{"a section that is not there", 1, snapshots.SectionLender(1)},
		{"a section of a run that borrows nothing", 0, snapshots.SectionLender(0)},
	} {
		if _, err := heap.Lender(c.run, c.number); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), runs[c.run].Pack) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	from, err := heap.Lender(1, snapshots.SectionLender(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{-1, int64(len(contents[2])) - 4095, 1 << 60} {
		if _, err := from.ReadAt(make([]byte, 4096), offset); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("a page at %d of %d bytes: %v", offset, len(contents[2]), err)
		}
	}
}

// What lends pages belongs to a checkpoint as all else does: it is kept (D4), copied into
// savepoints, adopted under the job's own names, and checked.
func TestLendersBelongToTheCheckpoint(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustBegin(t, l)
	write := func(n uint64, subtask int) snapshots.Section {
		var section snapshots.Section
		p := snapshots.PackID{Checkpoint: n, Attempt: id.Attempt{Term: state.Term, Number: 1}, Subtask: subtask}
		_, err := folderOf(store).WritePack(t.Context(), p, func(w *snapshots.PackWriter) (err error) {
			section, err = w.Section("heap", func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "heap of %d at %d", subtask, n)
				return err
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return section
	}
	complete := func(n uint64, heaps ...[]snapshots.Run) *snapshots.Manifest {
		o := snapshots.Operator{Name: "model", Parallelism: len(heaps)}
		for i, h := range heaps {
			o.Subtasks = append(o.Subtasks, snapshots.Subtask{Index: i, Heap: h})
		}
		m := &snapshots.Manifest{Checkpoint: n, Attempt: id.Attempt{Term: state.Term, Number: 1}, Operators: []snapshots.Operator{o}}
		retain := []uint64{n}
		var err error
		if state, err = l.Append(t.Context(), snapshots.Entry{Checkpoint: m, Time: noon, Retain: &retain}, state.Term); err != nil {
			t.Fatal(err)
		}
		return m
	}
	// Subtask 1 borrows from subtask 0, which then has a new base.
	lent, own := write(1, 0), write(1, 1)
	complete(1, []snapshots.Run{{Section: lent, Checkpoint: 1}}, []snapshots.Run{{Section: own, Checkpoint: 1, Lenders: []snapshots.Section{lent}}})
	base := write(2, 0)
	m := complete(2, []snapshots.Run{{Section: base, Checkpoint: 2}}, []snapshots.Run{{Section: own, Checkpoint: 1, Lenders: []snapshots.Section{lent}}})
	garbage, err := snapshots.Collect(t.Context(), l, id.Attempt{Term: state.Term, Number: 1}, false)
	if err != nil || len(garbage) != 0 {
		t.Errorf("%v is deleted: %v", garbage, err)
	}
	if packs := m.Packs(); !slices.Contains(packs, lent.Pack) || len(packs) != 3 {
		t.Errorf("the checkpoint has packs %v", packs)
	}
	if all, _ := m.Size(); all != lent.Stored+own.Stored+base.Stored {
		t.Errorf("the checkpoint has %d bytes", all)
	}
	savepoint := snapshots.Folder{Store: store, Path: "default/savepoints/quakes/one"}
	if err := folderOf(store).CopyTo(t.Context(), savepoint, *m, false); err != nil {
		t.Fatal(err)
	}
	adopted, err := savepoint.Adopt(t.Context(), folderOf(store), m, 9, id.Attempt{Term: state.Term})
	if err != nil {
		t.Fatal(err)
	}
	borrowed := adopted.Operators[0].Subtasks[1].Heap[0].Lenders[0]
	if p, ok := snapshots.ParsePackName(borrowed.Pack); !ok || p.Checkpoint != 9 {
		t.Errorf("the adopted checkpoint borrows from %s", borrowed.Pack)
	}
	if text, err := io.ReadAll(folderOf(store).OpenSection(t.Context(), borrowed)); string(text) != "heap of 0 at 1" {
		t.Errorf("it borrows %q, %v", text, err)
	}
	if err := store.Delete(t.Context(), savepoint.Path+"/"+lent.Pack); err != nil {
		t.Fatal(err)
	}
	if err := savepoint.Check(t.Context(), m, snapshots.Quick); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), lent.Pack) {
		t.Errorf("a check without the lender finds %v", err)
	}
}
