package window

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

// session is one of a key while it is worked on. The sessions of a key are a list, by
// start; they neither overlap nor touch.
type session struct {
	start, end int64
	armed      int64 // the time in the index under which it is found; Beginning: none
	fired      bool  // it has given its result
	dirty      bool  // it has records that no result has
	pieces     int32 // what the backend had of it, several if it is being merged; -1: none
	records    int32 // that the batch adds; -1: none
	last       int32 // of these
	next       int32 // of the same key; -1: none
}

// piece is an accumulator, or for records the ids of buffers, eight bytes each.
type piece struct {
	span
	next int32
}

// pool holds the sessions of the keys of a batch.
type pool struct {
	sessions []session
	pieces   []piece
	arena    []byte
}

func (p *pool) reset() {
	p.sessions, p.pieces, p.arena = p.sessions[:0], p.pieces[:0], p.arena[:0]
}

func (p *pool) bytes(s span) []byte { return p.arena[s.offset : s.offset+s.size : s.offset+s.size] }

// piece adds bytes and returns the number of the piece.
func (p *pool) piece(b []byte) int32 {
	p.pieces = append(p.pieces, piece{span{len(p.arena), len(b)}, -1})
	p.arena = append(p.arena, b...)
	return int32(len(p.pieces) - 1)
}

// The sessions of a key in the backend, one behind the other:
//
//	i64 start   i64 end   i64 armed   u8 flags (1 fired, 2 dirty)   u32 len   accumulator or ids
const (
	sessionHead  = 29
	sessionFired = 1
	sessionDirty = 2
)

// decode reads the sessions of a key and returns the first; -1 if there is none.
func (p *pool) decode(b []byte) (head int32, err error) {
	head, tail := int32(-1), int32(-1)
	end := Beginning
	for len(b) > 0 {
		if len(b) < sessionHead {
			return -1, fault.Corruptf("a session is cut off")
		}
		s := session{
			start: int64(binary.LittleEndian.Uint64(b)), end: int64(binary.LittleEndian.Uint64(b[8:])),
			armed: int64(binary.LittleEndian.Uint64(b[16:])), records: -1, last: -1, next: -1,
			fired: b[24]&sessionFired != 0, dirty: b[24]&sessionDirty != 0,
		}
		n := int(binary.LittleEndian.Uint32(b[25:]))
		if n > len(b)-sessionHead || b[24] > sessionFired|sessionDirty || s.start < end || s.end <= s.start {
			return -1, fault.Corruptf("a session is not as written")
		}
		end = s.end
		s.pieces = p.piece(b[sessionHead : sessionHead+n])
		b = b[sessionHead+n:]
		at := int32(len(p.sessions))
		p.sessions = append(p.sessions, s)
		if head < 0 {
			head = at
		} else {
			p.sessions[tail].next = at
		}
		tail = at
	}
	return head, nil
}

// encode appends the sessions of a key.
func (p *pool) encode(b []byte, head int32) []byte {
	for at := head; at >= 0; at = p.sessions[at].next {
		s := &p.sessions[at]
		b = binary.LittleEndian.AppendUint64(b, uint64(s.start))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.end))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.armed))
		flags := byte(0)
		if s.fired {
			flags |= sessionFired
		}
		if s.dirty {
			flags |= sessionDirty
		}
		content := p.bytes(p.pieces[s.pieces].span)
		b = append(b, flags)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(content)))
		b = append(b, content...)
	}
	return b
}

// around finds the sessions of a list that overlap or touch [start, end): from first up
// to, not including, behind; before is the one before them. The bounds come back wide
// enough for all.
func (p *pool) around(head int32, start, end int64) (before, first, behind int32, from, to int64) {
	before, first, from, to = -1, head, start, end
	for first >= 0 && p.sessions[first].end < start {
		before, first = first, p.sessions[first].next
	}
	for behind = first; behind >= 0 && p.sessions[behind].start <= end; behind = p.sessions[behind].next {
		from, to = min(from, p.sessions[behind].start), max(to, p.sessions[behind].end)
	}
	return before, first, behind, from, to
}

// join makes one of the sessions from first up to behind.
func (p *pool) join(first, behind int32, records *gather) {
	s := &p.sessions[first]
	for at := s.next; at != behind; at = p.sessions[at].next {
		o := &p.sessions[at]
		s.dirty = s.dirty || o.dirty
		s.records, s.last = records.interleave(s.records, o.records), max(s.last, o.last)
		tail := &s.pieces
		for *tail >= 0 {
			tail = &p.pieces[*tail].next
		}
		*tail = o.pieces
	}
	s.next = behind
}

// interleave makes one list of two, in the order in which the records came.
func (g *gather) interleave(a, b int32) int32 {
	head := int32(-1)
	tail := &head
	for a >= 0 && b >= 0 {
		least := &a
		if b < a {
			least = &b
		}
		*tail = *least
		tail = &g.records[*least].next
		*least = *tail
	}
	if *tail = a; a < 0 {
		*tail = b
	}
	return head
}

// ids makes one piece of the ids of several, ascending.
func (p *pool) ids(s *session) {
	if s.pieces < 0 || p.pieces[s.pieces].next < 0 {
		return
	}
	start := len(p.arena)
	for at := s.pieces; at >= 0; at = p.pieces[at].next {
		p.arena = append(p.arena, p.bytes(p.pieces[at].span)...)
	}
	s.pieces = p.piece(sortIDs(p.arena[start:]))
}

func sortIDs(b []byte) []byte {
	ids := make([][]byte, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		ids = append(ids, b[:8])
	}
	slices.SortFunc(ids, bytes.Compare)
	return bytes.Join(ids, nil)
}
