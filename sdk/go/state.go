package wasmill

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// store keeps the entries that a call of the operator reads and writes: a batch's
// values are fetched at once, and written back at its end.
type store struct {
	context *Context
	tables  []*tableInfo
	ahead   []int // tables fetched ahead, by index
	version uint32

	entries []storeEntry
	slots   []int32 // index + 1 in entries; open addressing
	easy    int     // so many entries fit before slots or entries grow
	places  []int32 // of the batch's records: their entries, table by table
	placed  bool
	log     []byte // operations to be done before anything else is read
	out     []byte // for answers; what is behind answered is free
	used    int
}

type storeEntry struct {
	key, sub, value []byte // value nil: there is none
	hash            uint32
	table           int
	version         uint32
	dirty           bool
}

// Operations of the state import; see sdk/abi.md.
const (
	opGet         = 0
	opPut         = 1
	opDelete      = 2
	opAppend      = 3
	opScan        = 4
	opDeleteRange = 6
	opHead        = 16
	answerHead    = 8
	scanHead      = 12
	logFull       = 1 << 20
	answersSize   = 64 << 10
	absent        = 1<<32 - 1
)

// equal is bytes.Equal for few bytes.
func equal(a, b []byte) bool {
	n := len(a)
	switch {
	case n != len(b):
		return false
	case n > 64:
		return bytes.Equal(a, b)
	case n >= 8:
		for at := 0; at < n-8; at += 8 {
			if load64(a, at) != load64(b, at) {
				return false
			}
		}
		return load64(a, n-8) == load64(b, n-8)
	}
	for at := range a {
		if a[at] != b[at] {
			return false
		}
	}
	return true
}

const hashFactor = 0x9e3779b97f4a7c15

// hashBytes hashes b. One of 8 to 16 bytes is two words that may overlap: so is prefetch.
func hashBytes(h uint64, b []byte) uint64 {
	n := len(b)
	h = (h ^ uint64(n)) * hashFactor
	if n < 8 {
		for _, c := range b {
			h = (h ^ uint64(c)) * hashFactor
		}
		return h ^ h>>32
	}
	for at := 0; at < n-16; at += 8 {
		h = (h ^ load64(b, at)) * hashFactor
		h ^= h >> 29
	}
	h = (h ^ load64(b, max(n-16, 0))) * hashFactor
	h ^= h >> 29
	h = (h ^ load64(b, n-8)) * hashFactor
	return h ^ h>>32
}

// find returns an entry's index, made if there is none. The key is kept as it is, the
// subkey copied.
func (s *store) find(table int, key, sub []byte) (index int32, made bool) {
	if 2*len(s.entries) >= len(s.slots) {
		s.grow()
	}
	wide := hashBytes(uint64(table), key)
	if len(sub) > 0 {
		wide = hashBytes(wide, sub)
	}
	hash := uint32(wide)
	mask := uint32(len(s.slots) - 1)
	at := hash & mask
	for ; s.slots[at] != 0; at = (at + 1) & mask {
		e := &s.entries[s.slots[at]-1]
		if e.hash == hash && e.table == table && equal(e.key, key) && equal(e.sub, sub) {
			return s.slots[at] - 1, false
		}
	}
	if len(sub) > 0 {
		sub = bytes.Clone(sub)
	}
	return s.add(at, table, key, sub, hash), true
}

func (s *store) grow() {
	s.slots = make([]int32, max(2048, 2*len(s.slots)))
	mask := uint32(len(s.slots) - 1)
	for n := range s.entries {
		at := s.entries[n].hash & mask
		for s.slots[at] != 0 {
			at = (at + 1) & mask
		}
		s.slots[at] = int32(n + 1)
	}
	s.easy = min(len(s.slots)/2, cap(s.entries))
}

// note adds an operation to the log.
func (s *store) note(code uint8, table int, key, sub, value []byte) {
	at, size := len(s.log), opHead+len(key)+len(sub)+len(value)
	if at+size > logFull {
		s.flush()
		at = 0
	}
	if at+size > cap(s.log) {
		s.log = append(make([]byte, 0, max(at+size, 2*cap(s.log), 4096)), s.log...)
	}
	setLen(&s.log, at+size)
	p := dataOf(s.log)
	put64(p, at, uint64(code)|uint64(table)<<16|uint64(len(key))<<32)
	put64(p, at+8, uint64(len(sub))|uint64(len(value))<<32)
	at += opHead
	put(p, at, key)
	at += len(key)
	if len(sub) > 0 {
		put(p, at, sub)
		at += len(sub)
	}
	if n := len(value); n == 8 {
		put64(p, at, get64(dataOf(value), 0))
	} else if n > 0 {
		put(p, at, value)
	}
}

