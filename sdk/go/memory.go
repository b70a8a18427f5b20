package wasmill

import "unsafe"

// What is done for every record goes without checks of bounds that have been checked: on
// wasm each is a call at which a function can be resumed, and at each of these all its
// variables must be in their places. One check costs as much as ten additions.

type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

func dataOf(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// setInput makes *b the n bytes at an offset of a call's input. That stays where it is
// until the call ends, and so *b is set without telling the collector.
func setInput(b *[]byte, p unsafe.Pointer, at, n int) {
	h := (*struct {
		data     uintptr
		len, cap int
	})(unsafe.Pointer(b))
	h.data, h.len, h.cap = uintptr(p)+uintptr(at), n, n
}

// setBytes makes *b the n bytes at an offset.
func setBytes(b *[]byte, p unsafe.Pointer, at, n int) {
	h := (*sliceHeader)(unsafe.Pointer(b))
	h.data, h.len, h.cap = unsafe.Add(p, at), n, n
}

func setLen(b *[]byte, n int) { (*sliceHeader)(unsafe.Pointer(b)).len = n }

// putShort writes n bytes, 8 to 16 of them, as two words that may overlap.
func putShort(p unsafe.Pointer, at int, from unsafe.Pointer, n int) {
	first, last := get64(from, 0), get64(from, n-8)
	put64(p, at, first)
	put64(p, at+n-8, last)
}

// put writes b, which fits. Short ones are written out: a call of memmove costs more, and
// so do loops.
func put(p unsafe.Pointer, at int, b []byte) {
	if n := len(b); n >= 8 && n <= 16 {
		putShort(p, at, dataOf(b), n)
		return
	}
	move(p, at, b)
}

// move is put for any length.
func move(p unsafe.Pointer, at int, b []byte) {
	var to []byte
	setBytes(&to, p, at, len(b))
	copy(to, b)
}
