package window

import (
	"encoding/binary"
	"slices"

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

	local   []localPane // those of the batch
	recent  [16]int32   // by number, into local
	fires   []int32     // entries to fire, in the order of their records
	firing  [64]uint64  // a set of their keys' hashes, by 12 bits
	merger  merger
	toucher interface{ TouchAll([]state.Place) } // the backend, if it can; else nil
	places  []state.Place                        // scratch of touch
	paneKey []byte                               // scratch
	value   []byte                               // scratch
	kept    []byte                               // the rings of a call
	keeps   []span                               // in kept, by entry
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
		core: c, assigner: newAssigner(&c.Window), stored: make([]int64, n),
		open: openPanes{first: c.First, words: (n + 63) / 64}, merger: merger{backend: c.Backend}, paneKey: make([]byte, 0, 16),
	}
	first, last := p.assigner.panes(0)
	p.rings = c.Aggregator != nil && first < last
	p.toucher, _ = c.Backend.(interface{ TouchAll([]state.Place) })
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
	l := localPane{number: number}
	l.start, l.end = p.assigner.paneBounds(number)
	l.first, l.last = p.assigner.windows(number)
	l.place = placeOf(l.first, l.last, p.due, p.dead)
	copy(l.key[:], keyOfPane(p.paneKey, number))
	l.key[8] = byte(input)
	p.local = append(p.local, l)
	*hint = int32(len(p.local) - 1)
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

// accumulate folds the records of entries into their accumulators, as many as one call
// takes, and returns the entry after them.
func (p *panes) accumulate(from int) (int, error) {
	g := &p.calls
	g.reset()
	p.kept, p.keeps = p.kept[:0], p.keeps[:0]
	indexes := p.Output.indexes[:0]
	to, touched, mixed := from, from, false
	for ; to < len(p.gather.entries) && to < from+callEntries && len(g.buf) < callBytes; to++ {
		e := &p.gather.entries[to]
		mixed = mixed || e.pane != p.gather.entries[from].pane
		if to >= touched {
			touched = p.touch(to)
		}
		l := &p.local[e.pane]
		acc, _, ok, err := p.Backend.Get(int(e.group), p.Table+tableData, p.dataKey(l), e.key)
		if err == nil && p.rings {
			p.keeps = append(p.keeps, span{len(p.kept), len(acc)})
			p.kept = append(p.kept, acc...)
			acc, ok, err = ringFind(acc, l.number)
		}
		if err != nil {
			return 0, err
		}
		g.begin(e.key, acc, ok, uint8(p.gather.input), OnTime, l.start, l.end)
		g.buf, indexes = p.gather.body(g.buf, indexes, e.head)
		g.end()
	}
	p.Output.indexes = indexes
	answer, err := p.Aggregator.Accumulate(g.buf)
	p.Output.indexes = indexes[:0]
	if err != nil {
		return 0, err
	}
	return to, p.putAll(from, to, mixed, replies{answer, "accumulate"})
}

// putAll writes the accumulators that the guest has answered. Mixed, they are of several
// panes, and one may have changed the ring of another.
func (p *panes) putAll(from, to int, mixed bool, answers replies) error {
	for i := from; i < to; i++ {
		acc, err := answers.next()
		if err != nil {
			return err
		}
		e := &p.gather.entries[i]
		l := &p.local[e.pane]
		if p.rings {
			k := p.keeps[i-from]
			ring := p.kept[k.offset : k.offset+k.size]
			if mixed {
				ring, _, _, err = p.Backend.Get(int(e.group), p.Table+tableData, nil, e.key)
			}
			if err == nil {
				err = p.putRing(e, ring, acc)
			}
		} else {
			err = p.Backend.Put(int(e.group), p.Table+tableData, l.key[:8], e.key, acc)
		}
		if err == nil {
			err = p.openFor(l, int(e.group))
		}
		if err != nil {
			return err
		}
	}
	return answers.end()
}

// touchAhead is how many entries are brought near at once: a backend's loads overlap if
// nothing comes between them.
const touchAhead = 32

// touch brings near what the backend has of the next entries, and returns the one after
// them.
func (p *panes) touch(from int) int {
	to := min(from+touchAhead, len(p.gather.entries))
	p.places = p.places[:0]
	for i := from; i < to; i++ {
		e := &p.gather.entries[i]
		p.places = append(p.places, state.Place{Group: int(e.group), Table: p.Table + tableData, Key: p.dataKey(&p.local[e.pane]), Subkey: e.key})
	}
	if p.toucher != nil {
		p.toucher.TouchAll(p.places)
		return to
	}
	for i := range p.places {
		t := &p.places[i]
		p.Backend.Touch(t.Group, t.Table, t.Key, t.Subkey)
	}
	return to
}

