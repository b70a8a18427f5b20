package host

import (
	"encoding/binary"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/host/internal/dirty"
	"github.com/wasmill/wasmill/runtime/state"
)

// Seal appends the checksum of what comes before.
func Seal(content []byte) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), content...), xxhash.Sum64(content))
}

// HeapByHashes is Instance.Heap where the kernel gives no help.
func (i *Instance) HeapByHashes(base uint64) (*Heap, error) {
	began, err := i.module.beginning()
	if err != nil {
		return nil, err
	}
	return i.heap(base, began, dirty.NewHashes())
}

// NewHeapWriter writes a run page by page.
func NewHeapWriter(to io.Writer, head *HeapHead) (page func(uint32, PageKind, []byte), finish func() (state.RunInfo, error)) {
	return NewSharingHeapWriter(to, head, nil)
}

// NewSharingHeapWriter is NewHeapWriter with places.
func NewSharingHeapWriter(to io.Writer, head *HeapHead, places PagePlaces) (page func(uint32, PageKind, []byte), finish func() (state.RunInfo, error)) {
	w := newHeapWriter(to, head, places)
	return func(p uint32, kind PageKind, bytes []byte) {
		if kind < PageBytes {
			w.blank(p, kind)
		} else {
			w.page(p, sumOf(bytes), func() ([]byte, error) { return bytes, nil })
		}
	}, w.finish
}

// Memory is the guest's memory, for tests that write instead of the guest.
func (i *Instance) Memory() []byte { return i.memory.reserved[:i.memory.size] }

// Grow gives the guest more memory, in wasm's pages.
func (i *Instance) Grow(pages uint32) bool {
	_, ok := i.guest.Memory().Grow(pages)
	return ok
}

// Page reads the next page of those that Next gave last. What is not read is skipped.
func (r *HeapReader) Page(to []byte) (PageSum, error) {
	l, err := r.take(to)
	if err == nil && r.kind == PageLent {
		err = l.fetch(to, r.lent)
	}
	return l.sum, err
}
