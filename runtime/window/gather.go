package window

import "bytes"

// gather sorts the records of a batch by key and pane, so that each meets the state and
// the guest once. Records stay where they are in the batch; those of an entry are
// linked in the order they came.
type gather struct {
	batch   []byte
	input   int
	entries []entry
	records []place
	slots   []slot // open addressing; a slot of another generation is empty
	now     uint32
}

// entry is a key in a pane, or a key.
type entry struct {
	hash       uint64 // of the key
	key        []byte // in the batch
	pane       int32
	group      int32
	head, tail int32 // records, or sessions; -1: none
	count      int64 // records since the last firing, with a count trigger
	marked     bool  // to be fired; its key takes no more records before
}

// place is where a record stands in the batch.
type place struct {
	offset, size int32
	index        int32 // in the batch
	next         int32 // of the same entry; -1: none
}

type slot struct{ generation, entry uint32 }

const slotsStart = 1 << 10

func (g *gather) reset() {
	g.entries, g.records = g.entries[:0], g.records[:0]
	if g.now++; g.now == 0 || g.slots == nil {
		g.slots, g.now = make([]slot, max(slotsStart, len(g.slots))), 1
	}
}

func (g *gather) slotOf(hash uint64, pane int32) int {
	return int((hash ^ uint64(uint32(pane))*0x9e3779b97f4a7c15) >> 20 & uint64(len(g.slots)-1))
}

// find returns the index of an entry, or -1 and the slot where it belongs.
func (g *gather) find(hash uint64, pane int32, key []byte) (index, slot int) {
	for i := g.slotOf(hash, pane); ; i = (i + 1) & (len(g.slots) - 1) {
		s := g.slots[i]
		if s.generation != g.now {
			return -1, i
		}
		if e := &g.entries[s.entry]; e.hash == hash && e.pane == pane && bytes.Equal(e.key, key) {
			return int(s.entry), i
		}
	}
}

// insert adds an entry at the slot that find gave.
func (g *gather) insert(slotAt int, e entry) int {
	index := len(g.entries)
	g.entries = append(g.entries, e)
	g.slots[slotAt] = slot{g.now, uint32(index)}
	if 2*len(g.entries) > len(g.slots) {
		g.grow()
	}
	return index
}

func (g *gather) grow() {
	g.slots = make([]slot, 2*len(g.slots))
	for index := range g.entries {
		e := &g.entries[index]
		i := g.slotOf(e.hash, e.pane)
		for g.slots[i].generation == g.now {
			i = (i + 1) & (len(g.slots) - 1)
		}
		g.slots[i] = slot{g.now, uint32(index)}
	}
}

// record notes a record of the batch and returns its number here.
func (g *gather) record(offset, size, index int) int32 {
	g.records = append(g.records, place{int32(offset), int32(size), int32(index), -1})
	return int32(len(g.records) - 1)
}

// link adds a record to an entry.
func (g *gather) link(e *entry, r int32) {
	if e.head < 0 {
		e.head = r
	} else {
		g.records[e.tail].next = r
	}
	e.tail = r
}

// body appends the records from head on to b, and their indexes in the batch.
func (g *gather) body(b []byte, indexes []int32, head int32) ([]byte, []int32) {
	for r := head; r >= 0; {
		p := &g.records[r]
		b = append(b, g.batch[p.offset:p.offset+p.size]...)
		indexes = append(indexes, p.index)
		r = p.next
	}
	return b, indexes
}
