package state

import (
	"errors"
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pageShift = 12
	pageSize  = 1 << pageShift
	hugePage  = 2 << 20
	// residentRun is the size in pages below which a free run keeps its memory.
	residentRun = 16
	// smallRegion is how much is used before huge pages are asked for: many small
	// states should not take one each.
	smallRegion = 16 << 20
	maxReserve  = 256 << 30
	minReserve  = 1 << 30
)

// A ref is a place in a region, in units of 8 bytes; 0 is none.
const (
	refShift = 3
	refBits  = 36
	refMask  = 1<<refBits - 1
)

// region is memory outside the Go heap: address space reserved at once, that never
// moves, handed out as zeroed runs of pages and as small blocks. Nothing in it is seen
// by the garbage collector.
type region struct {
	base     unsafe.Pointer
	reserved []byte
	pages    []uint32 // by page: the chunk it belongs to; mapped, too
	pagesMap []byte
	usable   int // bytes that may be touched
	top      int // bytes handed out at least once
	held     int64
	released uint32                     // how often pages were taken back
	runs     map[int][]uint32           // free runs by pages, as first pages
	blocks   [pageShift + 1][]uint64    // free blocks by log2 of their size
	carved   [pageShift + 1]blockCarver // what new blocks are cut from
}

type blockCarver struct{ at, end uint64 } // refs

// openRegion reserves address space: as much as there is, up to 256 GiB.
func openRegion() (*region, error) {
	for size := maxReserve; ; size /= 2 {
		b, err := unix.Mmap(-1, 0, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err == nil {
			r := &region{base: unsafe.Pointer(unsafe.SliceData(b)), reserved: b, top: pageSize, runs: map[int][]uint32{}}
			return r, r.mapPages()
		}
		if size <= minReserve {
			return nil, fmt.Errorf("reserve %d bytes of address space: %w", size, err)
		}
	}
}

// mapPages makes the table of pages. It takes memory only where it is written.
func (r *region) mapPages() error {
	n := len(r.reserved) >> pageShift
	b, err := unix.Mmap(-1, 0, n*4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return errors.Join(fmt.Errorf("map the table of %d pages: %w", n, err), r.close())
	}
	r.pagesMap, r.pages = b, unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), n)
	return nil
}

func (r *region) close() error {
	var errs []error
	for _, b := range [][]byte{r.reserved, r.pagesMap} {
		if b != nil {
			errs = append(errs, unix.Munmap(b))
		}
	}
	r.reserved, r.pagesMap, r.pages, r.base = nil, nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("release state memory: %w", err)
	}
	return nil
}

// at is the address of a ref. It is not checked: refs come from this region only.
func (r *region) at(ref uint64) unsafe.Pointer { return unsafe.Add(r.base, ref<<refShift) }

// takeRun hands out zeroed pages and returns the first.
func (r *region) takeRun(pages int) (uint32, error) {
	if free := r.runs[pages]; len(free) > 0 {
		first := free[len(free)-1]
		r.runs[pages] = free[:len(free)-1]
		if pages < residentRun {
			clear(unsafe.Slice((*byte)(r.at(uint64(first)<<(pageShift-refShift))), pages<<pageShift))
		}
		r.held += int64(pages) << pageShift
		return first, nil
	}
	size := pages << pageShift
	if err := r.grow(r.top + size + pageSize); err != nil { // touch may look a little further
		return 0, err
	}
	first := uint32(r.top >> pageShift)
	r.top += size
	r.held += int64(size)
	return first, nil
}

func (r *region) grow(need int) error {
	if need <= r.usable {
		return nil
	}
	if need > len(r.reserved) {
		return fmt.Errorf("state takes more than the %d bytes of address space reserved for it", len(r.reserved))
	}
	size := max(need, r.usable+max(1<<20, r.usable/16))
	size = min((size+hugePage-1)&^(hugePage-1), len(r.reserved))
	if err := unix.Mprotect(r.reserved[r.usable:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("take %d bytes for state: %w", size-r.usable, err)
	}
	if size > smallRegion {
		// Without huge pages it is slower, no less right. What is in use already the
		// system puts together when it has the time.
		from := r.usable
		if from <= smallRegion {
			from = 0
		}
		_ = unix.Madvise(r.reserved[from:size], unix.MADV_HUGEPAGE)
	}
	r.usable = size
	return nil
}

// giveRun takes pages back. Long runs give their memory back to the system.
func (r *region) giveRun(first uint32, pages int) error {
	at := int(first) << pageShift
	r.released++
	if pages >= residentRun {
		if err := unix.Madvise(r.reserved[at:at+pages<<pageShift], unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("give back state memory: %w", err)
		}
	}
	r.runs[pages] = append(r.runs[pages], first)
	r.held -= int64(pages) << pageShift
	return nil
}

// takeBlock hands out a zeroed block of 2^log bytes, at most a page.
func (r *region) takeBlock(log int) (ref uint64, err error) {
	size := uint64(1) << log
	if free := r.blocks[log]; len(free) > 0 {
		ref = free[len(free)-1]
		r.blocks[log] = free[:len(free)-1]
		clear(unsafe.Slice((*byte)(r.at(ref)), size))
		return ref, nil
	}
	c := &r.carved[log]
	if c.at == c.end {
		pages := 1
		if r.held > 1<<20 {
			pages = 16
		}
		first, err := r.takeRun(pages)
		if err != nil {
			return 0, err
		}
		c.at = uint64(first) << (pageShift - refShift)
		c.end = c.at + uint64(pages)<<(pageShift-refShift)
	}
	ref = c.at
	c.at += size >> refShift
	return ref, nil
}

func (r *region) giveBlock(ref uint64, log int) { r.blocks[log] = append(r.blocks[log], ref) }

// roundPages rounds a number of pages up to one that other runs have, too: with three
// significant bits.
func roundPages(pages int) int {
	if pages <= 8 {
		return pages
	}
	step := 1 << (bits.Len(uint(pages-1)) - 3)
	return (pages + step - 1) &^ (step - 1)
}
