package state

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/wasmill/wasmill/runtime/prefetch"
)

// Memory is the backend that keeps everything in RAM, outside of the Go heap. An entry
// takes 16 bytes, its key, subkey and value, rounded up, and 9 to 18 bytes in the hash
// table; one with a subkey, about 20 more.
//
// Time is cut into epochs by snapshots. Each entry knows the epoch of its last change:
// a delta is what changed after the epoch of the checkpoint it builds on. While a
// snapshot is written, the owner keeps a copy of what it changes for the first time
// since (memory_snapshot.go).
type Memory struct {
	*region
	options Options
	groups  int
	parts   []atomic.Pointer[part] // group by group, table by table; made when needed
	now     int64
	version uint32
	bytes   int64

	chunks []chunk  // by number; grows under mu
	spare  []uint32 // numbers that are free again
	idle   []idleChunk
	mu     sync.Mutex // guards the lists of chunks against snapshots being written

	epoch     uint32 // of changes made now
	base      mark   // the last confirmed checkpoint
	marks     []mark // unconfirmed ones, ascending
	active    []*memorySnapshot
	dead      deadLog
	preserved atomic.Int64 // bytes of copies kept for snapshots

	values *valueLog // where values lie that do not lie behind their names; nil: all do

	users atomic.Int32 // the owner and the snapshots not closed

	keys    []keyPlace // of ScanKeys, used again
	touched uint64
	nearing prefetch.Places
}

// mark is where a checkpoint lies in the epochs: it holds the changes up to its own.
type mark struct {
	checkpoint uint64
	epoch      uint32
}

var _ Backend = (*Memory)(nil)

// NewMemory makes an empty backend of keyed tables.
func NewMemory(options Options) (*Memory, error) {
	if err := options.check(true); err != nil {
		return nil, err
	}
	return newMemory(options)
}

// NewOperator makes an empty backend of an operator's own tables. It has one group, 0.
// Restore it from Spread.
func NewOperator(tables []Table, limit int64) (*Memory, error) {
	options := Options{Tables: tables, End: 1, Limit: limit}
	if err := options.check(false); err != nil {
		return nil, err
	}
	return newMemory(options)
}

func newMemory(options Options) (*Memory, error) {
	r, err := openRegion()
	if err != nil {
		return nil, err
	}
	options.Tables = slices.Clone(options.Tables)
	groups := options.End - options.First
	m := &Memory{
		region: r, options: options, groups: groups, epoch: 1,
		parts:  make([]atomic.Pointer[part], groups*len(options.Tables)),
		chunks: make([]chunk, 1), // number 0 is none
	}
	m.users.Store(1)
	return m, nil
}

// SetTime implements Backend.
func (m *Memory) SetTime(now int64) { m.now = max(m.now, now) }

// SetVersion implements Backend.
func (m *Memory) SetVersion(version uint32) { m.version = version }

// Bytes implements Backend.
func (m *Memory) Bytes() int64 { return m.bytes }

// Memory implements Backend.
func (m *Memory) Memory() int64 { return m.held + m.dead.bytes + m.preserved.Load() }

// Close implements Backend. The memory goes with the last snapshot that is still being
// written.
func (m *Memory) Close() error { return m.release() }

func (m *Memory) release() error {
	if m.users.Add(-1) > 0 {
		return nil
	}
	if m.values != nil {
		return errors.Join(m.values.close(), m.close())
	}
	return m.close()
}

// part finds a part; nil with ok if it has no entry yet.
func (m *Memory) part(group, table int) (p *part, ok bool) {
	g := group - m.options.First
	if uint(g) >= uint(m.groups) || uint(table) >= uint(len(m.options.Tables)) {
		return nil, false
	}
	return m.parts[g*len(m.options.Tables)+table].Load(), true
}

