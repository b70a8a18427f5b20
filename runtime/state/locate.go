package state

import (
	"unsafe"

	"github.com/wasmill/wasmill/runtime/keygroup"
)

// looked is what is known of an entry in memory before it is used. Many are found side
// by side, in two steps: the loads of a step overlap, those of a look-up wait for each
// other.
type looked struct {
	part *part // nil: nothing is known
	hash uint64
	e    unsafe.Pointer // what seems to be the entry; nil: it is to be found
	// released is Memory.released when e was found.
	released uint32
}

// start loads the slot where the search for a hash starts.
func (m *Memory) start(l *looked) uint64 {
	tag := l.hash >> refBits
	s := &l.part.segments[l.part.segmentOf(tag)]
	return *(*uint64)(unsafe.Add(m.at(s.ref), tag&(uint64(1)<<s.log-1)<<3))
}

// follow searches on, and loads the entry and what comes behind its names.
func (m *Memory) follow(l *looked, names int) uint64 {
	tag := l.hash >> refBits
	s := &l.part.segments[l.part.segmentOf(tag)]
	slots, mask := m.at(s.ref), uint64(1)<<s.log-1
	for i := tag & mask; ; i = (i + 1) & mask {
		word := *(*uint64)(unsafe.Add(slots, i<<3))
		if word>>refBits == tag && word != 0 {
			l.e, l.released = m.at(word&refMask), m.released
			return uint64(*(*uint32)(l.e)) + uint64(*(*byte)(unsafe.Add(l.e, l.part.head+min(names, 64))))
		}
		if word == 0 {
			return 0
		}
	}
}

// is tells whether what was found is the entry of a key and subkey still. It may have
// been given back since, and be another entry of its part.
func (m *Memory) is(l *looked, key, subkey []byte) bool {
	e := l.e
	if e == nil || l.released != m.released || *(*uint32)(unsafe.Add(e, entryLens)) != lensOf(key, subkey) ||
		*(*uint32)(unsafe.Add(e, entryWord))&(flagLive|flagTree) != flagLive {
		return false
	}
	at := unsafe.Add(e, l.part.head)
	return text(at, len(key)) == string(key) && (len(subkey) == 0 || text(unsafe.Add(at, len(key)), len(subkey)) == string(subkey))
}

// getLooked is get for an entry that was looked for.
func (m *Memory) getLooked(l *looked, key, subkey []byte) (value []byte, version uint32, ok bool) {
	if !m.is(l, key, subkey) {
		if l.e, _ = m.find(l.part, l.hash, key, subkey, 0); l.e == nil {
			return nil, 0, false
		}
		l.released = m.released
	}
	return m.read(l.part, l.e, len(key)+len(subkey))
}

// putLooked is put for an entry that was looked for. It may not know its hash.
func (m *Memory) putLooked(l *looked, key, subkey, value []byte) error {
	if !m.is(l, key, subkey) || valueLen(l.e) != len(value) {
		return m.put(l.part, hashOf(key, subkey), key, subkey, value)
	}
	m.renew(l.part, l.e)
	copy(unsafe.Slice((*byte)(unsafe.Add(l.e, l.part.head+len(key)+len(subkey))), len(value)), value)
	return m.wrote(l.part, l.e, 0)
}

// lately is what gets have found, in their order: what is written back comes in the same
// one, and need not be looked for again.
type lately struct {
	found []foundLately
	next  int
	wrote bool // something since the last get
}

type foundLately struct {
	looked
	memory *Memory
	table  int
}

const (
	latelyMost  = 4096
	latelyAhead = 4 // how many that were not written are passed over
)

// note keeps what a get has found.
func (t *lately) note(op *nextOp) {
	if t.wrote || len(t.found) == latelyMost {
		t.found, t.next, t.wrote = t.found[:0], 0, false
	}
	t.found = append(t.found, foundLately{op.looked, op.memory, op.table})
}

// recall finds the entry of a put among the next ones.
func (t *lately) recall(op *nextOp) bool {
	t.wrote = true
	for i := t.next; i < min(t.next+latelyAhead, len(t.found)); i++ {
		if f := &t.found[i]; f.table == op.table && f.memory.is(&f.looked, op.key, op.subkey) {
			op.looked, op.memory = f.looked, f.memory
			t.next = i + 1
			return true
		}
	}
	return false
}

// Found is what Memory.Find knows of an entry.
type Found struct{ looked }

// Find looks for many entries at once, which costs much less than one after the other.
// What it finds is for GetFound and PutFound with the same places; other changes of the
// backend may come between.
func (m *Memory) Find(places []Place, found []Found) {
	sum := uint64(0)
	for len(places) > 0 {
		n := min(len(places), touchAhead)
		for i := range n {
			p := &places[i]
			l := &found[i].looked
			l.e, l.hash = nil, withSubkey(keygroup.Hash(p.Key), p.Subkey)
			if l.part, _ = m.part(p.Group, p.Table); l.part != nil {
				sum += m.start(l)
			}
		}
		for i := range n {
			if l := &found[i].looked; l.part != nil {
				sum += m.follow(l, len(places[i].Key)+len(places[i].Subkey))
			}
		}
		places, found = places[n:], found[n:]
	}
	m.touched += sum
}

// GetFound is Get of an entry that Find was asked for.
func (m *Memory) GetFound(p *Place, f *Found) (value []byte, version uint32, ok bool, err error) {
	if f.part == nil {
		return m.Get(p.Group, p.Table, p.Key, p.Subkey)
	}
	value, version, ok = m.getLooked(&f.looked, p.Key, p.Subkey)
	return value, version, ok, nil
}

// PutFound is Put of an entry that Find was asked for.
func (m *Memory) PutFound(p *Place, f *Found, value []byte) error {
	if f.part == nil || f.e == nil {
		return m.Put(p.Group, p.Table, p.Key, p.Subkey, value)
	}
	return m.putLooked(&f.looked, p.Key, p.Subkey, value)
}
