package window

import (
	"encoding/binary"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

// accumulate folds the records of entries into their accumulators, as many as one call
// takes, and returns the entry after them.
func (p *panes) accumulate(from int) (int, error) {
	g := &p.calls
	g.reset()
	p.places = p.places[:0]
	indexes := p.Output.indexes[:0]
	to, looked := from, from
	for ; to < len(p.gather.entries) && to < from+callEntries && len(g.buf) < callBytes; to++ {
		e := &p.gather.entries[to]
		if to >= looked {
			looked = p.look(from, to)
		}
		l := &p.local[e.pane]
		var acc []byte
		var ok bool
		var err error
		if p.rings {
			acc, ok, err = p.getRing(to-from, l)
		} else {
			acc, ok, err = p.get(to - from)
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
	return to, p.putAll(from, to, replies{answer, "accumulate"})
}

// putAll writes the accumulators that the guest has answered.
func (p *panes) putAll(from, to int, answers replies) error {
	for i := from; i < to; i++ {
		acc, err := answers.next()
		if err != nil {
			return err
		}
		e := &p.gather.entries[i]
		l := &p.local[e.pane]
		if p.rings {
			err = p.putRing(i-from, e, acc)
		} else {
			err = p.set(i-from, acc)
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

// lookAhead is how many entries are looked for at once: a backend's loads overlap if
// nothing comes between them.
const lookAhead = 32

// look brings near what the backend has of the entries from one on, which are used now,
// and returns the one behind them. Those that come after are looked for already: what
// is asked for needs some time to arrive.
func (p *panes) look(start, at int) (to int) {
	if len(p.places) <= at-start {
		p.seek(at)
	}
	if p.rings && p.memory != nil {
		p.nearSlots(start, at-start)
	}
	to = start + len(p.places)
	if to < start+callEntries {
		p.seek(to)
	}
	return to
}

// seek looks for the next entries from one on.
func (p *panes) seek(from int) {
	to, first := min(from+lookAhead, len(p.gather.entries)), len(p.places)
	for i := from; i < to; i++ {
		e := &p.gather.entries[i]
		p.places = append(p.places, state.Place{
			Group: int(e.group), Table: p.Table + tableData, Key: p.dataKey(&p.local[e.pane]), Subkey: e.key, SubkeyHash: e.hash, Size: ringHead,
		})
	}
	if p.memory != nil {
		p.found = slices.Grow(p.found[:first], to-from)[:len(p.places)]
		p.memory.Find(p.places[first:], p.found[first:])
		return
	}
	for i := first; i < len(p.places); i++ {
		t := &p.places[i]
		p.Backend.Touch(t.Group, t.Table, t.Key, t.Subkey)
	}
}

// nearSlots brings near the parts of rings where records go, of the entries of a call
// from one on.
func (p *panes) nearSlots(start, n int) {
	slots := p.slots[:0]
	for ; n < len(p.places); n++ {
		if b, _, ok, _ := p.memory.GetFound(&p.places[n], &p.found[n]); ok {
			slots = append(slots, ringNear(b, p.local[p.gather.entries[start+n].pane].number))
		}
	}
	p.memory.Near(slots)
	p.slots = slots
}

// get reads the data of an entry of the call, by its number there.
func (p *panes) get(n int) (value []byte, ok bool, err error) {
	at := &p.places[n]
	if p.memory != nil {
		value, _, ok, err = p.memory.GetFound(at, &p.found[n])
	} else {
		value, _, ok, err = p.Backend.Get(at.Group, at.Table, at.Key, at.Subkey)
	}
	return value, ok, err
}

// set writes it.
func (p *panes) set(n int, value []byte) error {
	at := &p.places[n]
	if p.memory != nil {
		return p.memory.PutFound(at, &p.found[n], value)
	}
	return p.Backend.Put(at.Group, at.Table, at.Key, at.Subkey, value)
}

// store keeps the records of entries.
func (p *panes) store() error {
	for i := range p.gather.entries {
		if i%lookAhead == 0 {
			p.places = p.places[:0]
			p.seek(i)
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
