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

// ringEnd is the last pane of a ring, or where it may be.
func ringEnd(b []byte) []byte {
	r, err := readRing(b)
	if err != nil {
		return nil
	}
	return r.panes[max(0, len(r.panes)-max(r.step, paneHead)):]
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
		if newest, _ := r.newest(); newest >= pane && uint64(newest)-uint64(pane) < uint64(len(r.panes)/r.step) {
			// Where it stands if none of those behind it is left out.
			if at = len(r.panes) - int(newest-pane+1)*r.step; int64(binary.LittleEndian.Uint64(r.panes[at:])) == pane {
				return at, nil
			}
		}
		for at = len(r.panes); at > 0; at -= r.step {
			switch number := int64(binary.LittleEndian.Uint64(r.panes[at-r.step:])); {
			case number == pane:
				return at - r.step, nil
			case number < pane:
				return at, nil
			}
		}
		return 0, nil
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
// there: in its place, or behind the others. If there is no room, those whose windows
// are all dead make some.
func (p *panes) ringChange(b []byte, pane int64, acc []byte, dead int64) (done bool, err error) {
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
	if r.step != paneHead+len(acc) {
		return false, nil
	}
	if at+r.step > len(b)-ringHead {
		old := 0
		for old < at && p.isDead(int64(binary.LittleEndian.Uint64(r.panes[old:])), dead) {
			old += r.step
		}
		if old == 0 || p.ringRoom(ringHead+at-old+r.step, len(b), r.step) != len(b) {
			return false, nil
		}
		at = copy(r.panes, r.panes[old:])
	}
	ringAppend(b[:ringHead+at], pane, acc)
	binary.LittleEndian.PutUint32(b, uint32(at+r.step))
	return true, nil
}

// isDead tells whether no window needs a pane any more.
func (p *panes) isDead(pane, dead int64) bool {
	_, last := p.assigner.windows(pane)
	return last <= dead
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
		if number == pane || p.isDead(number, dead) {
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
	return p.eachRing(group, func(key []byte, r *ring) error { return p.forgetRing(key, r, limit) })
}

// forgetRing notes that a key of eachRing goes.
func (p *panes) forgetRing(key []byte, r *ring, limit int64) error {
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
func (p *panes) eachRing(group int, visit func(key []byte, r *ring) error) error {
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
				bad = visit(key, &r)
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
