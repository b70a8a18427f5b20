package state

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// Entries lie in slots of fixed sizes: a chunk is a run of pages cut into slots of one
// class for one part. A slot never changes its size, so that a snapshot can walk a
// chunk while the owner works in it.
const (
	classStep  = 8
	fineLimit  = 128  // up to here a class for every 8 bytes
	slabLimit  = 8192 // above, an entry has a chunk of its own
	fineCount  = fineLimit / classStep
	slabCount  = fineCount + 4*6 // four classes for each doubling to slabLimit
	largeClass = slabCount
	chunkPages = 16 // of a full-grown chunk
)

// classOf is the class of an entry of size bytes.
func classOf(size int) int {
	switch {
	case size <= fineLimit:
		return (size+classStep-1)/classStep - 1
	case size > slabLimit:
		return largeClass
	}
	log := bits.Len(uint(size-1)) - 1 // 2^log < size ≤ 2^(log+1)
	quarter := (size - 1 - 1<<log) >> (log - 2)
	return fineCount + (log-7)*4 + quarter
}

// slotSize is the size of the slots of a class below largeClass.
func slotSize(class int) int {
	if class < fineCount {
		return (class + 1) * classStep
	}
	log, quarter := 7+(class-fineCount)/4, (class-fineCount)%4
	return 1<<log + (quarter+1)<<(log-2)
}

// sameSlot tells whether an entry keeps its slot when its size changes.
func sameSlot(from, to int) bool {
	a, b := classOf(from), classOf(to)
	return a == b && (a != largeClass || largePages(from) == largePages(to))
}

func largePages(size int) int { return roundPages((size + pageSize - 1) >> pageShift) }

// span is where the slots of a chunk lie. It does not change while the chunk is listed in
// its part: snapshots read it under Memory.mu.
type span struct {
	first uint32 // page
	pages uint32
	size  uint32 // of a slot, in bytes
	slots uint32
}

// chunk is what is known of a run of slots. All but the span is the owner's alone.
type chunk struct {
	span
	class      int32
	live       uint32
	fresh      uint32 // slots from here on were never used
	free       uint64 // ref of the first free slot, chained through them
	prev, next uint32 // in the part's list of chunks of a class that have room
}

// take hands out a slot for an entry of size bytes. Its header is that of a free slot.
func (m *Memory) take(p *part, size int) (ref uint64, err error) {
	class := classOf(size)
	at := uint32(0)
	if class < largeClass {
		at = p.room[class]
	}
	if at == 0 {
		if at, err = m.addChunk(p, class, size); err != nil {
			return 0, err
		}
	}
	c := &m.chunks[at]
	if ref = c.free; ref != 0 {
		c.free = *(*uint64)(unsafe.Add(m.at(ref), entryLens))
	} else {
		ref = uint64(c.first)<<(pageShift-refShift) + uint64(c.fresh)*uint64(c.size)>>refShift
		c.fresh++
	}
	c.live++
	if c.live == c.slots && class < largeClass {
		m.unlink(p, at)
	}
	return ref, nil
}

// give frees the slot of an entry that no snapshot needs any more.
func (m *Memory) give(p *part, ref uint64) error {
	e := m.at(ref)
	atomic.StoreUint32((*uint32)(e), m.epoch)
	*(*uint32)(unsafe.Add(e, entryWord)) = 0
	at := m.pages[ref>>(pageShift-refShift)]
	c := &m.chunks[at]
	*(*uint64)(unsafe.Add(e, entryLens)) = c.free
	c.free = ref
	if c.live == c.slots && c.class < largeClass {
		m.link(p, at)
	}
	if c.live--; c.live > 0 {
		return nil
	}
	if len(m.active) > 0 {
		m.idle = append(m.idle, idleChunk{p, at})
		return nil
	}
	return m.dropChunk(p, at)
}

type idleChunk struct {
	part  *part
	chunk uint32
}

// link puts a chunk in front of those with room.
func (m *Memory) link(p *part, at uint32) {
	c := &m.chunks[at]
	c.prev, c.next = 0, p.room[c.class]
	if c.next != 0 {
		m.chunks[c.next].prev = at
	}
	p.room[c.class] = at
}

func (m *Memory) unlink(p *part, at uint32) {
	c := &m.chunks[at]
	if c.prev != 0 {
		m.chunks[c.prev].next = c.next
	} else {
		p.room[c.class] = c.next
	}
	if c.next != 0 {
		m.chunks[c.next].prev = c.prev
	}
	c.prev, c.next = 0, 0
}

// addChunk makes room in a part for entries of a class: the more the part holds, the
// larger, so that little is left empty.
func (m *Memory) addChunk(p *part, class, size int) (at uint32, err error) {
	slot, pages := 0, 0
	if class == largeClass {
		pages = largePages(size)
		slot = pages << pageShift
	} else {
		slot = slotSize(class)
		pages = 1
		for pages < chunkPages && (pages*2 <= p.pages/8 || (pages<<pageShift)%slot > pages<<pageShift/4 || pages<<pageShift < slot) {
			pages *= 2
		}
	}
	first, err := m.takeRun(pages)
	if err != nil {
		return 0, err
	}
	if len(m.spare) > 0 {
		at = m.spare[len(m.spare)-1]
		m.spare = m.spare[:len(m.spare)-1]
	} else {
		at = uint32(len(m.chunks))
	}
	c := chunk{
		span:  span{first: first, pages: uint32(pages), size: uint32(slot), slots: uint32(pages << pageShift / slot)},
		class: int32(class),
	}
	m.mu.Lock()
	if int(at) == len(m.chunks) {
		m.chunks = append(m.chunks, c)
	} else {
		m.chunks[at] = c
	}
	p.chunks = append(p.chunks, at)
	m.mu.Unlock()
	p.pages += pages
	// Large entries are found by their first page only.
	for i := 0; i < pages && (i == 0 || class < largeClass); i++ {
		m.pages[int(first)+i] = at
	}
	if class < largeClass {
		m.link(p, at)
	}
	return at, nil
}

// dropChunk gives an empty chunk back. No snapshot is being written.
func (m *Memory) dropChunk(p *part, at uint32) error {
	c := &m.chunks[at]
	if c.class < largeClass {
		m.unlink(p, at)
	}
	m.mu.Lock()
	for i, other := range p.chunks {
		if other == at {
			p.chunks[i] = p.chunks[len(p.chunks)-1]
			p.chunks = p.chunks[:len(p.chunks)-1]
			break
		}
	}
	m.mu.Unlock()
	p.pages -= int(c.pages)
	m.spare = append(m.spare, at)
	return m.giveRun(c.first, int(c.pages))
}

// dropIdle gives back chunks that became empty while a snapshot walked them.
func (m *Memory) dropIdle() error {
	for _, i := range m.idle {
		if c := &m.chunks[i.chunk]; c.live == 0 && c.pages > 0 {
			if err := m.dropChunk(i.part, i.chunk); err != nil {
				return err
			}
			c.pages = 0
		}
	}
	m.idle = m.idle[:0]
	return nil
}
