package window

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Accumulators of windows that overlap lie together: all panes of a key are one entry
// of its group, so that a window finds them with one look, and a new pane is no new
// entry. A window visits all keys that the group holds; most of them are its own.
//
//	(i64 pane   u32 len   accumulator)*   ascending
const ringHead = 12

// ringNext takes the first pane off.
func ringNext(b []byte) (pane int64, acc, rest []byte, err error) {
	if len(b) < ringHead {
		return 0, nil, nil, fault.Corruptf("a pane is cut off")
	}
	n := int(binary.LittleEndian.Uint32(b[8:]))
	if n > len(b)-ringHead {
		return 0, nil, nil, fault.Corruptf("a pane of %d bytes, %d are left", n, len(b)-ringHead)
	}
	return int64(binary.LittleEndian.Uint64(b)), b[ringHead : ringHead+n : ringHead+n], b[ringHead+n:], nil
}

// ringFind returns the accumulator of a pane.
func ringFind(b []byte, pane int64) (acc []byte, ok bool, err error) {
	for len(b) > 0 {
		var at int64
		if at, acc, b, err = ringNext(b); err != nil || at == pane {
			return acc, err == nil, err
		}
	}
	return nil, false, nil
}

func ringAppend(b []byte, pane int64, acc []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(pane))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(acc)))
	return append(b, acc...)
}

// ringPut appends to out the panes in b, with the accumulator of one of them set; those
// whose windows are all dead are left out.
func (p *panes) ringPut(out, b []byte, pane int64, acc []byte, dead int64) ([]byte, error) {
	written := false
	for len(b) > 0 {
		at, old, rest, err := ringNext(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if !written && at >= pane {
			out, written = ringAppend(out, pane, acc), true
		}
		if _, last := p.assigner.windows(at); at != pane && last > dead {
			out = ringAppend(out, at, old)
		}
	}
	if !written {
		out = ringAppend(out, pane, acc)
	}
	return out, nil
}

// putRing writes the accumulator of an entry.
func (p *panes) putRing(e *entry, acc []byte) error {
	group := int(e.group)
	b, _, _, err := p.Backend.Get(group, p.Table+tableData, nil, e.key)
	if err != nil {
		return err
	}
	_, dead := p.seen(group)
	if p.value, err = p.ringPut(p.value[:0], b, p.local[e.pane].number, acc, dead); err != nil {
		return err
	}
	return p.Backend.Put(group, p.Table+tableData, nil, e.key, p.value)
}

// fireRings gives the result of a window for the keys of a group, and forgets those
// that no window behind limit needs.
func (p *panes) fireRings(k int64, group int, limit int64) error {
	first, last := p.assigner.panes(k)
	return p.eachRing(group, func(key, b []byte) error {
		begun, newest := false, int64(0)
		for len(b) > 0 {
			at, acc, rest, err := ringNext(b)
			if err != nil {
				return err
			}
			b, newest = rest, at
			if at < first || at > last {
				continue
			}
			if !begun {
				if err := p.closer.key(key); err != nil {
					return err
				}
				begun = true
			}
			p.closer.value(0, acc)
		}
		return p.forgetRing(group, key, newest, limit)
	})
}

// fireRing gives the panes of a key in a window, whose key the closer has.
func (p *panes) fireRing(k int64, group int, key []byte) error {
	first, last := p.assigner.panes(k)
	b, _, _, err := p.Backend.Get(group, p.Table+tableData, nil, key)
	for len(b) > 0 && err == nil {
		var at int64
		var acc []byte
		if at, acc, b, err = ringNext(b); err == nil && at >= first && at <= last {
			p.closer.value(0, acc)
		}
	}
	return err
}

// sweepRings forgets the keys that no window behind limit needs.
func (p *panes) sweepRings(group int, limit int64) error {
	return p.eachRing(group, func(key, b []byte) error {
		newest := int64(0)
		for len(b) > 0 {
			var err error
			if newest, _, b, err = ringNext(b); err != nil {
				return err
			}
		}
		return p.forgetRing(group, key, newest, limit)
	})
}

func (p *panes) forgetRing(group int, key []byte, newest, limit int64) error {
	if _, last := p.assigner.windows(newest); last > limit {
		return nil
	}
	return p.Backend.Delete(group, p.Table+tableData, nil, key)
}

// eachRing visits the keys of a group in order.
func (p *panes) eachRing(group int, visit func(key, b []byte) error) error {
	m := &p.merger
	m.reset()
	if err := m.add(group, p.Table+tableData, nil, 0); err != nil {
		return err
	}
	for len(m.heap) > 0 {
		s := m.heap[0]
		if err := visit(s.subkey(), s.value()); err != nil {
			return err
		}
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}
