package window

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// panes are windows that do not depend on records: tumbling, sliding and global. Each
// record is kept once, in its pane; a window puts its panes together when it gives a
// result, so that what a record costs does not grow with the number of its windows.
type panes struct {
	*core
	assigner assigner
	rings    bool // accumulators lie as in ring.go
	open     openPanes
	due      int64   // the last window that has given its result
	dead     int64   // the last window that is forgotten
	floors   []int64 // by group: the watermark of the subtask that had it, if above ours; nil: of none
	stored   []int64 // by group: the watermark in the index table

	local   []localPane     // those of the batch
	recent  [16]int32       // by number, into local
	numbers map[int64]int32 // of panes, into local
	fires   []int32         // entries to fire, in the order of their records
	firing  [64]uint64      // a set of their keys' hashes, by 12 bits
	merger  merger
	memory  *state.Memory // the backend, if it is one: a shorter way to it
	places  []state.Place // of the entries of a call
	found   []state.Found // at these places, in memory
	slots   [][]byte      // of rings, to be near
	paneKey []byte        // scratch
	value   []byte        // scratch
	kept    []byte        // scratch: a ring
	listed  []byte        // scratch: a ring's panes
	from    []byte        // where eachRing goes on
	gone    []byte        // keys that it removes
	goneAt  []span        // in gone
}

// localPane is a pane of the batch being processed.
type localPane struct {
	number      int64
	start, end  int64
	first, last int64 // windows
	place       placement
	key         [9]byte // of the pane, then the input
	open        *openPane
}

// placement is what becomes of the records of a pane.
type placement uint8

const (
	inTime   placement = iota
	behindIt           // they change windows that have given their results
	tooLate            // all their windows are forgotten
	nowhere            // they lie between windows
)

func newPanes(c *core) (*panes, error) {
	n := c.End - c.First
	p := &panes{
		core: c, numbers: map[int64]int32{}, assigner: newAssigner(&c.Window), stored: make([]int64, n),
		open: openPanes{first: c.First, words: (n + 63) / 64}, merger: merger{backend: c.Backend}, paneKey: make([]byte, 0, 16),
	}
	first, last := p.assigner.panes(0)
	p.rings = c.Aggregator != nil && first < last
	p.memory, _ = c.Backend.(*state.Memory)
	p.due, p.dead = p.assigner.due(c.watermark), p.assigner.due(behind(c.watermark, c.lateness))
	for i := range n {
		p.stored[i] = Beginning
		if err := p.restore(c.First + i); err != nil {
			return nil, err
		}
	}
	return p, nil
}

var watermarkKey = []byte("w")

// restore reads what the index says of a group.
func (p *panes) restore(group int) error {
	var bad error
	err := p.Backend.Scan(group, p.Table+tableIndex, nil, nil, nil, func(subkey, _ []byte, _ uint32) bool {
		var number int64
		if number, bad = readOrdered(subkey); bad != nil {
			return false
		}
		g := group - p.First
		p.open.pane(number).groups[g>>6] |= 1 << (g & 63)
		return true
	})
	if err != nil || bad != nil {
		return max2(err, bad)
	}
	b, _, ok, err := p.Backend.Get(group, p.Table+tableIndex, watermarkKey, nil)
	if err != nil || !ok {
		return err
	}
	if len(b) != 8 {
		return fault.Corruptf("watermark of %d bytes", len(b))
	}
	stored := int64(binary.LittleEndian.Uint64(b))
	p.stored[group-p.First] = stored
	if stored > p.watermark {
		if p.floors == nil {
			p.floors = make([]int64, p.End-p.First)
			for i := range p.floors {
				p.floors[i] = Beginning
			}
		}
		p.floors[group-p.First] = stored
	}
	return nil
}

