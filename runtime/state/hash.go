package state

import (
	"errors"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/wasmill/wasmill/runtime/keygroup"
)

// A part holds one table's entries of one key group: an extendible hash table of
// segments. A segment that is full splits in two, so that no insertion costs more than
// one segment, whatever the size of the state.
//
// A slot of a segment is tag<<36 | ref of the entry; 0 is empty. The tag is the upper 28
// bits of the hash. Its upper bits choose the segment, so that segments are in hash
// order; its lower bits are where the search in the segment starts.
type part struct {
	index    uint32 // in Memory.parts
	group    int
	table    int
	head     int   // bytes before the key in an entry
	stamp    int   // where an entry has its stamp, in bytes, if ttl is set
	ttl      int64 // ms; 0 none
	depth    uint8
	dir      []uint32 // by the upper depth bits of the tag: the segment
	segments []segment

	room    [slabCount]uint32 // by class: the first chunk that has a free slot
	pages   int               // of all chunks
	chunks  []uint32          // written under Memory.mu
	written atomic.Uint32     // the last epoch in which an entry changed
	sweep   sweep             // where the search for expired entries stands
}

type segment struct {
	ref   uint64 // of the slots
	count uint16 // of slots in use
	log   uint8  // log2 of the number of slots
	depth uint8  // how many bits of the tag its entries share
}

const (
	tagBits      = 64 - refBits
	segmentStart = 3 // log2 of the slots of the first segment
	segmentFull  = pageShift - 3
	segmentMost  = 16 // beyond, 57,344 entries of a key group share 28 bits of their hashes
)

var errFull = errors.New("keys of one key group have too many hashes in common")

// hashOf is the hash of an entry. That of the empty subkey is the key's own: keys are in
// its order.
func hashOf(key, subkey []byte) uint64 { return withSubkey(keygroup.Hash(key), subkey) }

// withSubkey is the hash of an entry whose key has that hash.
func withSubkey(hash uint64, subkey []byte) uint64 {
	if len(subkey) == 0 {
		return hash
	}
	return mix(hash, keygroup.Hash(subkey))
}

func mix(key, subkey uint64) uint64 { return bits.RotateLeft64(key^subkey, 29) * 0x9e3779b97f4a7c15 }

// Fields of an entry, by offset. An entry is followed by its key, subkey and value; in
// a table with a time-to-live the i64 stamp comes before the key, and before that, on
// disk, the place of the value.
const (
	entryMod     = 0 // u32 epoch of the last change; atomic
	entryWord    = 4 // u32 length of the value, and flags; 0: the slot is free
	entryLens    = 8 // u16 length of the key, u16 length of the subkey
	entryVersion = 12
	entryHead    = 16
	entryPlace   = 16 // u64 in a backend on disk: where the value is; see place
	maxEntryHead = entryPlace + 16

	lengthMask = 1<<28 - 1
	flagLive   = 1 << 28 // not a free slot
	flagNew    = 1 << 29 // it was made in the epoch of its last change
	flagTree   = 1 << 30 // not an entry, but the root of a key's subkeys
)

func lensOf(key, subkey []byte) uint32 { return uint32(len(key)) | uint32(len(subkey))<<16 }

// segmentOf finds the segment of a tag.
func (p *part) segmentOf(tag uint64) uint32 { return p.dir[tag>>(tagBits-p.depth)] }

// find looks an entry up; slot is where its ref stands, nil if there is none. Kind is
// flagTree or 0.
func (m *Memory) find(p *part, hash uint64, key, subkey []byte, kind uint32) (e, slot unsafe.Pointer) {
	tag := hash >> refBits
	s := &p.segments[p.segmentOf(tag)]
	slots, mask := m.at(s.ref), uint64(1)<<s.log-1
	lens := lensOf(key, subkey)
	for i := tag & mask; ; i = (i + 1) & mask {
		slot = unsafe.Add(slots, i<<3)
		word := *(*uint64)(slot)
		if word == 0 {
			return nil, nil
		}
		if word>>refBits != tag {
			continue
		}
		e = m.at(word & refMask)
		if *(*uint32)(unsafe.Add(e, entryLens)) != lens || *(*uint32)(unsafe.Add(e, entryWord))&flagTree != kind {
			continue
		}
		at := unsafe.Add(e, p.head)
		if text(at, len(key)) == string(key) && (len(subkey) == 0 || text(unsafe.Add(at, len(key)), len(subkey)) == string(subkey)) {
			return e, slot
		}
	}
}

// text is memory as a string, for comparisons.
func text(at unsafe.Pointer, n int) string { return unsafe.String((*byte)(at), n) }

// near loads the slot where the search for a hash starts.
func (m *Memory) near(p *part, hash uint64) uint64 {
	tag := hash >> refBits
	s := &p.segments[p.segmentOf(tag)]
	word := *(*uint64)(unsafe.Add(m.at(s.ref), tag&(uint64(1)<<s.log-1)<<3))
	if word>>refBits != tag {
		return 0
	}
	return word & refMask
}