// makePart finds a part, or makes it.
func (m *Memory) makePart(group, table int) (*part, error) {
	p, ok := m.part(group, table)
	if p != nil {
		return p, nil
	}
	if !ok {
		return nil, errPlace(group, table)
	}
	index := (group-m.options.First)*len(m.options.Tables) + table
	p = &part{index: uint32(index), group: group, table: table, head: entryHead, dir: []uint32{0}}
	if m.values != nil {
		p.head = entryPlace + 8
	}
	if ttl := m.options.Tables[table].TTL; ttl > 0 {
		p.ttl, p.stamp = max(ttl.Milliseconds(), 1), p.head
		p.head += 8
	}
	ref, err := m.takeSlots(segmentStart)
	if err != nil {
		return nil, err
	}
	p.segments = []segment{{ref: ref, log: segmentStart}}
	m.parts[index].Store(p)
	return p, nil
}

// expired tells whether an entry's time is over.
func (m *Memory) expired(p *part, e unsafe.Pointer) bool {
	return p.ttl > 0 && m.now-*(*int64)(unsafe.Add(e, p.stamp)) >= p.ttl
}

// sizes are the lengths of an entry's key, subkey and value.
func sizes(e unsafe.Pointer) (key, subkey, value int) {
	lens := *(*uint32)(unsafe.Add(e, entryLens))
	return int(lens & 0xffff), int(lens >> 16), valueLen(e)
}

// Get implements Backend.
func (m *Memory) Get(group, table int, key, subkey []byte) (value []byte, version uint32, ok bool, err error) {
	p, ok := m.part(group, table)
	if !ok {
		return nil, 0, false, errPlace(group, table)
	}
	if p == nil || len(key) > MaxKey || len(subkey) > MaxSubkey {
		return nil, 0, false, checkEntry(key, subkey, 0)
	}
	value, version, ok = m.get(p, hashOf(key, subkey), key, subkey)
	return value, version, ok, nil
}

func (m *Memory) get(p *part, hash uint64, key, subkey []byte) (value []byte, version uint32, ok bool) {
	e, _ := m.find(p, hash, key, subkey, 0)
	if e == nil {
		return nil, 0, false
	}
	return m.read(p, e, len(key)+len(subkey))
}

// read is the value of an entry whose names have that length.
func (m *Memory) read(p *part, e unsafe.Pointer, names int) (value []byte, version uint32, ok bool) {
	if m.expired(p, e) {
		return nil, 0, false
	}
	value = unsafe.Slice((*byte)(unsafe.Add(e, p.head+names)), valueLen(e))
	return value, *(*uint32)(unsafe.Add(e, entryVersion)), true
}

func valueLen(e unsafe.Pointer) int { return int(*(*uint32)(unsafe.Add(e, entryWord)) & lengthMask) }

// Put implements Backend.
func (m *Memory) Put(group, table int, key, subkey, value []byte) error {
	if err := checkEntry(key, subkey, len(value)); err != nil {
		return err
	}
	p, err := m.makePart(group, table)
	if err != nil {
		return err
	}
	return m.put(p, hashOf(key, subkey), key, subkey, value)
}

func (m *Memory) put(p *part, hash uint64, key, subkey, value []byte) (err error) {
	e, slot := m.find(p, hash, key, subkey, 0)
	if e == nil {
		return m.add(p, hash, key, subkey, value)
	}
	left := uint64(0)
	if valueLen(e) != len(value) {
		if e, left, err = m.refit(p, e, slot, subkey, len(value), 0); err != nil {
			return err
		}
	}
	m.renew(p, e)
	copy(unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key)+len(subkey))), len(value)), value)
	return m.wrote(p, e, left)
}

// wrote ends a change of an entry. Its old slot is given back only now: what was written
// may have been a slice of it.
func (m *Memory) wrote(p *part, e unsafe.Pointer, left uint64) error {
	m.stamp(p, e)
	if left != 0 {
		if err := m.give(p, left); err != nil {
			return err
		}
	}
	return m.sweepSome(p)
}

