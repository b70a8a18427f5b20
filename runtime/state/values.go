package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// valueLog keeps the values of a backend on disk: a ring of the latest ones in RAM, and
// a file. Values are written to the end of the ring, and what was read from the file is
// copied there. Stretches of the ring are sealed: sorted by part and hash, so that a
// snapshot finds what it needs side by side, and written to the file at once as a unit.
// When a buffer of the ring is needed again, its entries are told where in the file their
// values are. Units of which little is left are copied to the end of the ring and freed.
//
// What the page cache does not have of the file is read past it: its pages hold one value
// of use and many of none. All that is not the file's is found through Memory: an entry knows the place of
// its value, and a value is live if the entry under its hash has its place.
type valueLog struct {
	names *Memory
	dir   string
	file  *valuesFile
	cache int64 // bytes of RAM for names and values

	unit    int    // bytes of a buffer
	shift   uint   // log2 of the units of 8 bytes in one
	mem     []byte // buffers, by index
	window  []atomic.Uint32
	buffers []buffer // by number, as window
	made    uint32   // buffers in use so far
	free    []uint32 // buffers that hold nothing, as they were emptied
	cold    []uint32 // the same, without memory
	tail    uint64   // number of the oldest buffer in use
	head    uint64   // number of the one being written
	pos     int      // where
	sealed  int      // up to here, what was written is on its way to the file
	order   []sealing
	bytes   int64 // of values that live

	last  atomic.Pointer[write]
	spare chan []byte // to put units together in

	pages   pageRuns
	units   []diskUnit
	noUnits []uint32 // numbers of units that are free again
	unitOf  []uint32 // by page
	live    int64    // bytes of records in units
	used    int64    // bytes of units
	retired []retiredRun
	due     bool // something was sealed: see tidy

	reader  *pageReader
	fetches []fetch
	reads   []diskRead // of them
	arena   []byte     // fetched pages
	taken   int        // bytes of the arena
	scratch [2][]byte
	single  [1]diskRead // into scratch
}

// buffer is what is known of a stretch of the ring, by its number.
type buffer struct {
	end  int    // bytes in use
	last *write // the last of its writes
}

// A place is where a value is: its length << 36 | in units of 8 bytes, where its record
// begins. 0 is none: the value lies behind its names. Places in the ring have placeRing
// set, and count on from buffer to buffer.
const (
	placeBits = 36
	placeMask = 1<<placeBits - 1
	placeRing = 1 << (placeBits - 1)
	ringMask  = placeRing - 1

	// inlineMost is the longest value that lies behind its names: a place and a record
	// would not be smaller.
	inlineMost = 16
)

// Fields of a record in the ring, by offset. The value follows; the sizes of records are
// multiples of 8.
const (
	ringHash = 0  // u64 hash of the entry
	ringDisk = 8  // u64 place in the file, as far as there is one; atomic
	ringPart = 16 // u32 index of the part
	ringWord = 20 // u32 length, and recordDirty
	ringHead = 24

	recordDirty = 1 << 28 // to be written
)

// Fields of a record in the file.
const (
	diskHash = 0
	diskPart = 8
	diskLen  = 12 // u32; 0: the rest of the page is empty
	diskHead = 16
)

func placeOf(e unsafe.Pointer) *uint64 { return (*uint64)(unsafe.Add(e, entryPlace)) }

func placeLen(place uint64) int { return int(place >> placeBits) }

func round8(n int) int { return (n + 7) &^ 7 }

// onDisk is the size of the record of a value in the file.
func onDisk(length int) int { return round8(diskHead + length) }

const (
	minUnit   = 64 << 10
	maxUnit   = 2 << 20
	arenaSize = 1 << 20
	leastRing = 3 // buffers
)

