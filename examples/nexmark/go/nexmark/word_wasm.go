package nexmark

import "unsafe"

// load is the word of eight bytes at an offset. The compiler makes eight loads of
// encoding/binary's on wasm, which is little-endian and takes any alignment.
func load(b []byte, at int) uint64 {
	_ = b[at+7]
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at))
}
