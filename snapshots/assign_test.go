package snapshots_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/snapshots"
)

const maxParallelism = 32

// snapshotAt is a checkpoint of operator "op" at a parallelism, with all that it can
// have. Subtask i has a base of all of its groups and a delta of every second; it has
// carry over from what it restored.
func snapshotAt(n uint64, parallelism int, restored []*snapshots.Share) *snapshots.Manifest {
	o := snapshots.Operator{Name: "op", Parallelism: parallelism}
	for i := range parallelism {
		first, end := keygroup.Range(i, parallelism, maxParallelism)
		pack := fmt.Sprintf("packs/%d-%d", n, i)
		s := snapshots.Subtask{
			Index: i, Groups: snapshots.Range{First: first, End: end},
			Tables:       &snapshots.Section{Pack: pack, Name: "tables"},
			Time:         json.RawMessage(fmt.Sprint(i)),
			Transactions: [][]byte{fmt.Append(nil, "t", n, "-", i)},
			InFlight:     &snapshots.Section{Pack: pack, Name: "in-flight"},
		}
		if restored != nil {
			s.Runs = restored[i].Runs
			s.Splits, _ = json.Marshal(restored[i].Splits)
		} else {
			s.Splits = json.RawMessage(fmt.Sprintf(`[{"id":"f%d","position":"9"},{"id":"g%d","done":true}]`, i, i))
		}
		run := snapshots.Run{Section: snapshots.Section{Pack: pack, Name: "run"}, Checkpoint: n, Header: 4}
		for g := first; g < end; g++ {
			if n == 1 || g%2 == int(n)%2 {
				run.Groups = append(run.Groups, snapshots.GroupOffset{Group: g, Offset: int64(g), Length: 1})
			}
		}
		s.Runs = append(slices.Clone(s.Runs), run)
		o.Subtasks = append(o.Subtasks, s)
	}
	return &snapshots.Manifest{Checkpoint: n, MaxParallelism: maxParallelism, Operators: []snapshots.Operator{o}}
}

