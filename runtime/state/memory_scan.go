package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"
)

// root finds the root of a key's tree of subkeys, in the value of its own record.
func (m *Memory) root(p *part, key []byte) (value []byte, slot unsafe.Pointer) {
	e, slot := m.find(p, hashOf(key, nil), key, nil, flagTree)
	if e == nil {
		return nil, nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key))), 8), slot
}

// plantEntry enters a subkey into the tree of its key.
func (m *Memory) plantEntry(p *part, key, subkey []byte, ref uint64) error {
	root, _ := m.root(p, key)
	it := item{prefixOf(subkey), ref}
	if root == nil {
		leaf, n, err := m.newNode(nodeSmall, 0)
		if err != nil {
			return err
		}
		n.count = 1
		n.items()[0] = it
		e, _, err := m.write(p, hashOf(key, nil), key, nil, 8, flagLive|flagTree)
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key))), 8), leaf)
		return nil
	}
	left, right, err := m.plant(p, binary.LittleEndian.Uint64(root), it, subkey)
	if err != nil {
		return err
	}
	if right != 0 {
		top, n, err := m.newNode(nodeSmall, m.node(left).level+1)
		if err != nil {
			return err
		}
		n.count = 2
		n.items()[0] = item{m.node(left).all()[0].prefix, left}
		n.items()[1] = item{m.node(right).all()[0].prefix, right}
		left = top
	}
	binary.LittleEndian.PutUint64(root, left)
	return nil
}

// uprootEntry takes a subkey out of the tree of its key, and the tree with its last.
func (m *Memory) uprootEntry(p *part, key, subkey []byte) error {
	root, slot := m.root(p, key)
	left, err := m.uproot(p, binary.LittleEndian.Uint64(root), prefixOf(subkey), subkey)
	if err != nil {
		return err
	}
	if left == 0 {
		word := *(*uint64)(slot)
		m.remove(p, word>>refBits, slot)
		return m.give(p, word&refMask)
	}
	for n := m.node(left); n.level > 0 && n.count == 1; n = m.node(left) {
		child := n.all()[0].ref
		m.giveBlock(left, int(n.log))
		left = child
	}
	binary.LittleEndian.PutUint64(root, left)
	return nil
}

// moveEntry tells the tree of a key where the entry of a subkey lies now.
func (m *Memory) moveEntry(p *part, key, subkey []byte, ref uint64) {
	root, _ := m.root(p, key)
	m.replant(p, binary.LittleEndian.Uint64(root), prefixOf(subkey), subkey, ref)
}

// Scan implements Backend.
func (m *Memory) Scan(group, table int, key, from, to []byte, visit func(subkey, value []byte, version uint32) bool) error {
	p, err := m.scanned(group, table, key, to)
	if p == nil {
		return err
	}
	m.each(p, key, from, func(e unsafe.Pointer) bool {
		k, s, v := sizes(e)
		subkey := unsafe.Slice((*byte)(unsafe.Add(e, p.head+k)), s)
		if to != nil && bytes.Compare(subkey, to) >= 0 {
			return false
		}
		if m.expired(p, e) {
			return true
		}
		return visit(subkey, unsafe.Slice((*byte)(unsafe.Add(e, p.head+k+s)), v), *(*uint32)(unsafe.Add(e, entryVersion)))
	})
	return nil
}

// scanned is where a scan looks; nil if it finds nothing or must not be.
func (m *Memory) scanned(group, table int, key, to []byte) (*part, error) {
	p, ok := m.part(group, table)
	switch {
	case !ok:
		return nil, errPlace(group, table)
	case p == nil || len(key) > MaxKey:
		return nil, checkEntry(key, nil, 0)
	case to != nil && len(to) == 0:
		return nil, nil
	}
	return p, nil
}

// each shows the entries of a key with from ≤ subkey in order, until show returns false.
func (m *Memory) each(p *part, key, from []byte, show func(e unsafe.Pointer) bool) {
	if len(from) == 0 {
		if e, _ := m.find(p, hashOf(key, nil), key, nil, 0); e != nil && !show(e) {
			return
		}
	}
	if root, _ := m.root(p, key); root != nil {
		m.walk(p, binary.LittleEndian.Uint64(root), prefixOf(from), from, func(ref uint64) bool { return show(m.at(ref)) })
	}
}

// DeleteRange implements Backend.
func (m *Memory) DeleteRange(group, table int, key, from, to []byte) error {
	p, ok := m.part(group, table)
	if !ok {
		return errPlace(group, table)
	}
	if p == nil || len(key) > MaxKey {
		return checkEntry(key, nil, 0)
	}
	if to != nil && len(to) == 0 {
		return nil
	}
	if len(from) == 0 {
		if err := m.Delete(group, table, key, nil); err != nil {
			return err
		}
	}
	if len(from) == 0 && to == nil {
		return m.dropTree(p, key)
	}
	for {
		root, _ := m.root(p, key)
		if root == nil {
			return nil
		}
		ref := m.first(p, binary.LittleEndian.Uint64(root), prefixOf(from), from)
		if ref == 0 {
			return nil
		}
		subkey := m.subkeyOf(p, ref)
		if to != nil && bytes.Compare(subkey, to) >= 0 {
			return nil
		}
		e, slot := m.find(p, hashOf(key, subkey), key, subkey, 0)
		if err := m.drop(p, e, slot, true, true); err != nil {
			return err
		}
	}
}

