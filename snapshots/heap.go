package snapshots

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// A run of a heap may have pages that lie elsewhere, each at an offset of a lender: the
// n-th run that the heap consists of, for n below lenderSections — its own place for a page
// it has twice — or the section that the run has in Lenders, behind that.
const lenderSections = 1 << 31

// ChainLender is the number under which a run finds the n-th run that its heap consists of.
func ChainLender(n int) uint32 { return uint32(n) }

// SectionLender is the number under which a run finds the n-th of its Lenders.
func SectionLender(n int) uint32 { return lenderSections + uint32(n) }

// HeapRuns reads the runs that a heap consists of, and the pages they lend each other. It
// takes a few megabytes of memory. It belongs to one goroutine.
type HeapRuns struct {
	ctx    context.Context // of the OpenHeap whose runs these are
	folder Folder
	runs   []Run
	opened map[Section]*SectionPages
	chunks []heldChunk // at most heldChunks, least recently used first
}

type heldChunk struct {
	of     *SectionPages
	number int
	raw    []byte
}

// Chunks that are held in memory, and read at once when they follow each other.
const (
	heldChunks = 32
	readAhead  = 8
)

// OpenHeap reads runs of a heap, oldest first.
func (f Folder) OpenHeap(ctx context.Context, runs []Run) *HeapRuns {
	return &HeapRuns{ctx: ctx, folder: f, runs: runs, opened: map[Section]*SectionPages{}}
}

// Open reads a run.
func (h *HeapRuns) Open(run int) io.ReadCloser {
	return h.folder.OpenSection(h.ctx, h.runs[run].Section)
}

// Lender opens what lends pages to a run.
func (h *HeapRuns) Lender(run int, number uint32) (*SectionPages, error) {
	r := &h.runs[run]
	var s Section
	switch {
	case number < lenderSections && int(number) <= run:
		s = h.runs[number].Section
	case number >= lenderSections && int(number-lenderSections) < len(r.Lenders):
		s = r.Lenders[number-lenderSections]
	default:
		return nil, h.folder.corrupt(r.Section, r.Offset, "its pages are lent by number %d, which the manifest does not have", number)
	}
	p := h.opened[s]
	if p == nil {
		p = &SectionPages{heap: h, section: s}
		h.opened[s] = p
	}
	return p, nil
}

// SectionPages reads any part of a section. Parts that follow each other are read ahead.
type SectionPages struct {
	heap    *HeapRuns
	section Section
	chunks  []chunk // nil before the first reading
	next    int     // chunk that follows the ones read last
	ahead   int     // chunks to read at once
}

func (p *SectionPages) String() string {
	return fmt.Sprintf("%s: section %q", p.heap.folder.object(p.section.Pack), p.section.Name)
}

// ReadAt implements io.ReaderAt.
func (p *SectionPages) ReadAt(to []byte, offset int64) (n int, err error) {
	if offset < 0 || offset > p.section.Length-int64(len(to)) {
		return 0, p.heap.folder.corrupt(p.section, p.section.Offset, "bytes %d to %d of %d are asked for", offset, offset+int64(len(to)), p.section.Length)
	}
	if p.chunks == nil {
		if p.chunks, err = p.heap.folder.readIndex(p.heap.ctx, p.section); err != nil {
			return 0, err
		}
	}
	for n < len(to) {
		at := offset + int64(n)
		raw, err := p.chunk(int(at / chunkSize))
		if err != nil {
			return n, err
		}
		n += copy(to[n:], raw[at%chunkSize:])
	}
	return n, nil
}

// chunk gives a chunk, from those that are held if it is among them. It may be used until
// the next call.
func (p *SectionPages) chunk(number int) ([]byte, error) {
	h := p.heap
	for i, c := range h.chunks {
		if c.of == p && c.number == number {
			h.chunks = append(slices.Delete(h.chunks, i, i+1), c)
			return c.raw, nil
		}
	}
	if p.ahead = min(2*p.ahead, readAhead); number != p.next || p.ahead == 0 {
		p.ahead = 1
	}
	end := min(number+p.ahead, len(p.chunks))
	first := int64(number) * chunkSize
	r := &sectionReader{ctx: h.ctx, folder: h.folder, section: p.section, chunks: p.chunks, have: -1,
		spans: []Span{{first, min(int64(end)*chunkSize, p.section.Length) - first}}}
	defer r.Close()
	for n := number; n < end; n++ {
		if err := h.hold(r, p, n); err != nil {
			return nil, err
		}
	}
	p.next = end
	return h.chunks[len(h.chunks)-(end-number)].raw, nil
}

// hold reads a chunk and holds it, in the memory of the one used longest ago.
func (h *HeapRuns) hold(r io.Reader, of *SectionPages, number int) error {
	var raw []byte
	if len(h.chunks) == heldChunks {
		raw = h.chunks[0].raw
		h.chunks = slices.Delete(h.chunks, 0, 1)
	}
	size := int(min(chunkSize, of.section.Length-int64(number)*chunkSize))
	raw = slices.Grow(raw[:0], size)[:size]
	if _, err := io.ReadFull(r, raw); err != nil {
		return err
	}
	h.chunks = append(h.chunks, heldChunk{of, number, raw})
	return nil
}
