package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// diskUnit is a stretch of the file that was written at once.
type diskUnit struct {
	first uint32 // page
	pages uint32 // 0: the number is free
	live  int64  // bytes of records
	write *write // of its bytes

	cached bool // it was written through the page cache
}

// retiredRun is a run of pages that snapshots up to a checkpoint may still read.
type retiredRun struct {
	run   pageRun
	after uint64
}

// maxLogPages is what places reach: 256 GiB.
const maxLogPages = placeRing >> (pageShift - 3)

var errLogFull = errors.New("state on disk takes more than 256 GiB")

// takeUnit makes room in the file.
func (l *valueLog) takeUnit(size int64) (first int64, u uint32, err error) {
	run := pageRun{pages: uint32((size + pageSize - 1) >> pageShift)}
	run.first = l.pages.take(run.pages)
	if l.pages.end > maxLogPages {
		return 0, 0, errLogFull
	}
	if n := len(l.noUnits); n > 0 {
		u, l.noUnits = l.noUnits[n-1], l.noUnits[:n-1]
	} else {
		u = uint32(len(l.units))
		l.units = append(l.units, diskUnit{})
	}
	l.units[u] = diskUnit{first: run.first, pages: run.pages, cached: l.file.spare.write()}
	if missing := int(l.pages.end) - len(l.unitOf); missing > 0 {
		l.unitOf = append(l.unitOf, make([]uint32, missing)...)
	}
	for page := run.first; page < run.first+run.pages; page++ {
		l.unitOf[page] = u
	}
	l.used += int64(run.pages) << pageShift
	return int64(run.first) << pageShift, u, nil
}

// unitAt is the unit in which a place is.
func (l *valueLog) unitAt(place uint64) *diskUnit {
	return &l.units[l.unitOf[place&placeMask>>(pageShift-3)]]
}

// retire frees a unit in which nothing lives, once no snapshot reads it.
func (l *valueLog) retire(u uint32) {
	unit := &l.units[u]
	l.used -= int64(unit.pages) << pageShift
	l.retired = append(l.retired, retiredRun{pageRun{unit.first, unit.pages}, l.names.lastMark()})
	*unit = diskUnit{}
	l.noUnits = append(l.noUnits, u)
}

// release gives the pages of retired units back.
func (l *valueLog) release() error {
	if err := l.names.prune(); err != nil {
		return err
	}
	oldest := ^uint64(0)
	if len(l.names.active) > 0 {
		oldest = l.names.active[0].checkpoint
	}
	l.retired = slices.DeleteFunc(l.retired, func(r retiredRun) bool {
		if r.after < oldest {
			l.pages.give(r.run)
			return true
		}
		return false
	})
	return nil
}

// tidy is called behind an operation: it frees units of which nothing is left, and if the
// file is too large, copies what is left of the emptiest one. Once for each unit that is
// written, so that the file shrinks or keeps its size.
func (l *valueLog) tidy() error {
	if !l.due {
		return nil
	}
	l.due = false
	victim, least := uint32(0), 1.0
	for u := range l.units {
		unit := &l.units[u]
		if unit.pages == 0 || !unit.write.isDone() {
			continue
		}
		if unit.live == 0 {
			l.retire(uint32(u))
			continue
		}
		share := float64(unit.live) / float64(int64(unit.pages)<<pageShift)
		if share < least && int(unit.pages)<<pageShift <= 2*l.unit {
			victim, least = uint32(u), share
		}
	}
	if victim != 0 && l.used > 2*l.live+int64(8*l.unit) {
		if err := l.clean(victim); err != nil {
			return err
		}
	}
	return l.release()
}

func (w *write) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// clean copies what lives in a unit to the end of the ring and retires it.
func (l *valueLog) clean(u uint32) error {
	unit := l.units[u]
	if err := unit.write.wait(); err != nil {
		return err
	}
	spare := <-l.spare
	defer func() { l.spare <- spare }()
	b := spare[:unit.pages<<pageShift]
	first := int64(unit.first) << pageShift
	if err := l.file.readUnit(b, first, unit.cached); err != nil {
		return err
	}
	if err := eachOnDisk(b, func(at, length int) error {
		hash, part := binary.NativeEndian.Uint64(b[at+diskHash:]), binary.NativeEndian.Uint32(b[at+diskPart:])
		disk := uint64(length)<<placeBits | uint64(first+int64(at))>>3
		return l.move(part, hash, disk, b[at+diskHead:][:length])
	}); err != nil {
		return err
	}
	if l.units[u].live != 0 {
		return fmt.Errorf("clean state: %d bytes of a unit are nobody's", l.units[u].live)
	}
	l.retire(u)
	return nil
}

// eachOnDisk finds the records of a unit as layOut has laid them out.
func eachOnDisk(b []byte, do func(at, length int) error) error {
	for at := 0; at+diskHead <= len(b); {
		length := int(binary.NativeEndian.Uint32(b[at+diskLen:]))
		if length == 0 {
			at = (at + pageSize) &^ (pageSize - 1)
			continue
		}
		if err := do(at, length); err != nil {
			return err
		}
		if at += onDisk(length); pageSize-at&(pageSize-1) < diskHead {
			at = (at + pageSize - 1) &^ (pageSize - 1)
		}
	}
	return nil
}

// move copies a value to the end of the ring, if it lives, so that it is written again.
func (l *valueLog) move(part uint32, hash, disk uint64, value []byte) error {
	e := l.names.findPlace(part, hash, disk)
	if e == nil {
		e = l.findCopy(part, hash, disk)
	}
	if e == nil {
		return nil
	}
	place, err := l.append(part, hash, disk, true, value, nil)
	if err != nil {
		return err
	}
	size := int64(onDisk(len(value)))
	l.unitAt(disk).live -= size
	l.live -= size
	atomic.StoreUint64(placeOf(e), place)
	return nil
}

// pageRun is a run of pages of the file.
type pageRun struct{ first, pages uint32 }

// pageRuns hands out pages: the first run that is large enough, or new ones at the end.
type pageRuns struct {
	free []pageRun // by place; no two touch
	end  uint32
}

func (r *pageRuns) take(pages uint32) (first uint32) {
	for i := range r.free {
		f := &r.free[i]
		if f.pages < pages {
			continue
		}
		first = f.first
		f.first += pages
		if f.pages -= pages; f.pages == 0 {
			r.free = slices.Delete(r.free, i, i+1)
		}
		return first
	}
	first = r.end
	r.end += pages
	return first
}

func (r *pageRuns) give(run pageRun) {
	i, _ := slices.BinarySearchFunc(r.free, run, func(a, b pageRun) int { return int(a.first) - int(b.first) })
	if i > 0 && r.free[i-1].first+r.free[i-1].pages == run.first {
		i--
		r.free[i].pages += run.pages
	} else {
		r.free = slices.Insert(r.free, i, run)
	}
	if i+1 < len(r.free) && r.free[i].first+r.free[i].pages == r.free[i+1].first {
		r.free[i].pages += r.free[i+1].pages
		r.free = slices.Delete(r.free, i+1, i+2)
	}
	if last := r.free[len(r.free)-1]; last.first+last.pages == r.end {
		r.end = last.first
		r.free = r.free[:len(r.free)-1]
	}
}
