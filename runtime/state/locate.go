package state

import (
	"unsafe"

	"github.com/wasmill/wasmill/runtime/prefetch"
)

// looked is what is known of an entry in memory before it is used. Many are found side
// by side, in two steps: the loads of a step overlap, those of a look-up wait for each
// other.
type looked struct {
	part *part          // nil: nothing is known
	hash uint64         // 0: not known either
	e    unsafe.Pointer // what seems to be the entry; nil: it is to be found
	// released is Memory.released when e was found.
	released uint32
}

// nearMost is how many bytes of an entry are brought near.
const nearMost = 512

// start is the slot where the search for a hash starts.
func (m *Memory) start(l *looked) unsafe.Pointer {
	tag := l.hash >> refBits
	s := &l.part.segments[l.part.segmentOf(tag)]
	return unsafe.Add(m.at(s.ref), tag&(uint64(1)<<s.log-1)<<3)
}

// follow searches on, and brings the entry near: its head, and as many bytes.
func (m *Memory) follow(l *looked, bytes int, near *prefetch.Places) {
	tag := l.hash >> refBits
	s := &l.part.segments[l.part.segmentOf(tag)]
	slots, mask := m.at(s.ref), uint64(1)<<s.log-1
	for i := tag & mask; ; i = (i + 1) & mask {
		word := *(*uint64)(unsafe.Add(slots, i<<3))
		if word == 0 {
			return
		}
		if word>>refBits == tag {
			l.e, l.released = m.at(word&refMask), m.released
			// The first byte behind them is of the value.
			end := int(uintptr(l.e)&(prefetch.Line-1)) + min(l.part.head+bytes, nearMost)
			for line := 0; line <= end; line += prefetch.Line {
				near.Add(unsafe.Add(l.e, line))
			}
			return
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

// putLooked is put for an entry that was looked for.
func (m *Memory) putLooked(l *looked, key, subkey, value []byte) error {
	if !m.is(l, key, subkey) || valueLen(l.e) != len(value) {
		if l.hash == 0 {
			l.hash = hashOf(key, subkey)
		}
		return m.put(l.part, l.hash, key, subkey, value)
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
			// Its place may have had another key when it was found, with another hash.
			op.looked, op.memory, op.hash = f.looked, f.memory, 0
			t.next = i + 1
			return true
		}
	}
	return false
}
