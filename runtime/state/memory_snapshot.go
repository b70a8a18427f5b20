package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// memorySnapshot is written while the owner goes on. It walks the slots of a part; an
// entry whose epoch is the snapshot's or earlier is as it was. Before the owner changes
// such an entry, it puts a copy aside here, and then makes the entry one of the present
// epoch: the writer looks at the epoch before and after it reads an entry, and takes
// the copy if it has changed.
type memorySnapshot struct {
	memory     *Memory
	checkpoint uint64
	since      mark // zero: everything
	epoch      uint32
	now        int64
	dead       []deadBlock
	closed     atomic.Bool
	walked     []atomic.Bool // by part: no more copies are needed
	pace       Pacer

	mu     sync.Mutex
	copies map[uint32][]byte // by part; guarded by mu
}

// Snapshot implements Backend.
func (m *Memory) Snapshot(checkpoint uint64, full bool) (Snapshot, error) {
	if last := m.lastMark(); checkpoint <= last {
		return nil, fmt.Errorf("take snapshot of checkpoint %d: the last was of %d", checkpoint, last)
	}
	if err := m.prune(); err != nil {
		return nil, err
	}
	s := &memorySnapshot{
		memory: m, checkpoint: checkpoint, epoch: m.epoch, now: m.now,
		walked: make([]atomic.Bool, len(m.parts)), copies: map[uint32][]byte{}, pace: func(float64) {},
	}
	if m.options.Pace != nil {
		s.pace = m.options.Pace()
	}
	if !full && m.base.epoch > 0 {
		s.since = m.base
		s.dead = m.dead.between(s.since.epoch, s.epoch)
	}
	m.marks = append(m.marks, mark{checkpoint, m.epoch})
	m.epoch++
	m.active = append(m.active, s)
	m.users.Add(1)
	return s, nil
}

func (m *Memory) lastMark() uint64 {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1].checkpoint
	}
	return m.base.checkpoint
}

// Confirm implements Backend.
func (m *Memory) Confirm(checkpoint uint64) {
	for i, k := range m.marks {
		if k.checkpoint == checkpoint {
			m.base = k
			m.marks = append(m.marks[:0], m.marks[i+1:]...)
			m.dead.forget(k.epoch)
			return
		}
	}
}

// prune forgets the snapshots that are closed, and with the last what they held back.
func (m *Memory) prune() error {
	m.active = slices.DeleteFunc(m.active, func(s *memorySnapshot) bool { return s.closed.Load() })
	if len(m.active) == 0 {
		return m.dropIdle()
	}
	return nil
}

// preserve puts a copy of an entry aside for the snapshots that still need it.
func (m *Memory) preserve(p *part, e unsafe.Pointer) {
	epoch := *(*uint32)(e)
	for _, s := range m.active {
		if epoch > s.epoch || epoch <= s.since.epoch || s.walked[p.index].Load() || s.closed.Load() {
			continue
		}
		k, sub, v := sizes(e)
		bytes := unsafe.Slice((*byte)(e), p.head+k+sub+v)
		s.mu.Lock()
		if s.copies != nil { // it may have been closed just now
			at := len(s.copies[p.index])
			s.copies[p.index] = append(s.copies[p.index], bytes...)
			if m.values != nil {
				m.values.putDiskPlace(s.copies[p.index][at:], e)
			}
			m.preserved.Add(int64(len(bytes)))
		}
		s.mu.Unlock()
	}
}

// bury notes that an entry is gone that a checkpoint may hold. When that takes too much,
// because no checkpoint completes, the next snapshot is full.
func (m *Memory) bury(p *part, key, subkey []byte) {
	if m.base.epoch == 0 && len(m.marks) == 0 {
		return
	}
	m.dead.add(m.epoch, p.index, key, subkey)
	if m.dead.bytes > max(64<<20, m.bytes/2) {
		// The number stays, so that the next one is higher; nothing builds on it.
		m.base, m.marks, m.dead = mark{checkpoint: m.lastMark()}, nil, deadLog{}
	}
}

// Close implements Snapshot.
func (s *memorySnapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.mu.Lock()
	for _, c := range s.copies {
		s.memory.preserved.Add(-int64(len(c)))
	}
	s.copies = nil
	s.mu.Unlock()
	return s.memory.release()
}

