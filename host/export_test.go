package host

import (
	"encoding/binary"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/host/internal/dirty"
	"github.com/wasmill/wasmill/runtime/state"
)

// SealImage appends the checksum of an encoded image.
func SealImage(content []byte) []byte {
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
	w := newHeapWriter(to, head)
	return w.page, w.finish
}

// Memory is the guest's memory, for tests that write instead of the guest.
func (i *Instance) Memory() []byte { return i.memory.reserved[:i.memory.size] }

// Grow gives the guest more memory, in wasm's pages.
func (i *Instance) Grow(pages uint32) bool {
	_, ok := i.guest.Memory().Grow(pages)
	return ok
}
