package state

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// fetch is a value to be read from the file.
type fetch struct {
	part  *part
	hash  uint64
	e     unsafe.Pointer
	place uint64
	into  []byte // pages
}

const (
	fetchers    = 8 // goroutines that read at once, at most
	fetchAtOnce = 4 // values for which it is worth another goroutine
)

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
	_, size := around(place)
	if l.taken+size > len(l.arena) {
		return
	}
	l.fetches = append(l.fetches, fetch{p, hash, e, place, l.arena[l.taken : l.taken+size]})
	l.taken += size
}

// fetch reads what is wanted into the ring, many values at once: most of the time it is
// the disk that is waited for.
func (l *valueLog) fetch() error {
	defer func() { l.fetches, l.taken = l.fetches[:0], 0 }()
	if err := l.readFetches(); err != nil {
		return err
	}
	for i := range l.fetches {
		f := &l.fetches[i]
		if *placeOf(f.e) != f.place {
			continue // it was wanted twice
		}
		at := int(f.place&placeMask<<3) & (pageSize - 1)
		if err := l.keep(f.part, f.hash, f.e, f.into[at+diskHead:][:placeLen(f.place)]); err != nil {
			return err
		}
	}
	return nil
}

// readFetches reads the pages of what is wanted.
func (l *valueLog) readFetches() error {
	if l.async != nil && len(l.fetches) > 1 {
		for list := l.fetches; len(list) > 0; {
			n := min(len(list), asyncDepth)
			if err := l.async.read(l.file, list[:n]); err != nil {
				return err
			}
			list = list[n:]
		}
		return nil
	}
	var next atomic.Int64
	workers := min(fetchers, len(l.fetches)/fetchAtOnce)
	if workers < 2 {
		return l.fetchSome(&next)
	}
	var failed [fetchers]error
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { failed[w] = l.fetchSome(&next) })
	}
	all.Wait()
	return errors.Join(failed[:]...)
}

func (l *valueLog) fetchSome(next *atomic.Int64) error {
	for {
		i := int(next.Add(1)) - 1
		if i >= len(l.fetches) {
			return nil
		}
		f := &l.fetches[i]
		first, _ := around(f.place)
		if _, err := l.file.ReadAt(f.into, first); err != nil {
			return fmt.Errorf("read state: %w", err)
		}
	}
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
	if _, err := l.file.ReadAt((*b)[:size], first); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
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
		if _, err := l.file.WriteAt(b[:n], at); err != nil {
			return 0, fmt.Errorf("write state: %w", err)
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

// farValues reads what a snapshot needs of the file: for some entries at a time, in the
// order in which their values lie there.
type farValues struct {
	log      *valueLog
	from, to int // the entries at hand
	list     []farValue
	values   [][]byte // of them
	bytes    []byte
	pages    []byte
}

type farValue struct {
	place uint64
	entry int
}

const (
	farAtOnce = 8 << 20   // bytes of values at hand
	farGap    = 32 << 10  // bytes read for nothing rather than by another read
	farRead   = 512 << 10 // bytes read at once, unless a value is longer
)

func (l *valueLog) far() *farValues { return &farValues{log: l} }

func (f *farValues) close() { _ = unmap(f.pages) }

// reach sees to it that the value of an entry is at hand. Entries come in order.
func (f *farValues) reach(g *gathering, i int) error {
	if i == 0 {
		f.to = 0
	}
	if i < f.to {
		return nil
	}
	f.from, f.list = i, f.list[:0]
	size := 0
	for f.to = i; f.to < len(g.places) && (size < farAtOnce || f.to == i); f.to++ {
		place := *placeOf(unsafe.Pointer(&g.bytes[g.places[f.to].at]))
		if place == 0 || g.deleted(g.places[f.to].at) {
			continue
		}
		f.list = append(f.list, farValue{place, f.to})
		size += placeLen(place)
	}
	f.values = slices.Grow(f.values[:0], f.to-f.from)[:f.to-f.from]
	clear(f.values)
	f.bytes = slices.Grow(f.bytes[:0], size)
	slices.SortFunc(f.list, func(a, b farValue) int { return cmp.Compare(a.place&placeMask, b.place&placeMask) })
	if w := f.log.last.Load(); w != nil {
		if err := w.wait(); err != nil {
			return err
		}
	}
	for list := f.list; len(list) > 0; {
		n, err := f.read(list)
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// read reads the values at the front of a list that lie near each other.
func (f *farValues) read(list []farValue) (n int, err error) {
	first, size := around(list[0].place)
	for n = 1; n < len(list); n++ {
		next, more := around(list[n].place)
		if next > first+int64(size)+farGap || int(next-first)+more > farRead {
			break
		}
		size = max(size, int(next-first)+more)
	}
	if err := resize(&f.pages, max(size, farRead)); err != nil {
		return 0, err
	}
	if _, err := f.log.file.ReadAt(f.pages[:size], first); err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	for _, v := range list[:n] {
		at := len(f.bytes)
		f.bytes = append(f.bytes, f.pages[int64(v.place&placeMask)<<3-first+diskHead:][:placeLen(v.place)]...)
		f.values[v.entry-f.from] = f.bytes[at:]
	}
	return n, nil
}

// value is the value of an entry that was reached; near is what lies behind its names.
func (f *farValues) value(i int, near []byte) []byte {
	if v := f.values[i-f.from]; v != nil {
		return v
	}
	return near
}
