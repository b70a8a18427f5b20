package host_test

import (
	"math/rand/v2"
	"slices"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// mutate damages a copy of b in one to four places.
func mutate(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		end := min(len(b), at+1+r.IntN(16))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b = b[:at]
		case 3:
			b = slices.Insert(b, at, b[at:end]...)
		case 4:
			b = slices.Delete(b, at, end)
		case 5:
			b[at] = []byte{0, 0x7f, 0x80, 0xff, 0xfc, 0x0b}[r.IntN(6)]
		}
	}
	return b
}
