package connector

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// The timestamp of record n is n × 1000 ÷ rate ms, rounded down, in any order of asking.
func TestScheduleTimestamps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []int64{1, 3, 999, 1000, 1001, 1_234_567, 1e9} {
		s := newSchedule(time.Now(), rate, GeneratorBase)
		n := int64(0)
		for i := range 10_000 {
			if n += 1 + random.Int64N(5); i%100 == 0 {
				n = random.Int64N(math.MaxInt64 >> random.IntN(60))
			}
			exact := new(big.Int).Mul(big.NewInt(n), big.NewInt(1000))
			exact.Div(exact, big.NewInt(rate))
			exact.Add(exact, big.NewInt(GeneratorBase))
			if !exact.IsInt64() || exact.Int64() == math.MaxInt64 {
				continue
			}
			if got := s.timestamp(n); got != exact.Int64() {
				t.Fatalf("record %d at %d a second: got %d, want %s", n, rate, got, exact)
			}
		}
	}
}

func TestHexOf(t *testing.T) {
	for _, n := range []uint32{0, 9, 10, 0x9f, 0xf9a0, 0x01234567, 0x89abcdef, math.MaxUint32} {
		x := hexOf(n)
		got := string([]byte{byte(x >> 56), byte(x >> 48), byte(x >> 40), byte(x >> 32), byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
		if want := fmt.Sprintf("%08x", n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
