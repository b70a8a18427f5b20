package state

import (
	"bytes"
	"cmp"
	"io"
	"slices"
)

// Merged folds runs into one: of each entry the newest is left, and nothing of those
// that are gone. It is a Source.
type Merged struct {
	first, end int
	heads      []*mergeHead // a heap: the least entry, of these the newest, is on top
	key, sub   []byte       // of the last entry
	last       *mergeHead   // where it came from, to be moved on
}

// mergeHead is a run and its next entry.
type mergeHead struct {
	run   *RunReader
	age   int // place in the list of runs: greater is newer
	ranks []int
	rank  int // of the entry's table
	hash  uint64
	entry Entry
}

// Merge folds runs, given oldest first: bases and the deltas on them, of as many subtasks
// as there were. Only the entries of key groups in [first, end) come out.
func Merge(runs []*RunReader, first, end int) (*Merged, error) {
	m := &Merged{first: first, end: end}
	var names []string
	for _, r := range runs {
		for _, t := range r.Tables {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	for age, r := range runs {
		h := &mergeHead{run: r, age: age}
		for _, t := range r.Tables {
			rank, _ := slices.BinarySearch(names, t.Name)
			h.ranks = append(h.ranks, rank)
		}
		switch err := m.advance(h); err {
		case nil:
			m.heads = append(m.heads, h)
		case io.EOF:
		default:
			return nil, err
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// advance moves a run on to its next entry within the groups.
func (m *Merged) advance(h *mergeHead) (err error) {
	for {
		if h.entry, err = h.run.Next(); err != nil {
			return err
		}
		if h.entry.Group >= m.first && h.entry.Group < m.end {
			h.hash, h.rank = h.run.hash, h.ranks[h.run.head.table]
			return nil
		}
	}
}

// Next implements Source.
func (m *Merged) Next() (Entry, error) {
	for {
		if m.last != nil {
			if err := m.pass(); err != nil {
				return Entry{}, err
			}
		}
		if len(m.heads) == 0 {
			return Entry{}, io.EOF
		}
		m.last = m.heads[0]
		if e := m.last.entry; !e.Deleted {
			return e, nil
		}
	}
}

// pass moves on all runs whose next entry is the one that came last.
func (m *Merged) pass() error {
	last := *m.last
	m.last = nil
	if len(m.heads) > 1 {
		// The run's own memory is used again when it moves on.
		m.key = append(m.key[:0], last.entry.Key...)
		m.sub = append(m.sub[:0], last.entry.Subkey...)
		last.entry.Key, last.entry.Subkey = m.key, m.sub
	}
	for {
		top := m.heads[0]
		switch err := m.advance(top); err {
		case nil:
		case io.EOF:
			end := len(m.heads) - 1
			m.heads[0] = m.heads[end]
			m.heads = m.heads[:end]
		default:
			return err
		}
		m.sink(0)
		if len(m.heads) == 0 || compareHeads(m.heads[0], &last) != 0 {
			return nil
		}
	}
}

// sink lets a head go down to its place in the heap.
func (m *Merged) sink(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heads); c++ {
			if m.less(m.heads[c], m.heads[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heads[i], m.heads[least] = m.heads[least], m.heads[i]
		i = least
	}
}

func (m *Merged) less(a, b *mergeHead) bool {
	if c := compareHeads(a, b); c != 0 {
		return c < 0
	}
	return a.age > b.age
}

func compareHeads(a, b *mergeHead) int {
	if a.entry.Group != b.entry.Group {
		return cmp.Compare(a.entry.Group, b.entry.Group)
	}
	if a.rank != b.rank {
		return cmp.Compare(a.rank, b.rank)
	}
	if a.hash != b.hash {
		return cmp.Compare(a.hash, b.hash)
	}
	if c := compareKeys(a.entry.Key, b.entry.Key); c != 0 {
		return c
	}
	return bytes.Compare(a.entry.Subkey, b.entry.Subkey)
}

// compareKeys orders keys whose hashes are the same: the shorter first.
func compareKeys(a, b []byte) int {
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return bytes.Compare(a, b)
}
