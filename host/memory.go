package host

import (
	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental"
)

const wasmPage = 1 << 16

// memory is the linear memory of one instance: a reserved mapping that never moves,
// of which the guest has the first part. Growth past the limit is refused.
type memory struct {
	limit    uint64
	reserved []byte
	size     uint64
	refused  uint64 // bytes last asked for in vain, 0 if never
	failure  error  // why the system gave no memory
}

// Allocate reserves address space; wazero calls it once, before the first Reallocate.
func (m *memory) Allocate(_, most uint64) experimental.LinearMemory {
	most = max(min(most, m.limit), wasmPage)
	m.reserved, m.failure = unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	return m
}

// Reallocate makes the first size bytes usable, or returns nil.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		m.refused = size
		return nil
	}
	if size > m.size {
		if err := unix.Mprotect(m.reserved[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			m.refused, m.failure = size, err
			return nil
		}
		m.size = size
	}
	return m.reserved[:size:size]
}

// view is size bytes of the guest's memory, until the guest runs again.
func (m *memory) view(ptr, size uint32) ([]byte, bool) {
	end := uint64(ptr) + uint64(size)
	if end > m.size {
		return nil, false
	}
	return m.reserved[ptr:end:end], true
}

// Free gives the mapping back.
func (m *memory) Free() {
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved)
		m.reserved, m.size = nil, 0
	}
}
