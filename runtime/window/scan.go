package window

import (
	"bytes"
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/state"
)

// How much of a pane is read ahead.
const (
	scanEntries = 256
	scanBytes   = 64 << 10
)

// scanner reads the entries of one backend key in order of their subkeys, piece by
// piece, so that others can be read, and the guest called, in between.
type scanner struct {
	backend      state.Backend
	group, table int
	key          []byte
	source       int // of the values: input and pane, in the order the guest gets them

	visit   func(subkey, value []byte, version uint32) bool
	arena   []byte
	entries []scanned
	at      int
	done    bool   // nothing behind the entries
	from    []byte // where the next piece starts
}

type scanned struct {
	prefix     uint64 // of the subkey
	subkey     span
	valueStart int
	valueSize  int
}

func newScanner(b state.Backend) *scanner {
	s := &scanner{backend: b}
	s.visit = s.take
	return s
}

func (s *scanner) open(group, table int, key []byte, source int) error {
	s.group, s.table, s.source = group, table, source
	s.key = append(s.key[:0], key...)
	s.from, s.done = s.from[:0], false
	return s.fill()
}

func (s *scanner) take(subkey, value []byte, _ uint32) bool {
	at := len(s.arena)
	s.arena = append(append(s.arena, subkey...), value...)
	s.entries = append(s.entries, scanned{prefixOf(subkey), span{at, len(subkey)}, at + len(subkey), len(value)})
	return len(s.entries) < scanEntries && len(s.arena) < scanBytes
}

func (s *scanner) fill() error {
	s.arena, s.entries, s.at = s.arena[:0], s.entries[:0], 0
	if s.done {
		return nil
	}
	if err := s.backend.Scan(s.group, s.table, s.key, s.from, nil, s.visit); err != nil {
		return err
	}
	if s.done = len(s.entries) < scanEntries && len(s.arena) < scanBytes; !s.done {
		s.from = append(append(s.from[:0], s.subkeyAt(len(s.entries)-1)...), 0)
	}
	return nil
}

// next moves on.
func (s *scanner) next() error {
	if s.at++; s.at < len(s.entries) {
		return nil
	}
	return s.fill()
}

func (s *scanner) more() bool { return s.at < len(s.entries) }

func (s *scanner) subkeyAt(i int) []byte {
	e := &s.entries[i]
	return s.arena[e.subkey.offset : e.subkey.offset+e.subkey.size]
}

func (s *scanner) subkey() []byte { return s.subkeyAt(s.at) }

func (s *scanner) value() []byte {
	e := &s.entries[s.at]
	return s.arena[e.valueStart : e.valueStart+e.valueSize]
}

// prefixOf is the start of a subkey, big-endian, so that most comparisons end here.
func prefixOf(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// merger reads several scanners as one: by subkey, then by source. Its heap has those
// that have more.
type merger struct {
	backend state.Backend
	spare   []*scanner
	heap    []*scanner
}

func (m *merger) reset() {
	m.spare = append(m.spare, m.heap...)
	m.heap = m.heap[:0]
}

// add opens another source.
func (m *merger) add(group, table int, key []byte, source int) error {
	var s *scanner
	if n := len(m.spare); n > 0 {
		s, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		s = newScanner(m.backend)
	}
	if err := s.open(group, table, key, source); err != nil || !s.more() {
		m.spare = append(m.spare, s)
		return err
	}
	m.heap = append(m.heap, s)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !less(m.heap[i], m.heap[up]) {
			break
		}
		m.heap[i], m.heap[up] = m.heap[up], m.heap[i]
		i = up
	}
	return nil
}

// next moves the first scanner on.
func (m *merger) next() error {
	top := m.heap[0]
	if err := top.next(); err != nil {
		return err
	}
	if !top.more() {
		last := len(m.heap) - 1
		m.spare = append(m.spare, top)
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(m.heap) {
			return nil
		}
		if down+1 < len(m.heap) && less(m.heap[down+1], m.heap[down]) {
			down++
		}
		if !less(m.heap[down], m.heap[i]) {
			return nil
		}
		m.heap[i], m.heap[down] = m.heap[down], m.heap[i]
		i = down
	}
}

func less(a, b *scanner) bool {
	x, y := &a.entries[a.at], &b.entries[b.at]
	if x.prefix != y.prefix {
		return x.prefix < y.prefix
	}
	if c := bytes.Compare(a.subkey(), b.subkey()); c != 0 {
		return c < 0
	}
	return a.source < b.source
}
