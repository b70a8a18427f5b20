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
)

// The format of docs/formats.md.
const (
	heapMagic    = "WMHP\x01\x00\x00\x00" // the fifth byte is the version
	heapFixed    = len(heapMagic) + 8 + 8 + 32 + 8 + 8 + 4 + 4
	heapEntry    = 4 + 4
	heapEnd      = ^uint32(0)
	maxStretch   = 64 // pages with bytes in one entry
	maxGlobals   = 1 << 20
	pagesPerWasm = wasmPage / HeapPage
)

// heapWriter writes a heap run.
type heapWriter struct {
	to     io.Writer
	err    error
	sum    xxhash.Digest
	info   state.RunInfo
	first  uint32 // of the entry being gathered
	count  uint32
	kind   PageKind
	buffer []byte // what is gathered, behind room for its entry
}

func newHeapWriter(to io.Writer, head *HeapHead) *heapWriter {
	w := &heapWriter{to: to, info: state.RunInfo{Checkpoint: head.Checkpoint, Since: head.Since}}
	w.sum.Reset()
	w.buffer = make([]byte, heapEntry, heapEntry+maxStretch*HeapPage)
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

// page writes a page behind all others.
func (w *heapWriter) page(p uint32, kind PageKind, bytes []byte) {
	if w.count > 0 && (p != w.first+w.count || kind != w.kind || kind == PageBytes && w.count == maxStretch) {
		w.flush()
	}
	if w.count == 0 {
		w.first, w.kind = p, kind
	}
	w.count++
	if kind == PageBytes {
		w.buffer = append(w.buffer, bytes...)
	}
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
