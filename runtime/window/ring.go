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
//	u32 bytes of panes   u32 step   i64 first   panes   room for more
//	step > 0: (u32 len or ^0: none   accumulator)*, the panes from first on
//	step = 0: (i64 pane   u32 len   accumulator)*, ascending
//
// The first form is for accumulators of one size and few gaps: a pane is found by its
// number, changed where it is, and merge gets many as they lie. Panes that no window
// needs any more stay until there is no room.
const (
	ringHead = 16
	slotHead = 4
	listHead = 12
)

// ring is the panes of a key.
type ring struct {
	panes []byte
	step  int // bytes of a slot; 0: a list
	first int64
}

var errRing = fault.Corruptf("the panes of a key are cut off")

// readRing takes the head and the room off.
func readRing(b []byte) (ring, error) {
	if len(b) == 0 {
		return ring{}, nil
	}
	if len(b) < ringHead {
		return ring{}, errRing
	}
	size, step := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	r := ring{step: step, first: int64(binary.LittleEndian.Uint64(b[8:]))}
	if size > len(b)-ringHead || step != 0 && (step < slotHead || size%step != 0 || r.first > math.MaxInt64-int64(size)) {
		return ring{}, errRing
	}
	r.panes = b[ringHead : ringHead+size]
	return r, nil
}

func (r *ring) writeHead(b []byte) {
	binary.LittleEndian.PutUint32(b, uint32(len(r.panes)))
	binary.LittleEndian.PutUint32(b[4:], uint32(r.step))
	binary.LittleEndian.PutUint64(b[8:], uint64(r.first))
}

// slots is how many slots there are.
func (r *ring) slots() int { return len(r.panes) / r.step }

// slot returns what lies in one.
func (r *ring) slot(i int) (acc []byte, ok bool, err error) {
	b := r.panes[i*r.step : (i+1)*r.step]
	switch binary.LittleEndian.Uint32(b) {
	case noAcc:
		return nil, false, nil
	case uint32(r.step - slotHead):
		return b[slotHead:], true, nil
	}
	return nil, false, fault.Corruptf("a pane of another size than its slot")
}

// listNext takes the first pane off a list.
func listNext(b []byte) (pane int64, acc, rest []byte, err error) {
	if len(b) < listHead {
		return 0, nil, nil, fault.Corruptf("a pane is cut off")
	}
	n := int(binary.LittleEndian.Uint32(b[8:]))
	if n > len(b)-listHead {
		return 0, nil, nil, fault.Corruptf("a pane of %d bytes, %d are left", n, len(b)-listHead)
	}
	return int64(binary.LittleEndian.Uint64(b)), b[listHead : listHead+n : listHead+n], b[listHead+n:], nil
}

// each visits the panes.
func (r *ring) each(visit func(pane int64, acc []byte)) error {
	if r.step > 0 {
		for i := range r.slots() {
			acc, ok, err := r.slot(i)
			if err != nil {
				return err
			}
			if ok {
				visit(r.first+int64(i), acc)
			}
		}
		return nil
	}
	newest := int64(math.MinInt64)
	for rest := r.panes; len(rest) > 0; {
		pane, acc, next, err := listNext(rest)
		if err != nil {
			return err
		}
		if len(rest) < len(r.panes) && pane <= newest {
			return fault.Corruptf("pane %d of a key comes behind pane %d", pane, newest)
		}
		visit(pane, acc)
		rest, newest = next, pane
	}
	return nil
}

// newest is the last pane; of none, one before all others.
func (r *ring) newest() (newest int64, err error) {
	newest = math.MinInt64
	if r.step > 0 {
		return r.first + int64(r.slots()) - 1, nil
	}
	return newest, r.each(func(pane int64, _ []byte) { newest = pane })
}

// find returns the accumulator of a pane.
func (r *ring) find(pane int64) (acc []byte, ok bool, err error) {
	if r.step > 0 {
		if at := uint64(pane) - uint64(r.first); at < uint64(r.slots()) {
			return r.slot(int(at))
		}
		return nil, false, nil
	}
	err = r.each(func(number int64, value []byte) {
		if number == pane {
			acc, ok = value, true
		}
	})
	return acc, ok, err
}

// give gives the panes from first to last to the closer, which has the key.
func (r *ring) give(c *closer, first, last int64) error {
	if r.step == 0 {
		return r.each(func(pane int64, acc []byte) {
			if pane >= first && pane <= last {
				c.value(0, acc)
			}
		})
	}
	n := int64(r.slots())
	to := int(min(max(add(sub(last, r.first), 1), 0), n))
	for i := int(min(max(sub(first, r.first), 0), n)); i < to; i++ {
		from := i
		for ; i < to; i++ { // as many as lie together
			if _, ok, err := r.slot(i); err != nil {
				return err
			} else if !ok {
				break
			}
		}
		c.parts(i-from, r.panes[from*r.step:i*r.step])
	}
	return nil
}

// ringNear is where a pane lies, or where it will.
func ringNear(b []byte, pane int64) []byte {
	r, err := readRing(b)
	if err != nil || r.step == 0 {
		return nil
	}
	at := len(r.panes)
	if i := uint64(pane) - uint64(r.first); i < uint64(r.slots()) {
		at = int(i) * r.step
	}
	b = b[ringHead+at:]
	return b[:min(len(b), r.step)]
}

func listAppend(b []byte, pane int64, acc []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(pane))
	return slotAppend(b, acc)
}

func slotAppend(b, acc []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(acc))), acc...)
}

// gapAppend appends slots without panes.
func gapAppend(b []byte, n, step int) []byte {
	for range n {
		b = binary.LittleEndian.AppendUint32(b, noAcc)
		b = append(b, make([]byte, step-slotHead)...)
	}
	return b
}