func assignAll(t *testing.T, m *snapshots.Manifest, parallelism int) (shares []*snapshots.Share) {
	t.Helper()
	for i := range parallelism {
		share, err := m.Assign("op", parallelism, i)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	return shares
}

// Row 15: through any sequence of parallelisms, every group of every run, every split
// and every transaction is with exactly one subtask, the one that owns it, in the order
// in which they were written.
func TestAssignThroughRescales(t *testing.T) {
	for _, steps := range [][]int{{1, 8, 3, 7}, {4, 4, 4}, {1, 1}, {32, 1, 32}, {5, 2, 9, 31, 16}} {
		t.Run(fmt.Sprint(steps), func(t *testing.T) { rescale(t, steps) })
	}
}

func FuzzAssign(f *testing.F) {
	f.Add([]byte{1, 8, 3, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var parallelisms []int
		for _, s := range steps[:min(len(steps), 5)] {
			parallelisms = append(parallelisms, int(s)%maxParallelism+1)
		}
		rescale(t, parallelisms)
	})
}

func rescale(t *testing.T, steps []int) {
	var restored []*snapshots.Share
	want := map[int][]uint64{} // checkpoints that have a part of each group
	for at, p := range steps {
		n := uint64(at + 1)
		m := snapshotAt(n, p, restored)
		for g := range maxParallelism {
			if n == 1 || g%2 == int(n)%2 {
				want[g] = append(want[g], n)
			}
		}
		next := steps[min(at+1, len(steps)-1)]
		restored = assignAll(t, m, next)
		checkShares(t, restored, want, steps[0], m, next)
	}
}

func checkShares(t *testing.T, shares []*snapshots.Share, want map[int][]uint64, splits int, m *snapshots.Manifest, parallelism int) {
	t.Helper()
	groups := map[int][]uint64{}
	var ids, transactions []string
	for i, share := range shares {
		for _, r := range share.Runs {
			for _, g := range r.Groups {
				if keygroup.Subtask(g.Group, parallelism, maxParallelism) != i {
					t.Errorf("group %d is with subtask %d of %d", g.Group, i, parallelism)
				}
				groups[g.Group] = append(groups[g.Group], r.Checkpoint)
			}
		}
		for _, s := range share.Splits {
			ids = append(ids, string(s))
		}
		for _, tx := range share.Transactions {
			transactions = append(transactions, string(tx))
		}
	}
	if fmt.Sprint(groups) != fmt.Sprint(want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 2*splits {
		t.Errorf("splits %v", ids)
	}
	slices.Sort(transactions)
	if len(slices.Compact(transactions)) != m.Operators[0].Parallelism {
		t.Errorf("transactions %v", transactions)
	}
}

func TestAssignRest(t *testing.T) {
	m := snapshotAt(1, 3, nil)
	same := assignAll(t, m, 3)
	if s := same[1]; s.InFlight == nil || len(s.Time) != 1 || string(s.Time[0]) != "1" || len(s.Splits) != 2 {
		t.Errorf("its own: %+v", s)
	}
	for _, table := range same[1].Tables {
		if mine := table.From == 1; table.Split != mine || table.Broadcast != mine || !table.Union || table.Spread {
			t.Errorf("at the same parallelism: %+v", table)
		}
	}
	tellers := map[int]int{}
	for _, s := range assignAll(t, m, 5) {
		if s.InFlight != nil || len(s.Time) != 3 || len(s.Tables) != 3 {
			t.Errorf("at another: %+v", s)
		}
		broadcast := 0
		for _, table := range s.Tables {
			if !table.Split || !table.Spread || !table.Union {
				t.Errorf("at another: %+v", table)
			}
			if table.Broadcast {
				broadcast++
				tellers[table.From]++
			}
		}
		if broadcast != 1 {
			t.Errorf("%d broadcast tables", broadcast)
		}
	}
	if len(tellers) != 3 {
		t.Errorf("all ask the same: %v", tellers)
	}
	if s, err := m.Assign("new", 3, 0); s != nil || err != nil {
		t.Errorf("an operator that is new: %v, %v", s, err)
	}
}

// Of a subtask that finished nothing is restored but what its source has done.
func TestAssignFinished(t *testing.T) {
	m := snapshotAt(1, 2, nil)
	m.Operators[0].Subtasks[0].Finished = true
	same, other := assignAll(t, m, 2), assignAll(t, m, 3)
	if !same[0].Finished || len(same[0].Runs) > 0 || same[1].Finished || len(same[1].Runs) != 1 {
		t.Errorf("%+v, %+v", same[0], same[1])
	}
	var splits int
	for _, s := range other {
		splits += len(s.Splits)
		if s.Finished {
			t.Errorf("finished, though a part of it is not: %+v", s)
		}
		for _, r := range s.Runs {
			if r.Pack != "packs/1-1" {
				t.Errorf("a run of what finished: %+v", r)
			}
		}
	}
	if splits != 4 {
		t.Errorf("%d splits", splits)
	}
	m.Operators[0].Subtasks[1].Finished = true
	for _, s := range append(assignAll(t, m, 2), assignAll(t, m, 3)...) {
		if !s.Finished {
			t.Errorf("not finished: %+v", s)
		}
	}
}

func TestFits(t *testing.T) {
	shape := func(name string, p int) snapshots.Shape { return snapshots.Shape{Name: name, Parallelism: p} }
	for _, c := range []struct {
		name      string
		job       []snapshots.Shape
		max       int
		dropped   []string
		unaligned bool
		want      []string // that the refusal says; none: it fits
	}{
		{"as it was", []snapshots.Shape{shape("op", 3)}, maxParallelism, nil, false, nil},
		{"rescaled, and a new operator", []snapshots.Shape{shape("op", 7), shape("new", 1)}, maxParallelism, nil, false, nil},
		{"another maxParallelism", []snapshots.Shape{shape("op", 3)}, 64, nil, false, []string{"maxParallelism is 64, that of checkpoint 1 is 32", "(set maxParallelism: 32)"}},
		{"an operator is missing", nil, maxParallelism, nil, false, []string{`state of operator "op"`, "(--allow-dropped-state op)"}},
		{"it may be", nil, maxParallelism, []string{"op"}, false, nil},
		{"one may be that is not there", []snapshots.Shape{shape("op", 3)}, maxParallelism, []string{"pp"}, false, []string{`"pp"`}},
		{"unaligned, rescaled", []snapshots.Shape{shape("op", 4)}, maxParallelism, nil, true, []string{"unaligned", "(restore at parallelism 3"}},
		{"unaligned, with its edges", []snapshots.Shape{{Name: "op", Parallelism: 3, Edges: []string{"x", "a.out to op.in by key"}}}, maxParallelism, nil, true, nil},
		{"unaligned, without an edge", []snapshots.Shape{{Name: "op", Parallelism: 3, Edges: []string{"a.out to op.in by rebalance"}}}, maxParallelism, nil, true,
			[]string{"in flight from a.out to op.in by key", "checkpoint.alignment=aligned"}},
		{"everything at once", nil, 64, []string{"pp"}, true, []string{"maxParallelism", `"op"`, `"pp"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := snapshotAt(1, 3, nil)
			if m.Unaligned = c.unaligned; c.unaligned {
				m.Operators[0].Subtasks[1].Caught = []string{"a.out to op.in by key"}
			}
			m.Operators = append(m.Operators, snapshots.Operator{Name: "stateless", Parallelism: 1})
			err := m.Fits(c.job, c.max, c.dropped)
			if (err == nil) != (c.want == nil) {
				t.Fatal(err)
			}
			var refusal *snapshots.Refusal
			if err != nil && !errors.As(err, &refusal) {
				t.Errorf("%v is no refusal", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %s", err, w)
				}
			}
		})
	}
}

// Heaps go into their equals only; each refusal has a way out.
func TestFitsHeap(t *testing.T) {
	const one, other = "1111111111111111", "2222222222222222"
	for _, c := range []struct {
		name    string
		had     bool
		job     []snapshots.Shape
		dropped []string
		want    []string // that the refusal says; none: it fits
	}{
		{"as it was", true, []snapshots.Shape{{Name: "op", Parallelism: 3, Module: one, Heap: true}}, nil, nil},
		{"another module", true, []snapshots.Shape{{Name: "op", Parallelism: 3, Module: other, Heap: true}}, nil,
			[]string{`operator "op" under module 111111111111`, "the job has module 222222222222", "(run that module, or give the operator another name and say --allow-dropped-state op"}},
		{"another parallelism", true, []snapshots.Shape{{Name: "op", Parallelism: 2, Module: one, Heap: true}}, nil,
			[]string{"at parallelism 3, not 2", "(set its parallelism: 3, or"}},
		{"kept no more", true, []snapshots.Shape{{Name: "op", Parallelism: 3, Module: one}}, nil,
			[]string{"the heap of operator \"op\", which the job does not keep", "(set state: {heap: true}, or"}},
		{"both at once", true, []snapshots.Shape{{Name: "op", Parallelism: 2, Module: other, Heap: true}}, nil, []string{"parallelism 3", "module 222"}},
		{"the operator is gone", true, nil, nil, []string{"--allow-dropped-state op"}},
		{"under another name", true, []snapshots.Shape{{Name: "new", Parallelism: 2, Module: other, Heap: true}}, []string{"op"}, nil},
		{"kept from now on", false, []snapshots.Shape{{Name: "op", Parallelism: 2, Module: other, Heap: true}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := snapshotAt(1, 3, nil)
			m.Operators[0].Module = one
			for i := range m.Operators[0].Subtasks {
				if s := &m.Operators[0].Subtasks[i]; c.had {
					s.Heap = s.Runs
				}
			}
			err := m.Fits(c.job, maxParallelism, c.dropped)
			if (err == nil) != (c.want == nil) {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not say %s", err, w)
				}
			}
		})
	}
}

// A heap belongs to one subtask, as long as there is one.
func TestAssignHeap(t *testing.T) {
	m := snapshotAt(1, 3, nil)
	for i := range m.Operators[0].Subtasks {
		s := &m.Operators[0].Subtasks[i]
		s.Heap = []snapshots.Run{{Checkpoint: uint64(10 + i)}}
	}
	m.Operators[0].Subtasks[1].Finished = true
	for i, share := range assignAll(t, m, 3) {
		if got := fmt.Sprint(len(share.Heap), share.Finished); got != []string{"1 false", "0 true", "1 false"}[i] {
			t.Errorf("subtask %d: %s", i, got)
		}
		if len(share.Heap) > 0 && share.Heap[0].Checkpoint != uint64(10+i) {
			t.Errorf("subtask %d has another's heap", i)
		}
	}
	for i, share := range assignAll(t, m, 2) {
		if len(share.Heap) > 0 {
			t.Errorf("subtask %d of 2 has a heap", i)
		}
	}
}

// A manifest that can't be true is corrupt: nothing is restored from it.
func TestAssignRefusesNonsense(t *testing.T) {
	for name, damage := range map[string]func(*snapshots.Operator){
		"a subtask is missing":  func(o *snapshots.Operator) { o.Subtasks = o.Subtasks[:2] },
		"no subtask":            func(o *snapshots.Operator) { o.Subtasks, o.Parallelism = nil, 0 },
		"in another order":      func(o *snapshots.Operator) { slices.Reverse(o.Subtasks) },
		"other groups":          func(o *snapshots.Operator) { o.Subtasks[0].Groups.End++ },
		"a group of another's":  func(o *snapshots.Operator) { o.Subtasks[2].Runs[0].Groups[0].Group = 0 },
		"too parallel":          func(o *snapshots.Operator) { o.Parallelism = maxParallelism + 1 },
		"splits that are no":    func(o *snapshots.Operator) { o.Subtasks[0].Splits = []byte(`{}`) },
		"a split without an id": func(o *snapshots.Operator) { o.Subtasks[0].Splits = []byte(`[3]`) },
	} {
		m := snapshotAt(1, 3, nil)
		damage(&m.Operators[0])
		if s, err := m.Assign("op", 3, 0); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	m := snapshotAt(1, 3, nil)
	for _, c := range [][2]int{{0, 0}, {3, 3}, {3, -1}, {maxParallelism + 1, 0}} {
		if _, err := m.Assign("op", c[0], c[1]); err == nil {
			t.Errorf("subtask %d of %d", c[1], c[0])
		}
	}
}