// dropTree removes all subkeys of a key, and their tree at once.
func (m *Memory) dropTree(p *part, key []byte) (err error) {
	value, slot := m.root(p, key)
	if value == nil {
		return nil
	}
	root, word := binary.LittleEndian.Uint64(value), *(*uint64)(slot)
	m.walk(p, root, 0, nil, func(ref uint64) bool {
		subkey := m.subkeyOf(p, ref)
		e, slot := m.find(p, hashOf(key, subkey), key, subkey, 0)
		err = m.drop(p, e, slot, true, false)
		return err == nil
	})
	if err != nil {
		return err
	}
	m.fell(root)
	_, slot = m.root(p, key) // it may have moved up
	m.remove(p, word>>refBits, slot)
	return m.give(p, word&refMask)
}

// keyPlace is where a key of a segment stands in the order of keys.
type keyPlace struct {
	hash uint64
	ref  uint64
}

// ScanKeys implements Backend. It sorts one segment at a time.
func (m *Memory) ScanKeys(group, table int, after []byte, visit func(key []byte) bool) error {
	p, ok := m.part(group, table)
	if !ok {
		return errPlace(group, table)
	}
	if p == nil || len(after) > MaxKey {
		return checkEntry(after, nil, 0)
	}
	start := uint64(0)
	if after != nil {
		start = hashOf(after, nil)
	}
	for at := start >> refBits >> (tagBits - p.depth); at < uint64(len(p.dir)); {
		s := &p.segments[p.dir[at]]
		var last []byte
		for _, place := range m.segmentKeys(p, s) {
			e := m.at(place.ref)
			k, _, _ := sizes(e)
			key := unsafe.Slice((*byte)(unsafe.Add(e, p.head)), k)
			behind := after == nil || place.hash > start || place.hash == start && compareKeys(key, after) > 0
			// A key has an entry under the empty subkey, a tree, or both.
			if !behind || last != nil && bytes.Equal(key, last) || !m.holds(p, e, key) {
				continue
			}
			if !visit(key) {
				return nil
			}
			last = key
		}
		span := uint64(1) << (p.depth - s.depth)
		at = at&^(span-1) + span
	}
	return nil
}

// segmentKeys lists what stands under the hash of its key in a segment, in the order of
// keys.
func (m *Memory) segmentKeys(p *part, s *segment) []keyPlace {
	m.keys = m.keys[:0]
	for _, word := range m.slots(s) {
		if word == 0 {
			continue
		}
		e := m.at(word & refMask)
		if k, sub, _ := sizes(e); sub == 0 {
			m.keys = append(m.keys, keyPlace{hashOf(unsafe.Slice((*byte)(unsafe.Add(e, p.head)), k), nil), word & refMask})
		}
	}
	slices.SortFunc(m.keys, func(a, b keyPlace) int {
		if c := cmp.Compare(a.hash, b.hash); c != 0 {
			return c
		}
		return compareKeys(m.keyOf(p, a.ref), m.keyOf(p, b.ref))
	})
	return m.keys
}

func (m *Memory) keyOf(p *part, ref uint64) []byte {
	e := m.at(ref)
	k, _, _ := sizes(e)
	return unsafe.Slice((*byte)(unsafe.Add(e, p.head)), k)
}

// holds tells whether what stands under a key is, or leads to, an entry that has not
// expired.
func (m *Memory) holds(p *part, e unsafe.Pointer, key []byte) bool {
	if *(*uint32)(unsafe.Add(e, entryWord))&flagTree == 0 {
		return !m.expired(p, e)
	}
	if p.ttl == 0 {
		return true
	}
	root := binary.LittleEndian.Uint64(unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key))), 8))
	return !m.walk(p, root, 0, nil, func(ref uint64) bool { return m.expired(p, m.at(ref)) })
}

// Touch implements Backend: it loads the first places that a look-up reads. Loads of
// many entries overlap; those of one look-up wait for each other.
func (m *Memory) Touch(group, table int, key, subkey []byte) {
	if p, _ := m.part(group, table); p != nil {
		m.touch(p, hashOf(key, subkey), len(key)+len(subkey))
	}
}

// touch loads the entry that a hash leads to, and what comes behind its names. It may be
// another entry, and shorter.
func (m *Memory) touch(p *part, hash uint64, names int) {
	if ref := m.near(p, hash); ref != 0 {
		e := m.at(ref)
		m.touched += uint64(*(*uint32)(e)) + uint64(*(*byte)(unsafe.Add(e, p.head+min(names, 64))))
	}
}

// sweep is a walk through the chunks of a part in search of expired entries.
type sweep struct {
	chunk int // index in part.chunks
	slot  uint32
}

// sweepSome looks at a few slots of a part whose entries expire, and removes those that
// have: as many for each entry written as make removal keep pace.
func (m *Memory) sweepSome(p *part) error {
	if p.ttl == 0 {
		return nil
	}
	for range 4 {
		if p.sweep.chunk >= len(p.chunks) {
			p.sweep = sweep{}
			return nil
		}
		c := &m.chunks[p.chunks[p.sweep.chunk]]
		if p.sweep.slot >= c.fresh {
			p.sweep.chunk++
			p.sweep.slot = 0
			continue
		}
		e := m.at(uint64(c.first)<<(pageShift-refShift) + uint64(p.sweep.slot)*uint64(c.size)>>refShift)
		p.sweep.slot++
		word := *(*uint32)(unsafe.Add(e, entryWord))
		if word == 0 || word&flagTree != 0 || !m.expired(p, e) {
			continue
		}
		k, s, _ := sizes(e)
		key := unsafe.Slice((*byte)(unsafe.Add(e, p.head)), k)
		subkey := unsafe.Slice((*byte)(unsafe.Add(e, p.head+k)), s)
		_, slot := m.find(p, hashOf(key, subkey), key, subkey, 0)
		if err := m.drop(p, e, slot, false, true); err != nil {
			return err
		}
	}
	return nil
}
