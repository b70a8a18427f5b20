package state

import (
	"unsafe"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/prefetch"
)

// Place names an entry of a keyed table.
type Place struct {
	Group, Table int
	Key, Subkey  []byte
	// SubkeyHash is keygroup.Hash of the subkey, if that is at hand; 0: it is not.
	SubkeyHash uint64
	// Size is about how many bytes of the value will be read; few are near anyway.
	Size int
}

// hash is the hash of the entry.
func (p *Place) hash() uint64 {
	hash := keygroup.Hash(p.Key)
	switch {
	case len(p.Subkey) == 0:
		return hash
	case p.SubkeyHash == 0:
		return withSubkey(hash, p.Subkey)
	}
	return mix(hash, p.SubkeyHash)
}

// Found is what Memory.Find knows of an entry.
type Found struct{ looked }

// Find looks for many entries at once, which costs much less than one after the other.
// What it finds is for GetFound and PutFound with the same places; other changes of the
// backend may come between.
func (m *Memory) Find(places []Place, found []Found) {
	near := &m.nearing
	for len(places) > 0 {
		n := min(len(places), touchAhead)
		for i := range n {
			p, l := &places[i], &found[i].looked
			l.e, l.hash = nil, p.hash()
			if l.part, _ = m.part(p.Group, p.Table); l.part != nil {
				near.Add(m.start(l))
			}
		}
		near.Now()
		for i := range n {
			if l := &found[i].looked; l.part != nil {
				m.follow(l, len(places[i].Key)+len(places[i].Subkey)+places[i].Size, near)
			}
		}
		near.Now()
		places, found = places[n:], found[n:]
	}
}

// GetFound is Get of an entry that Find was asked for.
func (m *Memory) GetFound(p *Place, f *Found) (value []byte, version uint32, ok bool, err error) {
	if f.part == nil {
		return m.Get(p.Group, p.Table, p.Key, p.Subkey)
	}
	value, version, ok = m.getLooked(&f.looked, p.Key, p.Subkey)
	return value, version, ok, nil
}

// Near brings parts of values that were read near, all at once.
func (m *Memory) Near(parts [][]byte) {
	for _, b := range parts {
		if len(b) == 0 {
			continue
		}
		first := unsafe.Pointer(unsafe.SliceData(b))
		m.nearing.Add(first)
		if last := unsafe.Add(first, len(b)-1); (uintptr(first)^uintptr(last))&^(prefetch.Line-1) != 0 {
			m.nearing.Add(last)
		}
	}
	m.nearing.Now()
}

// EditFound is PutFound for a caller that changes some bytes of what is there: it returns
// the value, which may be written until the next call. Not ok: there is none to be
// changed.
func (m *Memory) EditFound(p *Place, f *Found) (value []byte, ok bool, err error) {
	l := &f.looked
	if l.part == nil {
		if l.part, _ = m.part(p.Group, p.Table); l.part == nil {
			return nil, false, nil
		}
	}
	if !m.is(l, p.Key, p.Subkey) {
		if l.e, _ = m.find(l.part, l.hash, p.Key, p.Subkey, 0); l.e == nil {
			return nil, false, nil
		}
		l.released = m.released
	}
	value, _, ok = m.read(l.part, l.e, len(p.Key)+len(p.Subkey))
	if !ok {
		return nil, false, nil
	}
	m.renew(l.part, l.e)
	return value, true, m.wrote(l.part, l.e, 0)
}

// PutFound is Put of an entry that Find was asked for.
func (m *Memory) PutFound(p *Place, f *Found, value []byte) error {
	if f.part == nil {
		return m.Put(p.Group, p.Table, p.Key, p.Subkey, value)
	}
	if err := checkEntry(p.Key, p.Subkey, len(value)); err != nil {
		return err
	}
	return m.putLooked(&f.looked, p.Key, p.Subkey, value)
}
