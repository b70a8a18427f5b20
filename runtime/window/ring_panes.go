package window

// ringChange sets the accumulator of a pane within the bytes of a ring, if it can be set
// there: in its slot, or behind the others. If there is no room, those whose windows
// are all dead make some.
func (p *panes) ringChange(b []byte, pane int64, acc []byte, dead int64) (done bool, err error) {
	r, err := readRing(b)
	if err != nil || r.step == 0 || r.step != slotHead+len(acc) || pane < r.first {
		return false, err
	}
	n, at := r.slots(), uint64(pane)-uint64(r.first)
	if at < uint64(n) {
		slotAppend(r.panes[:int(at)*r.step], acc)
		return true, nil
	}
	most := (len(b) - ringHead) / r.step
	if at >= uint64(most) {
		old := 0
		for old < n && p.isDead(r.first+int64(old), dead) {
			old++
		}
		if at -= uint64(old); at >= uint64(most) || p.ringRoom(ringHead+int(at+1)*r.step, len(b), r.step) != len(b) {
			return false, nil
		}
		copy(r.panes, r.panes[old*r.step:])
		n, r.first = n-old, r.first+int64(old)
	}
	slotAppend(gapAppend(b[:ringHead+n*r.step], int(at)-n, r.step), acc)
	r.panes = b[ringHead : ringHead+int(at+1)*r.step]
	r.writeHead(b)
	return true, nil
}

// ringPut writes to out the panes of a ring, with the accumulator of one of them set;
// those whose windows are all dead are left out.
func (p *panes) ringPut(out, b []byte, pane int64, acc []byte, dead int64) ([]byte, error) {
	r, err := readRing(b)
	if err != nil {
		return nil, err
	}
	list, count, alike := p.listed[:0], 0, true
	first, newest := pane, pane
	keep := func(number int64, acc []byte) {
		list, count = listAppend(list, number, acc), count+1
		first, newest = min(first, number), max(newest, number)
	}
	written := false
	err = r.each(func(number int64, old []byte) {
		if !written && number >= pane {
			keep(pane, acc)
			written = true
		}
		if number != pane && !p.isDead(number, dead) {
			keep(number, old)
			alike = alike && len(old) == len(acc)
		}
	})
	if err != nil {
		return nil, err
	}
	if !written {
		keep(pane, acc)
	}
	p.listed = list
	out = append(out[:0], make([]byte, ringHead)...)
	step := listHead + len(acc)
	to := ring{}
	if span := uint64(newest) - uint64(first); alike && span <= uint64(2*count) {
		step = slotHead + len(acc)
		to.step, to.first = step, first
		for next := first; len(list) > 0; next++ {
			number, acc, rest, err := listNext(list)
			if err != nil {
				return nil, err
			}
			out = slotAppend(gapAppend(out, int(number-next), step), acc)
			list, next = rest, number
		}
	} else {
		out = append(out, list...)
	}
	to.panes = out[ringHead:]
	to.writeHead(out)
	return append(out, make([]byte, p.ringRoom(len(out), len(b), step)-len(out))...), nil
}

// ringRoom is how many bytes a ring gets that needs some and had others. Most rings
// never hold more than the panes of a window and one; a half of that is room for those
// that come while others go.
func (p *panes) ringRoom(need, had, step int) int {
	first, last := p.assigner.panes(0)
	live := int(min(last-first+2, 1<<20))
	most := ringHead + (live+live/2)*step
	if need > had || 4*need < had || need+need/8 > had && had < most {
		return max(need, min(2*need, most))
	}
	return had
}

// isDead tells whether no window needs a pane any more.
func (p *panes) isDead(pane, dead int64) bool {
	_, last := p.assigner.windows(pane)
	return last <= dead
}

// getRing reads the accumulator of an entry of the call.
func (p *panes) getRing(n int, l *localPane) (acc []byte, ok bool, err error) {
	b, _, err := p.get(n)
	if err != nil {
		return nil, false, err
	}
	r, err := readRing(b)
	if err != nil {
		return nil, false, err
	}
	return r.find(l.number)
}

// putRing writes it.
func (p *panes) putRing(n int, e *entry, acc []byte) error {
	number := p.local[e.pane].number
	var b []byte
	var err error
	if p.memory != nil {
		b, _, err = p.memory.EditFound(&p.places[n], &p.found[n])
	} else if b, _, err = p.get(n); err == nil {
		p.kept = append(p.kept[:0], b...)
		b = p.kept
	}
	if err != nil {
		return err
	}
	_, dead := p.seen(int(e.group))
	switch done, err := p.ringChange(b, number, acc, dead); {
	case err != nil:
		return err
	case done && p.memory != nil: // it is where it was
		return nil
	case done:
		return p.set(n, b)
	}
	if p.value, err = p.ringPut(p.value, b, number, acc, dead); err != nil {
		return err
	}
	return p.set(n, p.value)
}

// fireRings gives the result of a window for the keys of a group, and forgets those
// that no window behind limit needs.
func (p *panes) fireRings(k int64, group int, limit int64) error {
	first, last := p.assigner.panes(k)
	return p.eachRing(group, func(key []byte, r ring) error {
		if err := p.closer.key(key); err != nil {
			return err
		}
		if err := r.give(&p.closer, first, last); err != nil {
			return err
		}
		p.closer.dropEmpty()
		return p.forgetRing(key, r, limit)
	})
}

// fireRing gives the panes of a key in a window, whose key the closer has.
func (p *panes) fireRing(k int64, group int, key []byte) error {
	first, last := p.assigner.panes(k)
	b, _, _, err := p.Backend.Get(group, p.Table+tableData, nil, key)
	if err != nil {
		return err
	}
	r, err := readRing(b)
	if err != nil {
		return err
	}
	return r.give(&p.closer, first, last)
}

// sweepRings forgets the keys that no window behind limit needs.
func (p *panes) sweepRings(group int, limit int64) error {
	return p.eachRing(group, func(key []byte, r ring) error { return p.forgetRing(key, r, limit) })
}

// forgetRing notes that a key of eachRing goes.
func (p *panes) forgetRing(key []byte, r ring, limit int64) error {
	newest, err := r.newest()
	if err != nil {
		return err
	}
	if p.isDead(newest, limit) {
		p.goneAt = append(p.goneAt, span{len(p.gone), len(key)})
		p.gone = append(p.gone, key...)
	}
	return nil
}

// goneMost is about how many bytes of keys are removed at once.
const goneMost = 64 << 10

// eachRing visits the keys of a group and their panes, in order. Neither the guest nor
// the backend can be called by a visitor: what is full or gone is dealt with in between.
func (p *panes) eachRing(group int, visit func(key []byte, r ring) error) error {
	p.from = p.from[:0]
	for more := true; more; {
		more = false
		p.gone, p.goneAt = p.gone[:0], p.goneAt[:0]
		var bad error
		if err := p.Backend.Scan(group, p.Table+tableData, nil, p.from, nil, func(key, b []byte, _ uint32) bool {
			if more = p.closer.full() || len(p.gone) > goneMost; more {
				p.from = append(p.from[:0], key...)
				return false
			}
			var r ring
			if r, bad = readRing(b); bad == nil {
				bad = visit(key, r)
			}
			return bad == nil
		}); err != nil || bad != nil {
			return max2(err, bad)
		}
		for _, s := range p.goneAt {
			if err := p.Backend.Delete(group, p.Table+tableData, nil, p.gone[s.offset:s.offset+s.size]); err != nil {
				return err
			}
		}
		if p.closer.full() {
			if err := p.closer.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
