package state

import (
	"cmp"
	"errors"
	"slices"
	"unsafe"
)

// farValues reads what a snapshot needs of the file: for some entries at a time, in the
// order in which their values lie there.
type farValues struct {
	log      *valueLog
	from, to int // the entries at hand
	list     []farValue
	values   [][]byte // of them
	bytes    []byte
	pages    []byte
	reader   *pageReader
	near     []farRange
	reads    []diskRead
}

// farRange is a stretch of the file, with the entries of the list whose values are there.
type farRange struct {
	from, to int
	first    int64
	at, size int // in pages, in bytes
}

type farValue struct {
	place uint64
	entry int
}

const (
	farAtOnce = 8 << 20   // bytes of values at hand
	farGap    = 32 << 10  // bytes read for nothing rather than by another read
	farRead   = 512 << 10 // bytes of one read, unless a value is longer
	farPages  = 2 << 20   // bytes of reads at once, unless a value is longer
)

func (l *valueLog) far() *farValues { return &farValues{log: l, reader: newPageReader(l.file)} }

func (f *farValues) close() error { return errors.Join(unmap(f.pages), f.reader.close()) }

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

// read reads the values at the front of a list, as many as there are pages for.
func (f *farValues) read(list []farValue) (n int, err error) {
	f.near, f.reads = f.near[:0], f.reads[:0]
	size := 0
	for n < len(list) && len(f.near) < asyncDepth {
		r := nearby(list[n:])
		if n > 0 && size+r.size > farPages {
			break
		}
		f.near = append(f.near, farRange{n, n + r.to, r.first, size, r.size})
		size, n = size+r.size, n+r.to
	}
	if err := resize(&f.pages, max(size, farPages)); err != nil {
		return 0, err
	}
	for _, r := range f.near {
		f.reads = append(f.reads, diskRead{r.first, f.pages[r.at : r.at+r.size], 0, r.size, true})
	}
	if err := f.reader.read(f.reads); err != nil {
		return 0, err
	}
	for i, r := range f.near {
		for _, v := range list[r.from:r.to] {
			at := len(f.bytes)
			f.bytes = append(f.bytes, f.reads[i].into[int64(v.place&placeMask)<<3-r.first+diskHead:][:placeLen(v.place)]...)
			f.values[v.entry-f.from] = f.bytes[at:]
		}
	}
	return n, nil
}

// nearby is the stretch of the file with the first values of a list that lie near each
// other.
func nearby(list []farValue) (r farRange) {
	r.first, r.size = around(list[0].place)
	for r.to = 1; r.to < len(list); r.to++ {
		next, more := around(list[r.to].place)
		if next > r.first+int64(r.size)+farGap || int(next-r.first)+more > farRead {
			break
		}
		r.size = max(r.size, int(next-r.first)+more)
	}
	return r
}

// value is the value of an entry that was reached; near is what lies behind its names.
func (f *farValues) value(i int, near []byte) []byte {
	if v := f.values[i-f.from]; v != nil {
		return v
	}
	return near
}