// Write implements Snapshot: group by group and table by table, each sorted on its own.
func (s *memorySnapshot) Write(w io.Writer) (info RunInfo, err error) {
	if s.closed.Load() {
		return RunInfo{}, errors.New("write snapshot: it is closed")
	}
	m := s.memory
	run := newRunWriter(w, m.options.Tables, s.checkpoint, s.since.checkpoint)
	dead := indexDead(s.dead, len(m.parts), func() { s.pace(0) })
	var g gathering
	var far *farValues
	if m.values != nil {
		far = m.values.far()
		defer func() { err = errors.Join(err, far.close()) }()
	}
	tables := byName(m.options.Tables)
	for n := range m.parts {
		i := n/len(tables)*len(tables) + tables[n%len(tables)]
		p := m.parts[i].Load()
		if p == nil {
			continue
		}
		done := float64(n) / float64(len(m.parts))
		if err := s.writePart(run, &g, far, p, dead, func() { s.pace(done) }); err != nil {
			return RunInfo{}, err
		}
	}
	return run.close()
}

// entriesAtOnce are written between two rests.
const entriesAtOnce = 64

// writePart calls rest often, but not while it sorts.
func (s *memorySnapshot) writePart(run *runWriter, g *gathering, far *farValues, p *part, dead *deadIndex, rest func()) error {
	g.reset(p)
	if p.written.Load() > s.since.epoch {
		s.gather(g, p, rest)
	}
	s.walked[p.index].Store(true)
	s.takeCopies(g, p)
	for _, d := range dead.of(p.index) {
		lens, names := s.dead[d.block].entry(int(d.at))
		g.addDead(lens, names)
	}
	g.sort()
	return s.writeGathered(run, g, far, rest)
}

func (s *memorySnapshot) writeGathered(run *runWriter, g *gathering, far *farValues, rest func()) error {
	var lastKey, lastSub []byte
	for i, place := range g.places {
		if i%entriesAtOnce == 0 {
			rest()
		}
		if far != nil {
			if err := far.reach(g, i); err != nil {
				return err
			}
		}
		e := unsafe.Pointer(&g.bytes[place.at])
		k, sub, v := sizes(e)
		key := g.bytes[place.at+g.part.head:][:k]
		subkey := g.bytes[place.at+g.part.head+k:][:sub]
		if i > 0 && bytes.Equal(key, lastKey) && bytes.Equal(subkey, lastSub) {
			continue // a copy of the same, or gone before it was made again
		}
		lastKey, lastSub = key, subkey
		out := Entry{Group: g.part.group, Key: key, Subkey: subkey, Deleted: g.deleted(place.at)}
		if !out.Deleted {
			out.Value = g.bytes[place.at+g.part.head+k+sub:][:v]
			if far != nil {
				out.Value = far.value(i, out.Value)
			}
			out.Version = *(*uint32)(unsafe.Add(e, entryVersion))
			if ttl := g.part.ttl; ttl > 0 {
				out.Stamp = *(*int64)(unsafe.Add(e, g.part.stamp))
				if s.now-out.Stamp >= ttl {
					continue
				}
			}
		}
		if err := run.add(g.part.table, &out); err != nil {
			return err
		}
	}
	return nil
}

// gather copies the entries of a part that belong to the snapshot.
func (s *memorySnapshot) gather(g *gathering, p *part, rest func()) {
	m := s.memory
	m.mu.Lock()
	g.chunks = g.chunks[:0]
	for _, at := range p.chunks {
		g.chunks = append(g.chunks, m.chunks[at].span)
	}
	m.mu.Unlock()
	for _, c := range g.chunks {
		rest()
		at := unsafe.Add(m.region.base, int(c.first)<<pageShift)
		for range c.slots {
			e := at
			at = unsafe.Add(at, c.size)
			epoch := atomic.LoadUint32((*uint32)(e))
			if epoch == 0 {
				break // slots are used in order: the rest is fresh
			}
			if epoch > s.epoch || epoch <= s.since.epoch {
				continue
			}
			word := *(*uint32)(unsafe.Add(e, entryWord))
			k, sub, v := sizes(e)
			size := p.head + k + sub + v
			if word&(flagLive|flagTree) != flagLive || size > int(c.size) {
				continue // free, a tree, or changing just now
			}
			mark := len(g.bytes)
			g.add(unsafe.Slice((*byte)(e), size))
			if m.values != nil {
				m.values.putDiskPlace(g.bytes[mark:], e)
			}
			// The second look is an atomic write so that no read above moves behind it.
			if !atomic.CompareAndSwapUint32((*uint32)(e), epoch, epoch) {
				g.cut(mark)
			}
		}
	}
}

// takeCopies adds what the owner put aside.
func (s *memorySnapshot) takeCopies(g *gathering, p *part) {
	s.mu.Lock()
	copies := s.copies[p.index]
	delete(s.copies, p.index)
	s.mu.Unlock()
	s.memory.preserved.Add(-int64(len(copies)))
	for len(copies) > 0 {
		k, sub, v := sizes(unsafe.Pointer(&copies[0]))
		size := p.head + k + sub + v
		g.add(copies[:size])
		copies = copies[size:]
	}
}
