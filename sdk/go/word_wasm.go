package wasmill

import "unsafe"

// The compiler makes single bytes of encoding/binary on wasm, which is little-endian
// and takes any alignment.

func load64(b []byte, at int) uint64 {
	_ = b[at+7]
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at))
}

func get64(p unsafe.Pointer, at int) uint64 { return *(*uint64)(unsafe.Add(p, at)) }

func put64(p unsafe.Pointer, at int, v uint64) { *(*uint64)(unsafe.Add(p, at)) = v }

func get32(p unsafe.Pointer, at int) uint32 { return *(*uint32)(unsafe.Add(p, at)) }

func put32(p unsafe.Pointer, at int, v uint32) { *(*uint32)(unsafe.Add(p, at)) = v }
