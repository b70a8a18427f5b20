package wasmill

import "unsafe"

// The compiler makes single bytes of encoding/binary on wasm, which is little-endian
// and takes any alignment.

func load64(b []byte, at int) uint64 {
	_ = b[at+7]
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at))
}

func store64(b []byte, at int, v uint64) {
	_ = b[at+7]
	*(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at)) = v
}
