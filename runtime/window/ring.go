package window

import (
	"encoding/binary"
	"math"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Accumulators of windows that overlap lie together: all panes of a key are one entry
// of its group, so that a window finds them with one look, and a new pane is no new
// entry. A window visits all keys that the group holds; most of them are its own.
//
//	u32 bytes of panes   u32 step   (i64 pane   u32 len   accumulator)*   room for more
//
// Panes ascend. Step is the size of each, if all have the same, else 0: then a pane is
// found from the end, where records go, and changed where it is. Panes that no window
// needs any more stay until there is no room: a ring is written anew once in several panes.
const (
	ringHead = 8
	paneHead = 12
)

// ring is the panes of a key.
type ring struct {
	panes []byte
	step  int // 0: they differ in size
}

// readRing takes the head and the room off.
func readRing(b []byte) (ring, error) {
	if len(b) == 0 {
		return ring{}, nil
	}
	if len(b) < ringHead {
		return ring{}, fault.Corruptf("the panes of a key are cut off")
	}
	size, step := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	if size > len(b)-ringHead || step != 0 && (step < paneHead || size%step != 0) {
		return ring{}, fault.Corruptf("the panes of a key are cut off")
	}
	return ring{b[ringHead : ringHead+size], step}, nil
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

// behind is where the first pane from a number on stands.
func (r *ring) behind(pane int64) (at int, err error) {
	if r.step > 0 {
		for at = len(r.panes); at > 0 && int64(binary.LittleEndian.Uint64(r.panes[at-r.step:])) >= pane; {
			at -= r.step
		}
		return at, nil
	}
	for rest := r.panes; len(rest) > 0; {
		number, _, next, err := ringNext(rest)
		if err != nil {
			return 0, err
		}
		if number >= pane {
			return len(r.panes) - len(rest), nil
		}
		rest = next
	}
	return len(r.panes), nil
}

// newest is the last pane; of none, one before all others.
func (r *ring) newest() (pane int64, err error) {
	pane = math.MinInt64
	rest := r.panes
	if r.step > 0 && len(rest) > 0 {
		rest = rest[len(rest)-r.step:]
	}
	for len(rest) > 0 && err == nil {
		pane, _, rest, err = ringNext(rest)
	}
	return pane, err
}

// find returns the accumulator of a pane.
func (r *ring) find(pane int64) (acc []byte, ok bool, err error) {
	at, err := r.behind(pane)
	if err != nil || at == len(r.panes) {
		return nil, false, err
	}
	number, acc, _, err := ringNext(r.panes[at:])
	if err != nil || number != pane {
		return nil, false, err
	}
	return acc, true, nil
}

func ringAppend(b []byte, pane int64, acc []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(pane))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(acc)))
	return append(b, acc...)
}

// ringChange sets the accumulator of a pane within the bytes of a ring, if it can be set
// there: in its place, or behind the others.
func ringChange(b []byte, pane int64, acc []byte) (done bool, err error) {
	r, err := readRing(b)
	if err != nil {
		return false, err
	}
	at, err := r.behind(pane)
	if err != nil {
		return false, err
	}
	if at < len(r.panes) {
		number, old, _, err := ringNext(r.panes[at:])
		if err != nil || number != pane || len(old) != len(acc) {
			return false, err
		}
		copy(old, acc)
		return true, nil
	}
	size := len(r.panes) + paneHead + len(acc)
	if r.step != paneHead+len(acc) || ringHead+size > len(b) {
		return false, nil
	}
	ringAppend(b[:ringHead+at], pane, acc)
	binary.LittleEndian.PutUint32(b, uint32(size))
	return true, nil
}

// ringPut writes to out the panes of a ring, with the accumulator of one of them set;
// those whose windows are all dead are left out.
func (p *panes) ringPut(out, b []byte, pane int64, acc []byte, dead int64) ([]byte, error) {
	r, err := readRing(b)
	if err != nil {
		return nil, err
	}
	out = append(out[:0], make([]byte, ringHead)...)
	written, step, newest := false, paneHead+len(acc), int64(math.MinInt64)
	for rest := r.panes; len(rest) > 0; {
		number, old, next, err := ringNext(rest)
		if err != nil {
			return nil, err
		}
		if len(rest) < len(r.panes) && number <= newest {
			return nil, fault.Corruptf("pane %d of a key comes behind pane %d", number, newest)
		}
		rest, newest = next, number
		if !written && number >= pane {
			out, written = ringAppend(out, pane, acc), true
		}
		if _, last := p.assigner.windows(number); number == pane || last <= dead {
			continue
		}
		out = ringAppend(out, number, old)
		if len(old) != len(acc) {
			step = 0
		}
	}
	if !written {
		out = ringAppend(out, pane, acc)
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)-ringHead))
	binary.LittleEndian.PutUint32(out[4:], uint32(step))
	size := p.ringRoom(len(out), len(b), paneHead+len(acc))
	return append(out, make([]byte, size-len(out))...), nil
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
	switch done, err := ringChange(b, number, acc); {
	case err != nil:
		return err
	case done && p.memory != nil:
		return nil
	case done:
		return p.set(n, b)
	}
	_, dead := p.seen(int(e.group))
	if p.value, err = p.ringPut(p.value, b, number, acc, dead); err != nil {
		return err
	}
	return p.set(n, p.value)
}

// fireRings gives the result of a window for the keys of a group, and forgets those
// that no window behind limit needs.
func (p *panes) fireRings(k int64, group int, limit int64) error {
	first, last := p.assigner.panes(k)
	return p.eachRing(group, func(key []byte, r *ring) error {
		at, err := r.behind(first)
		if err != nil {
			return err
		}
		begun := false
		for b := r.panes[at:]; len(b) > 0; {
			number, acc, rest, err := ringNext(b)
			if err != nil {
				return err
			}
			if b = rest; number > last {
				break
			}
			if !begun {
				if err := p.closer.key(key); err != nil {
					return err
				}
				begun = true
			}
			p.closer.value(0, acc)
		}
		return p.forgetRing(group, key, r, limit)
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
	at, err := r.behind(first)
	for b = r.panes[at:]; len(b) > 0 && err == nil; {
		var number int64
		var acc []byte
		if number, acc, b, err = ringNext(b); err == nil && number <= last {
			p.closer.value(0, acc)
		}
	}
	return err
}

// sweepRings forgets the keys that no window behind limit needs.
func (p *panes) sweepRings(group int, limit int64) error {
	return p.eachRing(group, func(key []byte, r *ring) error { return p.forgetRing(group, key, r, limit) })
}

func (p *panes) forgetRing(group int, key []byte, r *ring, limit int64) error {
	newest, err := r.newest()
	if err != nil {
		return err
	}
	if _, last := p.assigner.windows(newest); last > limit {
		return nil
	}
	return p.Backend.Delete(group, p.Table+tableData, nil, key)
}

// eachRing visits the keys of a group and their panes, in order.
func (p *panes) eachRing(group int, visit func(key []byte, r *ring) error) error {
	m := &p.merger
	m.reset()
	if err := m.add(group, p.Table+tableData, nil, 0); err != nil {
		return err
	}
	for len(m.heap) > 0 {
		s := m.heap[0]
		r, err := readRing(s.value())
		if err == nil {
			err = visit(s.subkey(), &r)
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
