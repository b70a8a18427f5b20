package window

import (
	"bytes"
	"slices"
)

// advance gives out the windows that the watermark completes, in order, and forgets
// what no window needs any more.
func (p *panes) advance(watermark int64) error {
	due, dead := p.assigner.due(watermark), p.assigner.due(behind(watermark, p.lateness))
	for k, ok := p.nextWindow(p.due); ok && k <= due; k, ok = p.nextWindow(k) {
		if err := p.fireWindow(k, min(k, dead)); err != nil {
			return err
		}
		if err := p.expire(min(k, dead)); err != nil {
			return err
		}
	}
	p.due, p.dead = due, dead
	if p.floors != nil && watermark >= slices.Max(p.floors) {
		p.floors = nil
	}
	if err := p.closer.flush(); err != nil {
		return err
	}
	return p.expire(dead)
}

// nextWindow is the first window behind k that has records.
func (p *panes) nextWindow(k int64) (int64, bool) {
	for _, pane := range p.open.panes {
		if first, last := p.assigner.windows(pane.number); last > k {
			return max(add(k, 1), first), true
		}
	}
	return 0, false
}

// fireWindow gives the result of a complete window: all its keys, by group and bytes.
// Windows up to limit need nothing any more.
func (p *panes) fireWindow(k, limit int64) error {
	open := p.open.between(p.assigner.panes(k))
	start, end := p.assigner.bounds(k)
	if err := p.closer.window(start, end, OnTime); err != nil {
		return err
	}
	return p.open.eachGroup(open, func(group int) error {
		if due, _ := p.seen(group); k <= due {
			return nil // whoever had the group before has given it out
		}
		if p.rings {
			return p.fireRings(k, group, limit)
		}
		return p.fireGroup(open, group)
	})
}

// fireGroup reads the panes of a window side by side.
func (p *panes) fireGroup(open []*openPane, group int) error {
	m := &p.merger
	m.reset()
	for i, pane := range open {
		if !p.open.has(pane, group) {
			continue
		}
		if err := p.eachData(pane.number, func(key []byte, input int) error {
			return m.add(group, p.Table+tableData, key, input*len(open)+i)
		}); err != nil {
			return err
		}
	}
	var last []byte
	for first := true; len(m.heap) > 0; {
		s := m.heap[0]
		if first || !bytes.Equal(last, s.subkey()) {
			last = append(p.value[:0], s.subkey()...)
			p.value, first = last, false
			if err := p.closer.key(last); err != nil {
				return err
			}
		}
		p.closer.value(s.source/len(open), s.value())
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

// eachData calls do with the keys of a pane's data: one, or one for each input.
func (p *panes) eachData(number int64, do func(key []byte, input int) error) error {
	p.paneKey = keyOfPane(p.paneKey, number)
	if p.Aggregator != nil {
		return do(p.paneKey, 0)
	}
	p.paneKey = append(p.paneKey, 0)
	for input := range p.Inputs {
		p.paneKey[8] = byte(input)
		if err := do(p.paneKey, input); err != nil {
			return err
		}
	}
	return nil
}

// fireEntry gives the results that a record changed behind their time, or that are due
// because of its count.
func (p *panes) fireEntry(e *entry) error {
	l, group := &p.local[e.pane], int(e.group)
	due, dead := p.seen(group)
	for k := max(l.first, add(dead, 1)); k <= min(l.last, due); k++ {
		if err := p.fireKey(k, group, e.key, Late); err != nil {
			return err
		}
	}
	if p.count == 0 || e.count < p.count {
		return nil
	}
	if l.last > due { // windows that count have one pane, and are one window
		if err := p.fireKey(l.last, group, e.key, Early); err != nil {
			return err
		}
	}
	if !p.Window.Trigger.Purge {
		return nil
	}
	return p.eachData(l.number, func(key []byte, _ int) error {
		return p.Backend.Delete(group, p.Table+tableData, key, e.key)
	})
}

// fireKey gives the result of one key in one window.
func (p *panes) fireKey(k int64, group int, key []byte, firing Firing) error {
	start, end := p.assigner.bounds(k)
	if err := p.closer.window(start, end, firing); err != nil {
		return err
	}
	if err := p.closer.key(key); err != nil {
		return err
	}
	if p.rings {
		return p.fireRing(k, group, key)
	}
	open := p.open.between(p.assigner.panes(k))
	inputs := 1
	if p.Applier != nil {
		inputs = p.Inputs
	}
	for input := range inputs {
		for _, pane := range open {
			if !p.open.has(pane, group) {
				continue
			}
			at := keyOfPane(p.paneKey, pane.number)
			if p.Applier != nil {
				at = append(at, byte(input))
			}
			p.paneKey = at
			v, _, ok, err := p.Backend.Get(group, p.Table+tableData, at, key)
			if err != nil {
				return err
			}
			if ok {
				p.closer.value(input, v)
			}
		}
	}
	return nil
}

// early gives the results, so far, of keys that have records since the last time.
func (p *panes) early() error {
	for k, ok := p.nextWindow(p.due); ok; k, ok = p.nextWindow(k) {
		open := p.open.between(p.assigner.panes(k))
		if err := p.open.eachGroup(open, func(group int) error {
			if due, _ := p.seen(group); k <= due {
				return nil
			}
			return p.earlyGroup(k, open, group)
		}); err != nil {
			return err
		}
	}
	if err := p.closer.flush(); err != nil {
		return err
	}
	for _, pane := range p.open.panes {
		if err := p.clearMarks(pane); err != nil {
			return err
		}
	}
	return nil
}

func (p *panes) earlyGroup(k int64, open []*openPane, group int) error {
	m := &p.merger
	m.reset()
	for _, pane := range open {
		if p.open.has(pane, group) {
			p.paneKey = keyOfPane(p.paneKey, pane.number)
			if err := m.add(group, p.Table+tableMarks, p.paneKey, 0); err != nil {
				return err
			}
		}
	}
	for first := true; len(m.heap) > 0; first = false {
		if s := m.heap[0]; first || !bytes.Equal(p.value, s.subkey()) {
			p.value = append(p.value[:0], s.subkey()...)
			if err := p.fireKey(k, group, p.value, Early); err != nil {
				return err
			}
		}
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

// clearMarks says that early results have all records of a pane; purged, they are
// forgotten with it.
func (p *panes) clearMarks(pane *openPane) error {
	return p.open.eachGroup([]*openPane{pane}, func(group int) error {
		p.paneKey = keyOfPane(p.paneKey, pane.number)
		if err := p.Backend.DeleteRange(group, p.Table+tableMarks, p.paneKey, nil, nil); err != nil || !p.Window.Trigger.Purge {
			return err
		}
		p.paneKey = append(p.paneKey, 0)
		return p.deleteData(group, p.paneKey, pane.number)
	})
}
