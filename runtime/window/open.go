package window

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

// openPanes are the panes that hold records, in order: what the index table says, read
// once.
type openPanes struct {
	panes []*openPane
	first int // key group
	words int // of a bitmap of the groups
}

type openPane struct {
	number int64
	groups []uint64 // bitmap, from openPanes.first on
}

func (o *openPanes) has(p *openPane, group int) bool {
	g := group - o.first
	return p.groups[g>>6]&(1<<(g&63)) != 0
}

// find returns where a pane stands or belongs.
func (o *openPanes) find(number int64) (at int, ok bool) {
	return slices.BinarySearchFunc(o.panes, number, func(p *openPane, n int64) int {
		switch {
		case p.number < n:
			return -1
		case p.number > n:
			return 1
		}
		return 0
	})
}

// pane finds a pane or opens it, without groups.
func (o *openPanes) pane(number int64) *openPane {
	at, ok := o.find(number)
	if !ok {
		o.panes = slices.Insert(o.panes, at, &openPane{number: number, groups: make([]uint64, o.words)})
	}
	return o.panes[at]
}

// between is the open panes from first to last, both included.
func (o *openPanes) between(first, last int64) []*openPane {
	from, _ := o.find(first)
	to, ok := o.find(last)
	if ok {
		to++
	}
	return o.panes[from:max(from, to)]
}

// eachGroup calls do for the groups that have records in any of the panes, ascending.
func (o *openPanes) eachGroup(panes []*openPane, do func(group int) error) error {
	for w := range o.words {
		var word uint64
		for _, p := range panes {
			word |= p.groups[w]
		}
		for ; word != 0; word &= word - 1 {
			if err := do(o.first + w<<6 + bits.TrailingZeros64(word)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ordered is a number as eight bytes in its order.
func ordered(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)^1<<63)
}

func readOrdered(b []byte) (int64, error) {
	if len(b) < 8 {
		return 0, fault.Corruptf("%d bytes where a time or pane is expected", len(b))
	}
	return int64(binary.BigEndian.Uint64(b) ^ 1<<63), nil
}

// keyOfPane is the key of a pane in the tables; with an input for records.
func keyOfPane(b []byte, number int64) []byte { return ordered(b[:0], number) }
