package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Spread gives a subtask its entries of an operator's own tables, out of what the
// subtasks before it had, by index: those of a split table are dealt out one by one (at
// the same parallelism each subtask keeps its own), those of a union table go to all,
// those of a broadcast table, which are the same everywhere, are copied from one. A
// nil Source is a subtask that had come to its end.
//
// Entries of several subtasks under one key and subkey are all kept: the first as it
// is, the others under the subkey followed by a zero byte and a u32 number, big-endian.
// The result does not depend on anything else. All of it is held in memory.
func Spread(before []Source, tables []Table, subtask, parallelism int) (Source, error) {
	if subtask < 0 || subtask >= parallelism {
		return nil, fmt.Errorf("spread operator state: subtask %d of %d", subtask, parallelism)
	}
	scope := map[string]Scope{}
	for _, t := range tables {
		scope[t.Name] = t.Scope
	}
	var mine entryList
	dealt := map[string]int{} // by table
	teller := 0               // of broadcast tables
	for i := range before {
		if teller = (subtask + i) % len(before); before[teller] != nil {
			break
		}
	}
	for from, source := range before {
		for source != nil {
			e, err := source.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("spread operator state: %w", err)
			}
			keep := false
			switch scope[e.Table] {
			case ScopeSplit:
				keep = from == subtask
				if len(before) != parallelism {
					keep = dealt[e.Table]%parallelism == subtask
				}
				dealt[e.Table]++
			case ScopeUnion:
				keep = true
			case ScopeBroadcast:
				keep = from == teller
			default:
				return nil, fault.Corruptf("spread operator state: table %q is not one of the operator's own", e.Table)
			}
			if keep {
				e.Key, e.Subkey, e.Value = slices.Clone(e.Key), slices.Clone(e.Subkey), slices.Clone(e.Value)
				mine = append(mine, e)
			}
		}
	}
	return &mine, mine.number()
}

// entryList is a Source of what it holds.
type entryList []Entry

// Next implements Source.
func (l *entryList) Next() (Entry, error) {
	if len(*l) == 0 {
		return Entry{}, io.EOF
	}
	e := (*l)[0]
	*l = (*l)[1:]
	return e, nil
}

// number makes the subkeys of entries that collide different.
func (l *entryList) number() error {
	slices.SortStableFunc(*l, compareEntries)
	seen := map[string]bool{}
	name := func(e *Entry) string {
		return fmt.Sprintf("%s\x00%d\x00%s%s", e.Table, len(e.Key), e.Key, e.Subkey)
	}
	for i := range *l {
		seen[name(&(*l)[i])] = true
	}
	var first Entry // of those that collide, as it was
	number := uint32(0)
	for i := range *l {
		e := &(*l)[i]
		if i == 0 || compareEntries(*e, first) != 0 {
			first, number = *e, 0
			continue
		}
		for seen[name(e)] {
			number++
			e.Subkey = binary.BigEndian.AppendUint32(append(slices.Clone(first.Subkey), 0), number)
		}
		if len(e.Subkey) > MaxSubkey {
			return fault.Guestf("table %q: subkey of %d bytes is there more than once: no room to number it", e.Table, len(first.Subkey))
		}
		seen[name(e)] = true
	}
	return nil
}

func compareEntries(a, b Entry) int {
	return cmp.Or(strings.Compare(a.Table, b.Table), slices.Compare(a.Key, b.Key), slices.Compare(a.Subkey, b.Subkey))
}
