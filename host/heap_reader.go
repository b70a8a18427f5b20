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
	unread uint32 // pages of the last entry whose bytes nobody read
	done   bool
	small  [heapEntry]byte
	page   []byte // to skip
}

// HeapPages are pages of one kind, one after the other.
type HeapPages struct {
	First, Count uint32
	Kind         PageKind
}

// NewHeapReader reads the head of a run. What is none is fault.ErrCorrupt.
func NewHeapReader(from io.Reader) (*HeapReader, error) {
	r := &HeapReader{from: bufio.NewReaderSize(from, 64<<10)}
	r.sum.Reset()
	b := make([]byte, heapFixed)
	if err := r.read(b); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	switch {
	case string(b[:4]) != heapMagic[:4]:
		return nil, fault.Corruptf("read heap: it is none")
	case string(b[:len(heapMagic)]) != heapMagic:
		return nil, fault.Corruptf("read heap: version %d, this program reads %d", b[4], heapMagic[4])
	}
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
		if err := r.skip(); err != nil {
			return HeapPages{}, err
		}
	}
	if err := r.read(r.small[:]); err != nil {
		return HeapPages{}, err
	}
	first, rest := binary.LittleEndian.Uint32(r.small[:]), binary.LittleEndian.Uint32(r.small[4:])
	if first == heapEnd {
		return HeapPages{}, r.end(rest)
	}
	p := HeapPages{First: first, Count: rest >> 2, Kind: PageKind(rest & 3)}
	if p.Kind > PageBytes || p.Count == 0 || p.First < r.next || uint64(p.First)+uint64(p.Count) > uint64(r.Head.Memory)*pagesPerWasm {
		return HeapPages{}, fault.Corruptf("read heap: %d pages at page %d are out of place", p.Count, p.First)
	}
	if p.Kind == PageBytes && p.Count > maxStretch {
		return HeapPages{}, fault.Corruptf("read heap: %d pages at page %d are more than one entry has", p.Count, p.First)
	}
	r.next = p.First + p.Count
	r.listed += p.Count
	if p.Kind == PageBytes {
		r.unread = p.Count
	}
	return p, nil
}

// Read reads whole pages of those that Next gave last, in order. What is not read is
// skipped.
func (r *HeapReader) Read(to []byte) error {
	n := uint32(len(to) / HeapPage)
	if len(to)%HeapPage != 0 || n > r.unread {
		return errors.New("read heap: more pages are asked for than there are")
	}
	r.unread -= n
	return r.read(to)
}

// skip reads a page for the checksum only.
func (r *HeapReader) skip() error {
	if r.page == nil {
		r.page = make([]byte, HeapPage)
	}
	return r.Read(r.page)
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
	return err
}
