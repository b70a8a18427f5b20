package host

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/fault"
)

// HeapReader reads a heap run: Next gives its pages, ascending.
type HeapReader struct {
	Head   HeapHead
	from   *bufio.Reader
	sum    xxhash.Digest
	listed uint32 // pages
	next   uint32 // the first that may come
	unread uint32 // pages of the last entry that nobody read
	kind   PageKind
	old    bool // it is of version 1
	done   bool
	at     int64 // bytes read
	lent   Lenders
	small  [heapLent]byte
	page   []byte // to skip
}

// HeapPages are pages of one kind, one after the other.
type HeapPages struct {
	First, Count uint32
	Kind         PageKind
}

// NewHeapReader reads the head of a run. Lent opens what its pages may lie in; nil: it has
// none that are lent. What is no run is fault.ErrCorrupt.
func NewHeapReader(from io.Reader, lent Lenders) (*HeapReader, error) {
	r := &HeapReader{from: bufio.NewReaderSize(from, 64<<10), lent: lent}
	r.sum.Reset()
	b := make([]byte, heapFixed)
	if err := r.read(b); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	switch {
	case string(b[:4]) != heapMagic[:4]:
		return nil, fault.Corruptf("read heap: it is none")
	case b[4] < heapOldest || b[4] > heapMagic[4] || string(b[5:len(heapMagic)]) != heapMagic[5:]:
		return nil, fault.Corruptf("read heap: version %d, this program reads %d to %d", b[4], heapOldest, heapMagic[4])
	}
	r.old = b[4] == heapOldest
	b = b[len(heapMagic):]
	r.Head = HeapHead{Checkpoint: le.Uint64(b), Since: le.Uint64(b[8:]), Module: [32]byte(b[16:]),
		Clock: int64(le.Uint64(b[48:])), Random: le.Uint64(b[56:]), Memory: le.Uint32(b[64:])}
	globals := le.Uint32(b[68:])
	if r.Head.Memory > 1<<16 || globals > maxGlobals {
		return nil, fault.Corruptf("read heap: %d pages of memory and %d globals", r.Head.Memory, globals)
	}
	var g [globalSize]byte
	for range globals {
		if err := r.read(g[:]); err != nil {
			return nil, err
		}
		if le.Uint32(g[4:]) > 0xff {
			return nil, fault.Corruptf("read heap: unknown type of a global")
		}
		r.Head.Globals = append(r.Head.Globals, GlobalValue{le.Uint32(g[:]), g[4], le.Uint64(g[8:])})
	}
	if err := r.check("head"); err != nil {
		return nil, err
	}
	return r, nil
}

// Next gives the next pages; io.EOF after the last, when the run was checked to its end.
func (r *HeapReader) Next() (HeapPages, error) {
	if r.done {
		return HeapPages{}, io.EOF
	}
	for r.unread > 0 {
		if _, err := r.take(nil); err != nil {
			return HeapPages{}, err
		}
	}
	if err := r.read(r.small[:heapEntry]); err != nil {
		return HeapPages{}, err
	}
	first, rest := binary.LittleEndian.Uint32(r.small[:]), binary.LittleEndian.Uint32(r.small[4:])
	if first == heapEnd {
		return HeapPages{}, r.end(rest)
	}
	p := HeapPages{First: first, Count: rest >> 2, Kind: PageKind(rest & 3)}
	if p.Kind == PageLent && r.old || p.Count == 0 || p.First < r.next || uint64(p.First)+uint64(p.Count) > uint64(r.Head.Memory)*pagesPerWasm {
		return HeapPages{}, fault.Corruptf("read heap: %d pages at page %d are out of place", p.Count, p.First)
	}
	if p.Kind >= PageBytes && p.Count > maxStretch {
		return HeapPages{}, fault.Corruptf("read heap: %d pages at page %d are more than one entry has", p.Count, p.First)
	}
	r.next = p.First + p.Count
	r.listed += p.Count
	if r.kind = p.Kind; p.Kind >= PageBytes {
		r.unread = p.Count
	}
	return p, nil
}

// take reads the next page of those that Next gave last, as the run has it: the bytes of
// one that is not lent, unless they are not wanted, and where they lie. What is not taken
// is skipped.
func (r *HeapReader) take(to []byte) (l lentPage, err error) {
	if r.unread == 0 || to != nil && len(to) != HeapPage {
		return l, errors.New("read heap: another page is asked for than there is")
	}
	r.unread--
	if r.kind == PageLent {
		err = r.read(r.small[:])
		l.sum = PageSum(r.small[:])
		l.at = PagePlace{binary.LittleEndian.Uint32(r.small[heapSum:]), int64(binary.LittleEndian.Uint64(r.small[heapSum+4:]))}
		if err == nil && l.at.Offset < 0 {
			err = fault.Corruptf("read heap: a page at %d", l.at.Offset)
		}
		return l, err
	}
	if !r.old {
		if err := r.read(l.sum[:]); err != nil {
			return l, err
		}
	}
	l.at.Offset = r.at
	if to == nil {
		if r.page == nil {
			r.page = make([]byte, HeapPage)
		}
		return l, r.read(r.page)
	}
	if err = r.read(to); err == nil && r.old {
		l.sum = sumOf(to)
	}
	return l, err
}

// check reads the checksum of all that came before.
func (r *HeapReader) check(of string) error {
	sum := r.sum.Sum64()
	var b [8]byte
	if err := r.read(b[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint64(b[:]) != sum {
		return fault.Corruptf("read heap: the checksum of its %s does not match", of)
	}
	return nil
}

func (r *HeapReader) end(listed uint32) error {
	if err := r.check("pages"); err != nil {
		return err
	}
	if listed != r.listed {
		return fault.Corruptf("read heap: %d pages, it says %d", r.listed, listed)
	}
	if _, err := r.from.ReadByte(); err == nil {
		return fault.Corruptf("read heap: there is more behind its end")
	} else if err != io.EOF {
		return err
	}
	r.done = true
	return io.EOF
}

func (r *HeapReader) read(b []byte) error {
	_, err := io.ReadFull(r.from, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fault.Corruptf("read heap: it is cut off")
	}
	r.sum.Write(b)
	r.at += int64(len(b))
	return err
}