func openValues(names *Memory, dir string, cache int64) (l *valueLog, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("empty state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	unit := minUnit
	for unit < maxUnit && int64(unit) < cache/128 {
		unit *= 2
	}
	most := int(cache)/unit + leastRing + 2
	l = &valueLog{
		names: names, dir: dir, cache: cache, unit: unit, shift: uint(bits.TrailingZeros(uint(unit))) - 3,
		window: make([]atomic.Uint32, 1<<bits.Len(uint(most))), units: make([]diskUnit, 1),
		spare: make(chan []byte, 2),
	}
	l.buffers = make([]buffer, len(l.window))
	l.pages.end = 1 // place 0 is none
	if l.file, err = openValuesFile(dir + "/values"); err != nil {
		return nil, fmt.Errorf("make state file: %w", err)
	}
	l.reader = newPageReader(l.file)
	l.reader.judges = true
	if l.mem, err = mapMemory(most * unit); err == nil {
		l.arena, err = mapMemory(arenaSize)
	}
	for range cap(l.spare) {
		if err == nil {
			var b []byte
			b, err = mapMemory(2 * unit)
			l.spare <- b
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.window[0].Store(l.takeBuffer(false))
	return l, nil
}

// mapMemory takes memory outside of the Go heap, in whole pages. It is the process' as
// far as it is used.
func mapMemory(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes for state: %w", size, err)
	}
	return b, nil
}

// close waits for what is being written, and removes the folder.
func (l *valueLog) close() error {
	var errs []error
	if w := l.last.Load(); w != nil {
		errs = append(errs, w.wait())
	}
	for len(l.spare) > 0 {
		l.scratch = [2][]byte{<-l.spare, l.scratch[1]}
		errs = append(errs, unmap(l.scratch[0]))
	}
	errs = append(errs, l.reader.close(), unmap(l.scratch[1]), unmap(l.mem), unmap(l.arena), l.file.close(), os.RemoveAll(l.dir))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close state on disk: %w", err)
	}
	return nil
}

func unmap(b []byte) error {
	if b == nil {
		return nil
	}
	return unix.Munmap(b)
}

// memory is how many bytes of RAM the log takes.
func (l *valueLog) memory() int64 {
	return int64(int(l.made)-len(l.cold))*int64(l.unit) + l.fixed()
}

// fixed is what the log takes besides the ring.
func (l *valueLog) fixed() int64 { return int64(4*l.unit + arenaSize) }

// limit is how many buffers the ring may have: what names leave.
func (l *valueLog) limit() int {
	n := (l.cache - l.names.Memory() - l.fixed()) / int64(l.unit)
	return int(min(max(n, leastRing), int64(len(l.mem)/l.unit)-2))
}

// at is where a record of the ring is. Any goroutine may ask; what it finds there is
// right if the place still is.
func (l *valueLog) at(place uint64) unsafe.Pointer {
	loc := place & ringMask
	b := l.window[loc>>l.shift&uint64(len(l.window)-1)].Load()
	return unsafe.Pointer(&l.mem[int(b)*l.unit+int(loc&(1<<l.shift-1))<<3])
}

func (l *valueLog) buffer(number uint64) *buffer { return &l.buffers[number&uint64(len(l.buffers)-1)] }

// ringPlace is the place of what lies at an offset of a buffer.
func (l *valueLog) ringPlace(number uint64, offset, length int) uint64 {
	return uint64(length)<<placeBits | placeRing | (number<<l.shift|uint64(offset)>>3)&ringMask
}

// open tells whether a place of the ring may still be written to: it is behind what is
// sealed.
func (l *valueLog) open(place uint64) bool {
	return place&placeMask >= l.ringPlace(l.head, l.sealed, 0)&placeMask && place&placeMask < l.ringPlace(l.head, l.pos, 0)&placeMask
}

// value is a value in the ring.
func (l *valueLog) value(place uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(l.at(place), ringHead)), placeLen(place))
}

// diskPlace is where in the file the value of an entry is, for a snapshot that holds the
// entry as it is: by then its value has a place there. Any goroutine may ask.
func (l *valueLog) diskPlace(e unsafe.Pointer) uint64 {
	for {
		place := atomic.LoadUint64(placeOf(e))
		if place&placeRing == 0 {
			return place
		}
		disk := atomic.LoadUint64((*uint64)(unsafe.Add(l.at(place), ringDisk)))
		if atomic.LoadUint64(placeOf(e)) == place {
			return disk
		}
	}
}

// findPlace finds the entry that has its value at a place.
func (m *Memory) findPlace(part uint32, hash, place uint64) unsafe.Pointer {
	return m.findWhere(part, hash, func(e unsafe.Pointer) bool { return *placeOf(e) == place })
}

// findWhere finds an entry of a hash of which something holds.
func (m *Memory) findWhere(part uint32, hash uint64, holds func(e unsafe.Pointer) bool) unsafe.Pointer {
	p := m.parts[part].Load()
	tag := hash >> refBits
	s := &p.segments[p.segmentOf(tag)]
	slots, mask := m.at(s.ref), uint64(1)<<s.log-1
	for i := tag & mask; ; i = (i + 1) & mask {
		word := *(*uint64)(unsafe.Add(slots, i<<3))
		if word == 0 {
			return nil
		}
		if e := m.at(word & refMask); word>>refBits == tag && holds(e) {
			return e
		}
	}
}

// putDiskPlace writes the place that diskPlace tells into a copy of an entry.
func (l *valueLog) putDiskPlace(copied []byte, e unsafe.Pointer) {
	binary.NativeEndian.PutUint64(copied[entryPlace:], l.diskPlace(e))
}
