package host

import (
	"encoding/binary"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/state"
)

// HeapHead is the first part of a heap run: all of an instance but its memory.
type HeapHead struct {
	Checkpoint uint64
	// Since is the checkpoint that the run builds on: pages it does not list are as they
	// were then. 0: they are as the module begins.
	Since   uint64
	Module  [32]byte // SHA-256
	Clock   int64    // of the virtual clock, ns since 1970
	Random  uint64   // state of the random numbers
	Memory  uint32   // wasm's pages, 64 KiB each
	Globals []GlobalValue
}

// PageKind is what a heap run has of a page.
type PageKind byte

// The kinds.
const (
	PageBegun PageKind = iota // it is as the module begins: its data, or zeros behind them
	PageZero                  // zeros
	PageBytes                 // its bytes follow
	PageLent                  // its bytes lie elsewhere
)

// The format of docs/formats.md.
const (
	heapMagic    = "WMHP\x02\x00\x00\x00" // the fifth byte is the version
	heapOldest   = 1                      // version that is still read: pages have no sums, none is lent
	heapFixed    = len(heapMagic) + 8 + 8 + 32 + 8 + 8 + 4 + 4
	heapEntry    = 4 + 4
	heapSum      = len(PageSum{})
	heapLent     = heapSum + 4 + 8
	heapEnd      = ^uint32(0)
	maxStretch   = 64 // pages with bytes, or lent ones, in one entry
	maxGlobals   = 1 << 20
	globalSize   = 4 + 4 + 8
	pagesPerWasm = wasmPage / HeapPage
)

// heapWriter writes a heap run.
type heapWriter struct {
	to     io.Writer
	err    error
	sum    xxhash.Digest
	info   state.RunInfo
	places PagePlaces // nil: every page is stored
	first  uint32     // of the entry being gathered
	count  uint32
	kind   PageKind
	buffer []byte // what is gathered, behind room for its entry
}

func newHeapWriter(to io.Writer, head *HeapHead, places PagePlaces) *heapWriter {
	w := &heapWriter{to: to, places: places, info: state.RunInfo{Checkpoint: head.Checkpoint, Since: head.Since}}
	w.sum.Reset()
	w.buffer = make([]byte, heapEntry, heapEntry+maxStretch*(heapSum+HeapPage))
	w.send(head.encode())
	w.info.Header = w.info.Bytes
	return w
}

func (h *HeapHead) encode() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, heapFixed+len(h.Globals)*globalSize), heapMagic...)
	b = le.AppendUint64(b, h.Checkpoint)
	b = le.AppendUint64(b, h.Since)
	b = append(b, h.Module[:]...)
	b = le.AppendUint64(b, uint64(h.Clock))
	b = le.AppendUint64(b, h.Random)
	b = le.AppendUint32(b, h.Memory)
	b = le.AppendUint32(b, uint32(len(h.Globals)))
	for _, g := range h.Globals {
		b = le.AppendUint32(b, g.Index)
		b = le.AppendUint32(b, uint32(g.Type))
		b = le.AppendUint64(b, g.Value)
	}
	return le.AppendUint64(b, xxhash.Sum64(b))
}

// blank writes a page of a kind that takes no bytes, behind all others.
func (w *heapWriter) blank(p uint32, kind PageKind) {
	w.begin(p, kind)
}

// page writes a page behind all others, or where it lies; it asks for its bytes if they
// are to be stored.
func (w *heapWriter) page(p uint32, sum PageSum, bytes func() ([]byte, error)) {
	if w.err != nil {
		return
	}
	if w.places != nil {
		if at, lent := w.places.Place(sum, w.next(p)); lent {
			w.lend(p, lentPage{sum, at})
			return
		}
	}
	page, err := bytes()
	if err != nil {
		w.err = err
		return
	}
	w.begin(p, PageBytes)
	w.buffer = append(append(w.buffer, sum[:]...), page...)
}

func (w *heapWriter) lend(p uint32, l lentPage) {
	w.begin(p, PageLent)
	w.buffer = append(w.buffer, l.sum[:]...)
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, l.at.Lender)
	w.buffer = binary.LittleEndian.AppendUint64(w.buffer, uint64(l.at.Offset))
}

// next is where the bytes of a page will lie if it is stored now.
func (w *heapWriter) next(p uint32) int64 {
	at := w.info.Bytes + int64(heapSum)
	if w.count > 0 {
		at += int64(len(w.buffer))
	}
	if !w.follows(p, PageBytes) {
		at += int64(heapEntry)
	}
	return at
}

// follows tells whether a page goes into the entry being gathered.
func (w *heapWriter) follows(p uint32, kind PageKind) bool {
	return w.count > 0 && p == w.first+w.count && kind == w.kind && (kind < PageBytes || w.count < maxStretch)
}

// begin counts a page, in a new entry if it does not follow.
func (w *heapWriter) begin(p uint32, kind PageKind) {
	if !w.follows(p, kind) {
		w.flush()
		w.first, w.kind = p, kind
	}
	w.count++
}

// flush writes the entry that was gathered.
func (w *heapWriter) flush() {
	if w.count == 0 {
		return
	}
	binary.LittleEndian.PutUint32(w.buffer, w.first)
	binary.LittleEndian.PutUint32(w.buffer[4:], w.count<<2|uint32(w.kind))
	w.send(w.buffer)
	w.info.Entries += int64(w.count)
	w.buffer, w.count = w.buffer[:heapEntry], 0
}

func (w *heapWriter) send(b []byte) {
	if w.err != nil {
		return
	}
	w.sum.Write(b)
	w.info.Bytes += int64(len(b))
	_, w.err = w.to.Write(b)
}

func (w *heapWriter) finish() (state.RunInfo, error) {
	w.flush()
	le := binary.LittleEndian
	w.send(le.AppendUint32(le.AppendUint32(nil, heapEnd), uint32(w.info.Entries)))
	w.send(le.AppendUint64(nil, w.sum.Sum64()))
	return w.info, w.err
}
