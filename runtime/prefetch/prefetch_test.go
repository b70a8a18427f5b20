package prefetch

import (
	"testing"
	"unsafe"
)

// Whatever places are, asking for them does no harm: a line may be far, gone or nobody's.
func TestPlacesAreOnlyAskedFor(t *testing.T) {
	var p Places
	p.Now()
	text := []byte("text")
	for i := range 3 * len(p.places) {
		p.Add(unsafe.Add(unsafe.Pointer(unsafe.SliceData(text)), i<<20))
	}
	p.Add(nil)
	p.Now()
	if string(text) != "text" || p.n != 0 {
		t.Errorf("%q, and %d places are left", text, p.n)
	}
}
