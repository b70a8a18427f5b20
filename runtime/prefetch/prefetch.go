// Package prefetch asks for memory to be brought near the processor before it is used, so
// that loads of many places overlap where each would be waited for. It is for loops that
// know ahead where they will look; where the memory is near anyway it only costs time.
package prefetch

import "unsafe"

// Line is how many bytes come near at once, at least.
const Line = 64

// Places collects what is to be brought near. The zero value is ready.
type Places struct {
	places [64]uintptr
	n      int
}

// Add notes the line that a place is in. The place may be used, or gone, before Now.
func (p *Places) Add(at unsafe.Pointer) {
	if p.n == len(p.places) {
		p.Now()
	}
	p.places[p.n] = uintptr(at)
	p.n++
}

// Now asks for all of them, and does not wait.
func (p *Places) Now() {
	lines(&p.places[0], p.n)
	p.n = 0
}