// store keeps the records of entries.
func (p *panes) store() error {
	touched := 0
	for i := range p.gather.entries {
		if i >= touched {
			touched = p.touch(i)
		}
		e := &p.gather.entries[i]
		l := &p.local[e.pane]
		r := &p.gather.records[e.head]
		body := p.gather.batch[r.offset : r.offset+r.size]
		if r.next >= 0 {
			p.value, _ = p.gather.body(p.value[:0], nil, e.head)
			body = p.value
		}
		if err := p.Backend.Append(int(e.group), p.Table+tableData, l.key[:9], e.key, body); err != nil {
			return err
		}
		if err := p.openFor(l, int(e.group)); err != nil {
			return err
		}
	}
	return nil
}

// openFor enters a pane into the index, the first time a group has records in it.
func (p *panes) openFor(l *localPane, group int) error {
	if l.open == nil {
		l.open = p.open.pane(l.number)
	}
	if p.open.has(l.open, group) {
		return nil
	}
	g := group - p.First
	l.open.groups[g>>6] |= 1 << (g & 63)
	return p.Backend.Put(group, p.Table+tableIndex, nil, l.key[:8], nil)
}

// mark is how many records of a key in a pane came since the last early result.
func (p *panes) mark(group int, pane, key []byte) (int64, error) {
	b, _, ok, err := p.Backend.Get(group, p.Table+tableMarks, pane, key)
	if err != nil || !ok {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fault.Corruptf("mark of %d bytes", len(b))
	}
	return int64(binary.LittleEndian.Uint64(b)), nil
}

// markAll notes that the entries have records that no early result has.
func (p *panes) markAll() error {
	p.marked = true
	for i := range p.gather.entries {
		e := &p.gather.entries[i]
		key := p.local[e.pane].key[:8]
		if e.marked && p.count > 0 { // it is about to be fired
			if err := p.Backend.Delete(int(e.group), p.Table+tableMarks, key, e.key); err != nil {
				return err
			}
			continue
		}
		p.value = binary.LittleEndian.AppendUint64(p.value[:0], uint64(e.count))
		if err := p.Backend.Put(int(e.group), p.Table+tableMarks, key, e.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

// barrier writes the watermark of the groups that hold records: who has them after a
// rescale must not give results again that we gave.
func (p *panes) barrier() error {
	return p.open.eachGroup(p.open.panes, func(group int) error {
		w := p.watermark
		if p.floors != nil {
			w = max(w, p.floors[group-p.First])
		}
		if p.stored[group-p.First] == w {
			return nil
		}
		p.stored[group-p.First] = w
		p.value = binary.LittleEndian.AppendUint64(p.value[:0], uint64(w))
		return p.Backend.Put(group, p.Table+tableIndex, watermarkKey, nil, p.value)
	})
}

// expire forgets the panes whose last window is limit or before.
func (p *panes) expire(limit int64) error {
	n := 0
	for ; n < len(p.open.panes); n++ {
		if _, last := p.assigner.windows(p.open.panes[n].number); last > limit {
			break
		}
		if err := p.forget(p.open.panes[n], limit); err != nil {
			return err
		}
	}
	p.open.panes = slices.Delete(p.open.panes, 0, n)
	return nil
}

func (p *panes) forget(pane *openPane, limit int64) error {
	key := append(keyOfPane(p.paneKey, pane.number), 0)
	p.paneKey = key
	return p.open.eachGroup([]*openPane{pane}, func(group int) error {
		if err := p.deleteData(group, key, limit); err != nil {
			return err
		}
		if p.every > 0 || p.count > 0 {
			if err := p.Backend.DeleteRange(group, p.Table+tableMarks, key[:8], nil, nil); err != nil {
				return err
			}
		}
		return p.Backend.Delete(group, p.Table+tableIndex, nil, key[:8])
	})
}

// deleteData empties a pane whose windows are at limit or before; key has room for the
// input.
func (p *panes) deleteData(group int, key []byte, limit int64) error {
	switch {
	case p.rings && p.lateness == 0 && p.floors == nil:
		return nil // done when its last window gave its result
	case p.rings:
		return p.sweepRings(group, limit)
	case p.Aggregator != nil:
		return p.Backend.DeleteRange(group, p.Table+tableData, key[:8], nil, nil)
	}
	for input := range p.Inputs {
		key[8] = byte(input)
		if err := p.Backend.DeleteRange(group, p.Table+tableData, key[:9], nil, nil); err != nil {
			return err
		}
	}
	return nil
}
