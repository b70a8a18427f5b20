package state

import (
	"sync/atomic"
	"unsafe"
)

// renew makes an entry one of this epoch, before it changes.
func (m *Memory) renew(p *part, e unsafe.Pointer) {
	if *(*uint32)(e) == m.epoch {
		return
	}
	if len(m.active) > 0 {
		m.preserve(p, e)
	}
	atomic.StoreUint32((*uint32)(e), m.epoch)
	*(*uint32)(unsafe.Add(e, entryWord)) &^= flagNew
	m.mark(p)
}

// refit makes an entry's value another length, moving the entry if its slot does not
// fit; of the old value the first keep bytes stay. Left is the slot to give back.
func (m *Memory) refit(p *part, e, slot unsafe.Pointer, subkey []byte, value, keep int) (to unsafe.Pointer, left uint64, err error) {
	k, s, old := sizes(e)
	if err := m.room(value - old); err != nil {
		return nil, 0, err
	}
	m.renew(p, e)
	word := (*uint32)(unsafe.Add(e, entryWord))
	size := p.head + k + s
	if sameSlot(size+old, size+value) {
		*word = *word&^lengthMask | uint32(value)
		return e, 0, nil
	}
	ref, err := m.take(p, size+value)
	if err != nil {
		return nil, 0, err
	}
	to = m.at(ref)
	atomic.StoreUint32((*uint32)(to), m.epoch)
	*(*uint32)(unsafe.Add(to, entryWord)) = *word&^lengthMask | uint32(value)
	n := size + keep - entryLens
	copy(unsafe.Slice((*byte)(unsafe.Add(to, entryLens)), n), unsafe.Slice((*byte)(unsafe.Add(e, entryLens)), n))
	place := (*uint64)(slot)
	left = *place & refMask
	*place = *place&^refMask | ref
	if len(subkey) > 0 {
		key := unsafe.Slice((*byte)(unsafe.Add(to, p.head)), k)
		m.moveEntry(p, key, subkey, ref)
	}
	return to, left, nil
}

// drop removes an entry. Told, deltas say that it is gone; an expired one is gone
// wherever it is restored. Listed, it is taken out of the tree of its key.
func (m *Memory) drop(p *part, e, slot unsafe.Pointer, told, listed bool) error {
	k, s, v := sizes(e)
	key := unsafe.Slice((*byte)(unsafe.Add(e, p.head)), k)
	subkey := unsafe.Slice((*byte)(unsafe.Add(e, p.head+k)), s)
	word := *(*uint64)(slot)
	if told && (*(*uint32)(e) != m.epoch || *(*uint32)(unsafe.Add(e, entryWord))&flagNew == 0) {
		m.bury(p, key, subkey)
	}
	if *(*uint32)(e) != m.epoch && len(m.active) > 0 {
		m.preserve(p, e)
	}
	if m.values != nil {
		m.values.leave(*placeOf(e))
	}
	m.mark(p)
	m.bytes -= int64(EntryOverhead + k + s + v)
	m.remove(p, word>>refBits, slot)
	if s > 0 && listed {
		if err := m.uprootEntry(p, key, subkey); err != nil {
			return err
		}
	}
	return m.give(p, word&refMask)
}
