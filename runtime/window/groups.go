package window

import (
	"encoding/binary"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Firing is why a guest is called for a window.
type Firing uint8

// The firings, as they stand in a group.
const (
	OnTime Firing = 0 // the watermark passed the end
	Early  Firing = 1 // a trigger, before the end
	Late   Firing = 2 // a record came behind the end, within the lateness
)

// groupHead is the size of a group's fixed part:
//
//	u32 keyLen   u32 accLen (^0: none)   u32 bodyLen   u8 flags (1 more)   u8 input   u8 firing   u8 0
//	i64 start   i64 end   key   acc   body
const (
	groupHead = 32
	noAcc     = ^uint32(0)
	flagMore  = 1
)

// groups writes the groups of one call. A group is begun, its body written to buf, and
// ended.
type groups struct {
	buf   []byte
	count int
	at    int // of the group being written
	last  int // of the last group written
}

func (g *groups) reset() { g.buf, g.count = g.buf[:0], 0 }

// begin writes all of a group but the body. With ok, acc is its accumulator.
func (g *groups) begin(key, acc []byte, ok bool, input uint8, firing Firing, start, end int64) {
	g.at = len(g.buf)
	accLen := noAcc
	if ok {
		accLen = uint32(len(acc))
	} else {
		acc = nil
	}
	size := groupHead + len(key) + len(acc)
	g.buf = slices.Grow(g.buf, size)[:g.at+size]
	b := g.buf[g.at:]
	binary.LittleEndian.PutUint64(b, uint64(accLen)<<32|uint64(uint32(len(key))))
	binary.LittleEndian.PutUint64(b[8:], uint64(input)<<40|uint64(firing)<<48)
	binary.LittleEndian.PutUint64(b[16:], uint64(start))
	binary.LittleEndian.PutUint64(b[24:], uint64(end))
	copy(b[groupHead+copy(b[groupHead:], key):], acc)
	g.last = len(g.buf) // where the body starts, until end
}

// end closes the group whose body begins where begin left off.
func (g *groups) end() {
	binary.LittleEndian.PutUint32(g.buf[g.at+8:], uint32(len(g.buf)-g.last))
	g.last = g.at
	g.count++
}

// more says that the last group goes on: in the next one, or in the next call.
func (g *groups) more() { g.buf[g.last+12] |= flagMore }

// part appends an accumulator to a body of merge.
func (g *groups) part(acc []byte) {
	g.buf = binary.LittleEndian.AppendUint32(g.buf, uint32(len(acc)))
	g.buf = append(g.buf, acc...)
}

// replies reads the answers of accumulate and merge: (u32 len, acc) per group.
type replies struct {
	rest []byte
	call string // for errors
}

func (r *replies) next() ([]byte, error) {
	if len(r.rest) < 4 {
		return nil, fault.Guestf("%s: the reply is cut off: an accumulator for each group is expected", r.call)
	}
	n := int(binary.LittleEndian.Uint32(r.rest))
	if n > len(r.rest)-4 {
		return nil, fault.Guestf("%s: the reply says %d bytes, %d are left", r.call, n, len(r.rest)-4)
	}
	acc := r.rest[4 : 4+n : 4+n]
	r.rest = r.rest[4+n:]
	return acc, nil
}

func (r *replies) end() error {
	if len(r.rest) > 0 {
		return fault.Guestf("%s: the reply has %d bytes more than one accumulator for each group", r.call, len(r.rest))
	}
	return nil
}