// flush does what is in the log.
func (s *store) flush() {
	if len(s.log) > 0 && s.context.err == nil {
		s.context.host.State(s.log, nil)
	}
	s.log = s.log[:0]
}

// room makes place for answers. What was answered before stays where it is.
func (s *store) room(least int) []byte {
	if len(s.out)-s.used < least {
		s.out, s.used = make([]byte, max(answersSize, 2*least)), 0
	}
	return s.out[s.used:]
}

// entry is an entry by its index, which is known to be one.
func (s *store) entry(index int) *storeEntry {
	return (*storeEntry)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s.entries)), index*int(unsafe.Sizeof(storeEntry{}))))
}

// fetched is the entry of a place.
func (s *store) fetched(place int) *storeEntry {
	return s.entry(int(*(*int32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s.places)), 4*place))))
}

// add makes an entry at the slot where it belongs.
func (s *store) add(slot uint32, table int, key, sub []byte, hash uint32) int32 {
	n := len(s.entries)
	if n == cap(s.entries) {
		s.entries = append(s.entries, make([]storeEntry, max(n, 1024))...)[:n]
		s.easy = min(len(s.slots)/2, cap(s.entries))
	}
	s.entries = s.entries[:n+1]
	e := &s.entries[n] // which is zero
	e.key, e.sub, e.table, e.hash = key, sub, table, hash
	s.slots[slot] = int32(n + 1)
	return int32(n)
}

// current is the entry of the key at hand; nil: there is no key.
func (s *store) current(t *tableInfo, sub []byte) *storeEntry {
	c := s.context
	if t.store != s {
		c.fail(failure("table " + t.name + " is not in Operator.Tables"))
		return nil
	}
	key := noBytes
	if t.scope == Keyed {
		if key = c.key; key == nil {
			c.fail(failure("table " + t.name + ": there is no key at hand"))
			return nil
		}
	}
	if c.row >= 0 && t.place >= 0 && len(sub) == 0 {
		return s.fetched(c.row + t.place)
	}
	index, made := s.find(t.index, key, sub)
	if made {
		s.fetch(int(index))
	}
	return &s.entries[index]
}

var noBytes = []byte{}

// finish ends a call: everything is written back and forgotten.
func (s *store) finish() {
	s.writeBack()
	if len(s.entries) > 0 {
		clear(s.slots)
		clear(s.entries)
	}
	s.entries, s.placed, s.used = s.entries[:0], false, 0
}

// clearKey removes all entries of the key at hand.
func (s *store) clearKey(t *tableInfo) {
	e := s.current(t, nil)
	if e == nil {
		return
	}
	key := e.key
	for n := range s.entries {
		if o := &s.entries[n]; o.table == t.index && bytes.Equal(o.key, key) {
			o.value, o.dirty = nil, false
		}
	}
	s.note(opDeleteRange, t.index, key, nil, nil)
}

// scan visits the entries of the key at hand in order, until visit returns false.
func (s *store) scan(t *tableInfo, from []byte, visit func(sub, value []byte, version uint32) bool) {
	first := s.current(t, nil)
	if first == nil {
		return
	}
	key := first.key
	s.writeBack()
	room := answersSize
	for {
		s.flush()
		s.note(opScan, t.index, key, from, nil)
		request := s.log
		s.log = s.log[len(s.log):]
		out := make([]byte, room)
		if s.context.host.State(request, out)>>32 == 0 {
			room *= 2
			continue
		}
		more := binary.LittleEndian.Uint32(out) != 0
		out = out[answerHead:][:binary.LittleEndian.Uint32(out[4:])]
		for len(out) > 0 {
			mid := scanHead + int(binary.LittleEndian.Uint32(out))
			end := mid + int(binary.LittleEndian.Uint32(out[4:]))
			sub := out[scanHead:mid:mid]
			if !visit(sub, out[mid:end:end], binary.LittleEndian.Uint32(out[8:])) {
				return
			}
			from = append(append(from[:0:0], sub...), 0)
			out = out[end:]
		}
		if !more {
			return
		}
	}
}