// Append implements Backend.
func (m *Memory) Append(group, table int, key, subkey, value []byte) error {
	if err := checkEntry(key, subkey, len(value)); err != nil {
		return err
	}
	p, err := m.makePart(group, table)
	if err != nil {
		return err
	}
	hash := hashOf(key, subkey)
	e, slot := m.find(p, hash, key, subkey, 0)
	switch {
	case e == nil:
		return m.add(p, hash, key, subkey, value)
	case m.expired(p, e):
		return m.Put(group, table, key, subkey, value)
	}
	_, _, old := sizes(e)
	if err := checkEntry(key, subkey, old+len(value)); err != nil {
		return err
	}
	e, left, err := m.refit(p, e, slot, subkey, old+len(value), old)
	if err != nil {
		return err
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key)+len(subkey)+old)), len(value)), value)
	return m.wrote(p, e, left)
}

// Delete implements Backend.
func (m *Memory) Delete(group, table int, key, subkey []byte) error {
	if err := checkEntry(key, subkey, 0); err != nil {
		return err
	}
	p, ok := m.part(group, table)
	if !ok {
		return errPlace(group, table)
	}
	if p == nil {
		return nil
	}
	if e, slot := m.find(p, hashOf(key, subkey), key, subkey, 0); e != nil {
		return m.drop(p, e, slot, true, true)
	}
	return nil
}

// stamp says when and under which version an entry was written.
func (m *Memory) stamp(p *part, e unsafe.Pointer) {
	*(*uint32)(unsafe.Add(e, entryVersion)) = m.version
	if p.ttl > 0 {
		*(*int64)(unsafe.Add(e, p.stamp)) = m.now
	}
}

// room counts bytes that the state is about to take; an operation that would pass the
// limit is refused.
func (m *Memory) room(bytes int) error {
	need := m.bytes + int64(bytes)
	if m.options.Limit > 0 && bytes > 0 && need > m.options.Limit {
		return &LimitError{Limit: m.options.Limit, Need: need}
	}
	m.bytes = need
	return nil
}

// add makes an entry that is not there.
func (m *Memory) add(p *part, hash uint64, key, subkey, value []byte) error {
	if err := m.room(EntryOverhead + len(key) + len(subkey) + len(value)); err != nil {
		return err
	}
	e, ref, err := m.write(p, hash, key, subkey, len(value), flagLive|flagNew)
	if err != nil {
		return err
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key)+len(subkey))), len(value)), value)
	m.stamp(p, e)
	m.mark(p)
	if len(subkey) > 0 {
		if err := m.plantEntry(p, key, subkey, ref); err != nil {
			return err
		}
	}
	return m.sweepSome(p)
}

// write takes a slot, fills its header, key and subkey, and enters it.
func (m *Memory) write(p *part, hash uint64, key, subkey []byte, value int, flags uint32) (e unsafe.Pointer, ref uint64, err error) {
	if ref, err = m.take(p, p.head+len(key)+len(subkey)+value); err != nil {
		return nil, 0, err
	}
	if err = m.insert(p, hash, ref); err != nil {
		return nil, 0, err
	}
	e = m.at(ref)
	atomic.StoreUint32((*uint32)(e), m.epoch) // before anything else changes: see gather
	*(*uint32)(unsafe.Add(e, entryLens)) = lensOf(key, subkey)
	*(*uint32)(unsafe.Add(e, entryWord)) = uint32(value) | flags
	if m.values != nil {
		atomic.StoreUint64(placeOf(e), 0)
	}
	at := unsafe.Add(e, p.head)
	copy(unsafe.Slice((*byte)(at), len(key)), key)
	copy(unsafe.Slice((*byte)(unsafe.Add(at, len(key))), len(subkey)), subkey)
	return e, ref, nil
}

// mark notes that a part changes in this epoch.
func (m *Memory) mark(p *part) {
	if p.written.Load() != m.epoch {
		p.written.Store(m.epoch)
	}
}