func max2(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// seen is the last window that has given its result for a group, and the last that it
// has forgotten: those of the operator, or of the subtask that had the group before.
func (p *panes) seen(group int) (due, dead int64) {
	if p.floors == nil {
		return p.due, p.dead
	}
	w := p.floors[group-p.First]
	return max(p.due, p.assigner.due(w)), max(p.dead, p.assigner.due(behind(w, p.lateness)))
}

func (p *panes) process(input int, batch []byte) error {
	p.local, p.recent = p.local[:0], [16]int32{}
	clear(p.numbers)
	at := int32(-1)
	start, end, place := Infinity, Beginning, inTime // no pane yet
	for c, i := &p.cursor, 0; c.Next(); i++ {
		t := c.Timestamp
		if t < start || t >= end {
			if !p.assigner.global && (t == record.NoTimestamp || t == Infinity) {
				if err := p.refuse(i, "the record has no timestamp and can't be in a window"); err != nil {
					return err
				}
				continue
			}
			at = p.enter(t, input)
			l := &p.local[at]
			start, end, place = l.start, l.end, l.place
			if !p.assigner.global {
				start = max(start, record.NoTimestamp+1)
			}
		}
		switch {
		case len(c.Key) > maxKey:
			if err := p.refuse(i, "a key of %d bytes can't be in a window, at most %d", len(c.Key), maxKey); err != nil {
				return err
			}
			continue
		case place == nowhere:
			continue
		case place == tooLate:
			p.dropLate()
			continue
		}
		if err := p.put(i, at, place); err != nil {
			return err
		}
	}
	return p.flush()
}

// enter finds the pane of a timestamp among those of the batch, or adds it.
func (p *panes) enter(t int64, input int) int32 {
	number := p.assigner.pane(t)
	hint := &p.recent[number&15]
	if int(*hint) < len(p.local) && p.local[*hint].number == number {
		return *hint
	}
	if at, ok := p.numbers[number]; ok {
		*hint = at
		return at
	}
	l := localPane{number: number}
	l.start, l.end = p.assigner.paneBounds(number)
	l.first, l.last = p.assigner.windows(number)
	l.place = placeOf(l.first, l.last, p.due, p.dead)
	copy(l.key[:], keyOfPane(p.paneKey, number))
	l.key[8] = byte(input)
	p.local = append(p.local, l)
	*hint = int32(len(p.local) - 1)
	p.numbers[number] = *hint
	return *hint
}

func placeOf(first, last, due, dead int64) placement {
	switch {
	case first > last:
		return nowhere
	case last <= dead:
		return tooLate
	case first <= due:
		return behindIt
	}
	return inTime
}

// dataKey is the key of a pane's data: accumulators are of all inputs, records of one.
func (p *panes) dataKey(l *localPane) []byte {
	switch {
	case p.rings:
		return nil
	case p.Applier != nil:
		return l.key[:9]
	}
	return l.key[:8]
}

// put adds the record at the cursor to the entry of its key and pane.
func (p *panes) put(index int, pane int32, place placement) error {
	c := &p.cursor
	hash := keygroup.Hash(c.Key)
	e, slot := p.gather.find(hash, pane, c.Key)
	if len(p.fires) > 0 && p.firing[hash&63]&(1<<(hash>>6&63)) != 0 { // its key is to be fired first
		if err := p.flush(); err != nil {
			return err
		}
		e, slot = p.gather.find(hash, pane, c.Key)
	}
	if e < 0 {
		group, err := p.groupOf(hash)
		if err != nil {
			return err
		}
		fresh := entry{hash: hash, key: c.Key, pane: pane, group: int32(group), head: -1}
		l := &p.local[pane]
		if p.floors != nil {
			due, dead := p.seen(group)
			if place = placeOf(l.first, l.last, due, dead); place == tooLate {
				p.dropLate()
				return nil
			}
		}
		if p.count > 0 {
			if fresh.count, err = p.mark(group, l.key[:8], c.Key); err != nil {
				return err
			}
		}
		e = p.gather.insert(slot, fresh)
	} else if p.floors != nil {
		due, dead := p.seen(int(p.gather.entries[e].group))
		place = placeOf(p.local[pane].first, p.local[pane].last, due, dead)
	}
	r := p.gather.record(c.Offset()-len(c.Bytes()), len(c.Bytes()), index)
	entry := &p.gather.entries[e]
	p.gather.link(entry, r)
	entry.count++
	if place == behindIt || p.count > 0 && entry.count >= p.count {
		entry.marked = true
		p.fires = append(p.fires, int32(e))
		p.firing[hash&63] |= 1 << (hash >> 6 & 63)
	}
	return nil
}

// flush brings the entries to the guest and the backend, and gives out what they fire.
func (p *panes) flush() error {
	var err error
	if p.Aggregator != nil {
		for from := 0; from < len(p.gather.entries) && err == nil; {
			from, err = p.accumulate(from)
		}
	} else {
		err = p.store()
	}
	if err == nil && (p.every > 0 || p.count > 0) {
		err = p.markAll()
	}
	for _, e := range p.fires {
		if err != nil {
			return err
		}
		err = p.fireEntry(&p.gather.entries[e])
	}
	if err == nil && len(p.fires) > 0 {
		err = p.closer.flush()
		p.fires, p.firing = p.fires[:0], [64]uint64{}
	}
	p.gather.reset()
	return err
}
