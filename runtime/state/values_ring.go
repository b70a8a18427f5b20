package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// put writes a value of two parts and returns its place. Old is that of the value before
// it: a value of the same length that is not sealed is written over.
func (l *valueLog) put(part uint32, hash, old uint64, first, second []byte) (uint64, error) {
	length := len(first) + len(second)
	if ringHead+length > l.unit/4 {
		return l.putLarge(part, hash, old, first, second)
	}
	if old&placeRing != 0 && len(first) == 0 && placeLen(old) == length && l.open(old) {
		l.leaveDisk(old)
		at := l.at(old)
		atomic.StoreUint64((*uint64)(unsafe.Add(at, ringDisk)), 0)
		*(*uint32)(unsafe.Add(at, ringWord)) |= recordDirty
		copy(l.value(old), second)
		return old, nil
	}
	place, err := l.append(part, hash, 0, true, first, second)
	if err != nil {
		return 0, err
	}
	l.leave(old)
	l.bytes += int64(length)
	return place, nil
}

// append writes a record to the end of the ring.
func (l *valueLog) append(part uint32, hash, disk uint64, dirty bool, first, second []byte) (place uint64, err error) {
	length := len(first) + len(second)
	size := round8(ringHead + length)
	if l.pos+size > l.unit {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	place = l.ringPlace(l.head, l.pos, length)
	at := l.at(place)
	*(*uint64)(unsafe.Add(at, ringHash)) = hash
	atomic.StoreUint64((*uint64)(unsafe.Add(at, ringDisk)), disk)
	*(*uint32)(unsafe.Add(at, ringPart)) = part
	*(*uint32)(unsafe.Add(at, ringWord)) = uint32(length)
	if dirty {
		*(*uint32)(unsafe.Add(at, ringWord)) |= recordDirty
	}
	value := l.value(place)
	copy(value[copy(value, first):], second)
	l.pos += size
	return place, nil
}

// leave tells that a value is no more.
func (l *valueLog) leave(place uint64) {
	if place == 0 {
		return
	}
	l.bytes -= int64(placeLen(place))
	l.leaveDisk(place)
}

// leaveDisk tells that the file need not have a value.
func (l *valueLog) leaveDisk(place uint64) {
	if place&placeRing != 0 {
		at := l.at(place)
		word := (*uint32)(unsafe.Add(at, ringWord))
		if *word&recordDirty != 0 {
			*word &^= recordDirty
			return
		}
		place = *(*uint64)(unsafe.Add(at, ringDisk))
	}
	if place != 0 {
		size := int64(onDisk(placeLen(place)))
		l.unitAt(place).live -= size
		l.live -= size
	}
}

// next seals what there is and begins another buffer. What is emptied now stays readable
// until the next time: the value to be written may lie there.
func (l *valueLog) next() error {
	if err := l.seal(); err != nil {
		return err
	}
	l.buffer(l.head).end = l.pos
	limit := l.limit()
	for len(l.free) > 1 && len(l.free)+int(l.head-l.tail) > limit {
		if err := l.freeze(); err != nil {
			return err
		}
	}
	old := len(l.free) > 0
	for int(l.head-l.tail)+1 >= limit {
		if err := l.evict(); err != nil {
			return err
		}
	}
	l.head++
	l.window[l.head&uint64(len(l.window)-1)].Store(l.takeBuffer(old))
	l.pos, l.sealed = 0, 0
	*l.buffer(l.head) = buffer{}
	return nil
}

// takeBuffer takes a buffer; old tells that the first of the free ones was not emptied
// just now.
func (l *valueLog) takeBuffer(old bool) (b uint32) {
	switch {
	case old:
		b = l.free[0]
		l.free = slices.Delete(l.free, 0, 1)
	case len(l.cold) > 0:
		b = l.cold[len(l.cold)-1]
		l.cold = l.cold[:len(l.cold)-1]
	default:
		b = l.made
		l.made++
	}
	return b
}

// freeze gives the memory of a free buffer back to the system.
func (l *valueLog) freeze() error {
	b := l.free[0]
	l.free = slices.Delete(l.free, 0, 1)
	l.cold = append(l.cold, b)
	if err := unix.Madvise(l.mem[int(b)*l.unit:][:l.unit], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("give back state memory: %w", err)
	}
	return nil
}

// evict empties the oldest buffer: what lives there is in the file.
func (l *valueLog) evict() error {
	b := l.buffer(l.tail)
	if b.last != nil {
		if err := b.last.wait(); err != nil {
			return err
		}
	}
	for at := 0; at < b.end; {
		place, record := l.record(l.tail, at)
		at += round8(ringHead + placeLen(place))
		hash, part := *(*uint64)(unsafe.Add(record, ringHash)), *(*uint32)(unsafe.Add(record, ringPart))
		if e := l.names.findPlace(part, hash, place); e != nil {
			atomic.StoreUint64(placeOf(e), *(*uint64)(unsafe.Add(record, ringDisk)))
		}
	}
	b.last = nil
	l.free = append(l.free, l.window[l.tail&uint64(len(l.window)-1)].Load())
	l.tail++
	return nil
}

// record is what lies at an offset of a buffer.
func (l *valueLog) record(number uint64, offset int) (place uint64, at unsafe.Pointer) {
	at = l.at(l.ringPlace(number, offset, 0))
	length := *(*uint32)(unsafe.Add(at, ringWord)) & lengthMask
	return l.ringPlace(number, offset, int(length)), at
}

// sealing is a record on its way to the file.
type sealing struct {
	part   uint32
	from   int32 // offset in its buffer
	hash   uint64
	offset int64 // in the file
}

// write is a unit on its way to the file.
type write struct {
	done   chan struct{}
	err    error // once it is done
	before *write
}

// wait waits for a write and for all before it.
func (w *write) wait() error {
	<-w.done
	return w.err
}

// seal gives what is new in the ring its place in the file, and begins to write it.
func (l *valueLog) seal() error {
	order := l.order[:0]
	for at := l.sealed; at < l.pos; {
		place, record := l.record(l.head, at)
		if *(*uint32)(unsafe.Add(record, ringWord))&recordDirty != 0 {
			order = append(order, sealing{
				part: *(*uint32)(unsafe.Add(record, ringPart)), hash: *(*uint64)(unsafe.Add(record, ringHash)), from: int32(at),
			})
		}
		at += round8(ringHead + placeLen(place))
	}
	l.sealed, l.order = l.pos, order
	if len(order) == 0 {
		return nil
	}
	slices.SortFunc(order, func(a, b sealing) int {
		if a.part != b.part {
			return cmp.Compare(a.part, b.part)
		}
		return cmp.Compare(a.hash, b.hash)
	})
	end := int64(0)
	for i := range order {
		place, _ := l.record(l.head, int(order[i].from))
		order[i].offset, end = layOut(end, placeLen(place))
	}
	first, u, err := l.takeUnit(end)
	if err != nil {
		return err
	}
	live := int64(0)
	for i := range order {
		o := &order[i]
		place, record := l.record(l.head, int(o.from))
		o.offset += first
		disk := place&^placeMask | uint64(o.offset)>>3
		*(*uint32)(unsafe.Add(record, ringWord)) &^= recordDirty
		atomic.StoreUint64((*uint64)(unsafe.Add(record, ringDisk)), disk)
		live += int64(onDisk(placeLen(place)))
	}
	l.units[u].live = live
	l.live += live
	l.start(u, slices.Clone(order), first, end)
	l.due = true
	return nil
}

// layOut is where a record goes that follows what ends there. Small ones do not cross
// pages: each is one read; nor does the head of any.
func layOut(end int64, length int) (at, next int64) {
	size := int64(onDisk(length))
	if left := pageSize - end&(pageSize-1); left < diskHead || size > left && size <= pageSize/2 {
		end += left
	}
	return end, end + size
}

// start writes a unit; the write is done after all before it.
func (l *valueLog) start(u uint32, order []sealing, first, size int64) {
	w := &write{done: make(chan struct{}), before: l.last.Load()}
	l.last.Store(w)
	l.units[u].write, l.buffer(l.head).last = w, w
	base := l.at(l.ringPlace(l.head, 0, 0))
	cached := l.units[u].cached
	go func() {
		b := <-l.spare
		n := (size + pageSize - 1) &^ (pageSize - 1)
		compose(b[:n], base, order, first)
		w.err = l.file.write(b[:n], first, cached)
		l.spare <- b
		if w.before != nil {
			if err := w.before.wait(); err != nil {
				w.err = err
			}
			w.before = nil
		}
		close(w.done)
	}()
}

// compose puts records into the form and order of a unit.
func compose(b []byte, base unsafe.Pointer, order []sealing, first int64) {
	end := 0
	for i := range order {
		o := &order[i]
		record := unsafe.Add(base, int(o.from))
		at := int(o.offset - first)
		clear(b[end:at])
		length := int(*(*uint32)(unsafe.Add(record, ringWord)) & lengthMask)
		putDiskHead(b[at:], o.hash, o.part, length)
		end = at + diskHead + copy(b[at+diskHead:], unsafe.Slice((*byte)(unsafe.Add(record, ringHead)), length))
	}
	clear(b[end:])
}

func putDiskHead(b []byte, hash uint64, part uint32, length int) {
	binary.NativeEndian.PutUint64(b[diskHash:], hash)
	binary.NativeEndian.PutUint32(b[diskPart:], part)
	binary.NativeEndian.PutUint32(b[diskLen:], uint32(length))
}
