package state

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// fetch is a value to be read from the file.
type fetch struct {
	part  *part
	hash  uint64
	e     unsafe.Pointer
	place uint64
}

// around is where the pages of a record are.
func around(place uint64) (first int64, size int) {
	at := int64(place&placeMask) << 3
	first = at &^ (pageSize - 1)
	return first, int((at+int64(diskHead+placeLen(place))+pageSize-1)&^(pageSize-1) - first)
}

// want lists a value to be fetched. It is left out when it is at hand, or does not fit.
func (l *valueLog) want(p *part, hash uint64, e unsafe.Pointer) {
	place := *placeOf(e)
	if place == 0 || place&placeRing != 0 || ringHead+placeLen(place) > l.unit/4 {
		return
	}
	first, size := around(place)
	if l.taken+size > len(l.arena) {
		return
	}
	l.fetches = append(l.fetches, fetch{p, hash, e, place})
	l.reads = append(l.reads, l.readOf(place, first, l.arena[l.taken:l.taken+size]))
	l.taken += size
}

// readOf is the read of a record from its pages, which begin at first.
func (l *valueLog) readOf(place uint64, first int64, into []byte) diskRead {
	from := int(int64(place&placeMask)<<3 - first)
	return diskRead{first, into, from, from + diskHead + placeLen(place), l.unitAt(place).cached}
}

// fetch reads what is wanted into the ring, many values at once: most of the time it is
// the disk that is waited for.
func (l *valueLog) fetch() error {
	defer func() { l.fetches, l.reads, l.taken = l.fetches[:0], l.reads[:0], 0 }()
	if err := l.reader.read(l.reads); err != nil {
		return err
	}
	for i := range l.fetches {
		f := &l.fetches[i]
		if *placeOf(f.e) != f.place {
			continue // it was wanted twice
		}
		at := int(f.place&placeMask<<3) & (pageSize - 1)
		if err := l.keep(f.part, f.hash, f.e, l.reads[i].into[at+diskHead:][:placeLen(f.place)]); err != nil {
			return err
		}
	}
	return nil
}

// keep copies a value that was read to the end of the ring.
func (l *valueLog) keep(p *part, hash uint64, e unsafe.Pointer, value []byte) error {
	place, err := l.append(p.index, hash, *placeOf(e), false, value, nil)
	if err != nil {
		return err
	}
	atomic.StoreUint64(placeOf(e), place)
	return nil
}

// read is the value of an entry, until the next read into the same scratch.
func (l *valueLog) read(p *part, hash uint64, e unsafe.Pointer, scratch int) ([]byte, error) {
	place := *placeOf(e)
	if place&placeRing != 0 {
		return l.value(place), nil
	}
	first, size := around(place)
	b := &l.scratch[scratch]
	if err := resize(b, size); err != nil {
		return nil, err
	}
	l.single[0] = l.readOf(place, first, (*b)[:size])
	if err := l.reader.read(l.single[:]); err != nil {
		return nil, err
	}
	value := (*b)[int64(place&placeMask)<<3-first+diskHead:][:placeLen(place)]
	if ringHead+len(value) > l.unit/4 {
		return value, nil
	}
	if err := l.keep(p, hash, e, value); err != nil {
		return nil, err
	}
	return l.value(*placeOf(e)), nil
}

// resize makes mapped memory at least so large, and no larger than it was for long.
func resize(b *[]byte, size int) error {
	if len(*b) >= size && len(*b) <= max(arenaSize, 2*size) {
		return nil
	}
	if err := unmap(*b); err != nil {
		return fmt.Errorf("release state memory: %w", err)
	}
	*b = nil
	mapped, err := mapMemory(max(size, 64<<10))
	if err == nil {
		*b = mapped
	}
	return err
}

// findCopy finds the entry whose value was read from a place in the file, into the ring.
func (l *valueLog) findCopy(part uint32, hash, disk uint64) unsafe.Pointer {
	m := l.names
	return m.findWhere(part, hash, func(e unsafe.Pointer) bool {
		place := *placeOf(e)
		if place&placeRing == 0 {
			return false
		}
		at := l.at(place)
		return *(*uint32)(unsafe.Add(at, ringWord))&recordDirty == 0 && *(*uint64)(unsafe.Add(at, ringDisk)) == disk
	})
}

// putLarge writes a value to the file at once, in a unit of its own.
func (l *valueLog) putLarge(part uint32, hash, old uint64, first, second []byte) (uint64, error) {
	length := len(first) + len(second)
	base, u, err := l.takeUnit(int64(onDisk(length)))
	if err != nil {
		return 0, err
	}
	b := <-l.spare
	defer func() { l.spare <- b }()
	putDiskHead(b, hash, part, length)
	filled := diskHead
	for at := base; ; {
		for _, piece := range []*[]byte{&first, &second} {
			n := copy(b[filled:], *piece)
			*piece = (*piece)[n:]
			filled += n
		}
		n := (filled + pageSize - 1) &^ (pageSize - 1)
		clear(b[filled:n])
		if err := l.file.write(b[:n], at, l.units[u].cached); err != nil {
			return 0, err
		}
		if at, filled = at+int64(n), 0; len(first)+len(second) == 0 {
			break
		}
	}
	size := int64(onDisk(length))
	l.units[u].live, l.units[u].write = size, written
	l.live += size
	l.leave(old)
	l.bytes += int64(length)
	l.due = true
	return uint64(length)<<placeBits | uint64(base)>>3, nil
}

// written is a write that is done.
var written = func() *write {
	w := &write{done: make(chan struct{})}
	close(w.done)
	return w
}()
