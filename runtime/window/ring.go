package window

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Accumulators of windows that overlap lie together: all panes of a key are one entry
// of its group, so that a window finds them with one look, and a new pane is no new
// entry. A window visits all keys that the group holds; most of them are its own.
//
//	u32 bytes of panes   (i64 pane   u32 len   accumulator)*   room for more
//
// Panes ascend. There is room so that an entry whose panes come and go keeps its size.
const (
	ringHead = 4
	paneHead = 12
)

// ringPanes is a ring without its head and room.
func ringPanes(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < ringHead || int(binary.LittleEndian.Uint32(b)) > len(b)-ringHead {
		return nil, fault.Corruptf("the panes of a key are cut off")
	}
	return b[ringHead : ringHead+int(binary.LittleEndian.Uint32(b))], nil
}

// ringNext takes the first pane off.
func ringNext(b []byte) (pane int64, acc, rest []byte, err error) {
	if len(b) < paneHead {
		return 0, nil, nil, fault.Corruptf("a pane is cut off")
	}
	n := int(binary.LittleEndian.Uint32(b[8:]))
	if n > len(b)-paneHead {
		return 0, nil, nil, fault.Corruptf("a pane of %d bytes, %d are left", n, len(b)-paneHead)
	}
	return int64(binary.LittleEndian.Uint64(b)), b[paneHead : paneHead+n : paneHead+n], b[paneHead+n:], nil
}

// ringFind returns the accumulator of a pane.
func ringFind(ring []byte, pane int64) (acc []byte, ok bool, err error) {
	b, err := ringPanes(ring)
	for len(b) > 0 && err == nil {
		var at int64
		if at, acc, b, err = ringNext(b); at == pane && err == nil {
			return acc, true, nil
		}
	}
	return nil, false, err
}

func ringAppend(b []byte, pane int64, acc []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(pane))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(acc)))
	return append(b, acc...)
}

// ringPut writes to out the panes of a ring, with the accumulator of one of them set;
// those whose windows are all dead are left out.
func (p *panes) ringPut(out, ring []byte, pane int64, acc []byte, dead int64) ([]byte, error) {
	b, err := ringPanes(ring)
	if err != nil {
		return nil, err
	}
	if at := p.ringPlace(b, pane, len(acc), dead); at > 0 && 4*(ringHead+len(b)) >= len(ring) {
		out = append(out[:0], ring...)
		copy(out[ringHead+at:], acc)
		return out, nil
	}
	out = append(out[:0], 0, 0, 0, 0)
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
	binary.LittleEndian.PutUint32(out, uint32(len(out)-ringHead))
	size := len(ring)
	if len(out) > size || 4*len(out) < size {
		size = 2 * len(out)
		// Most rings never hold more than the panes of a window and one.
		first, last := p.assigner.panes(0)
		if most := ringHead + int(min(last-first+2, 1<<20))*(paneHead+len(acc)); len(out) <= most {
			size = min(size, most)
		}
	}
	for len(out)+8 <= size {
		out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for len(out) < size {
		out = append(out, 0)
	}
	return out, nil
}

// ringPlace is where the accumulator of a pane lies among the panes, if one of that size
// can take its place and no other pane goes; else 0.
func (p *panes) ringPlace(b []byte, pane int64, size int, dead int64) int {
	for rest := b; len(rest) > 0; {
		at, acc, next, err := ringNext(rest)
		if err != nil {
			return 0
		}
		if at == pane {
			if len(acc) != size {
				return 0
			}
			return len(b) - len(next) - size
		}
		if len(rest) == len(b) { // the first: those behind it live longer
			if _, last := p.assigner.windows(at); last <= dead {
				return 0
			}
		}
		rest = next
	}
	return 0
}

// putRing writes the accumulator of an entry of the call into its ring.
func (p *panes) putRing(n int, e *entry, ring, acc []byte) error {
	_, dead := p.seen(int(e.group))
	var err error
	if p.value, err = p.ringPut(p.value, ring, p.local[e.pane].number, acc, dead); err != nil {
		return err
	}
	return p.set(n, p.value)
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
	ring, _, _, err := p.Backend.Get(group, p.Table+tableData, nil, key)
	if err != nil {
		return err
	}
	b, err := ringPanes(ring)
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

// eachRing visits the keys of a group and their panes, in order.
func (p *panes) eachRing(group int, visit func(key, b []byte) error) error {
	m := &p.merger
	m.reset()
	if err := m.add(group, p.Table+tableData, nil, 0); err != nil {
		return err
	}
	for len(m.heap) > 0 {
		s := m.heap[0]
		b, err := ringPanes(s.value())
		if err == nil {
			err = visit(s.subkey(), b)
		}
		if err != nil {
			return err
		}
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}