// insert adds a slot for an entry that is not there.
func (m *Memory) insert(p *part, hash, ref uint64) error {
	tag := hash >> refBits
	at := p.segmentOf(tag)
	for p.segments[at].full() {
		if err := m.enlarge(p, at, tag); err != nil {
			return err
		}
		at = p.segmentOf(tag)
	}
	s := &p.segments[at]
	s.count++
	m.place(s, tag<<refBits|ref)
	return nil
}

// full holds a segment below seven eighths.
func (s *segment) full() bool { return int(s.count)+1 > 7<<s.log>>3 }

// place writes a slot into the first free place from its start.
func (m *Memory) place(s *segment, word uint64) {
	slots, mask := m.at(s.ref), uint64(1)<<s.log-1
	i := word >> refBits & mask
	for *(*uint64)(unsafe.Add(slots, i<<3)) != 0 {
		i = (i + 1) & mask
	}
	*(*uint64)(unsafe.Add(slots, i<<3)) = word
}

// takeSlots hands out 2^log empty slots.
func (m *Memory) takeSlots(log uint8) (ref uint64, err error) {
	if log <= segmentFull {
		return m.takeBlock(int(log) + 3)
	}
	first, err := m.takeRun(1 << (log - segmentFull))
	return uint64(first) << (pageShift - refShift), err
}

func (m *Memory) giveSlots(s *segment) error {
	if s.log <= segmentFull {
		m.giveBlock(s.ref, int(s.log)+3)
		return nil
	}
	return m.giveRun(uint32(s.ref>>(pageShift-refShift)), 1<<(s.log-segmentFull))
}

// slots is a segment's memory.
func (m *Memory) slots(s *segment) []uint64 { return unsafe.Slice((*uint64)(m.at(s.ref)), 1<<s.log) }

// enlarge doubles a small segment, and splits a full-grown one.
func (m *Memory) enlarge(p *part, at uint32, tag uint64) error {
	old := p.segments[at]
	// A segment whose entries share so many bits of their tags that splitting it again
	// would blow up the directory is enlarged further instead.
	skewed := old.depth == p.depth && (p.depth == tagBits || len(p.dir) >= 64*len(p.segments))
	if old.log < segmentFull || skewed {
		if old.log == segmentMost {
			return errFull
		}
		ref, err := m.takeSlots(old.log + 1)
		if err != nil {
			return err
		}
		s := &p.segments[at]
		s.ref, s.log = ref, old.log+1
		for _, word := range m.slots(&old) {
			if word != 0 {
				m.place(s, word)
			}
		}
		return m.giveSlots(&old)
	}
	return m.split(p, at, tag)
}

// split shares a segment's entries with a new one, by the next bit of their tags.
func (m *Memory) split(p *part, at uint32, tag uint64) error {
	if p.segments[at].depth == p.depth {
		dir := make([]uint32, 2*len(p.dir))
		for i := range dir {
			dir[i] = p.dir[i/2]
		}
		p.dir = dir
		p.depth++
	}
	old := p.segments[at]
	var two [2]segment
	for i := range two {
		ref, err := m.takeSlots(old.log)
		if err != nil {
			return err
		}
		two[i] = segment{ref: ref, log: old.log, depth: old.depth + 1}
	}
	for _, word := range m.slots(&old) {
		if word != 0 {
			s := &two[word>>(64-two[0].depth)&1]
			s.count++
			m.place(s, word)
		}
	}
	if err := m.giveSlots(&old); err != nil {
		return err
	}
	p.segments[at] = two[0]
	p.segments = append(p.segments, two[1])
	// The segment's stretch of the directory: its upper half is now the new one's.
	span := 1 << (p.depth - old.depth)
	start := int(tag>>(tagBits-old.depth)) * span
	for i := start + span/2; i < start+span; i++ {
		p.dir[i] = uint32(len(p.segments) - 1)
	}
	return nil
}

// remove takes a slot out and closes the gap: what was placed behind it because of it
// moves up.
func (m *Memory) remove(p *part, tag uint64, slot unsafe.Pointer) {
	s := &p.segments[p.segmentOf(tag)]
	s.count--
	slots, mask := m.slots(s), uint64(1)<<s.log-1
	gap := uint64(uintptr(slot)-uintptr(m.at(s.ref))) >> 3
	for i := (gap + 1) & mask; slots[i] != 0; i = (i + 1) & mask {
		start := slots[i] >> refBits & mask
		// The entry at i may fill the gap unless its start lies between the two.
		if (i-start)&mask >= (i-gap)&mask {
			slots[gap] = slots[i]
			gap = i
		}
	}
	slots[gap] = 0
}
