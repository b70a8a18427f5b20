package connector

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
)

func TestNexmarkPrice(t *testing.T) {
	p := pricesOfNexmark()
	for u, want := range map[uint32]uint64{
		0: 100, 1 << 31: 100_000, 1 << 30: 3162, 3 << 30: 3_162_278, math.MaxUint32: 100_000_000,
	} {
		if got := p.price(u); got != want {
			t.Errorf("price of %d ÷ 2^32 is %d, want %d", u, got, want)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	sum := fnv.New64a()
	for range 100_000 {
		u := random.Uint32()
		exact := 100 * math.Pow(10, 6*float64(u)/(1<<32))
		price := p.price(u)
		if math.Abs(float64(price)-exact) > 0.51 {
			t.Fatalf("price of %d ÷ 2^32 is %d, and not %f", u, price, exact)
		}
		for ; price > 0; price >>= 8 {
			sum.Write([]byte{byte(price)})
		}
	}
	// The same on every machine.
	if got, want := sum.Sum64(), uint64(0x843d5e5eb8cf2309); got != want {
		t.Errorf("prices have the sum %#x, want %#x", got, want)
	}
}

func TestNexmarkChannels(t *testing.T) {
	channels := channelsOf(1)
	ids := 0
	for i, from := range []string{"\x06\x00Google", "\x08\x00Facebook", "\x05\x00Baidu", "\x05\x00Apple", "\x09\x00channel-0", "\x09\x00channel-1"} {
		if got := string(channels[i][:len(from)]); got != from {
			t.Errorf("channel %d begins with %q, want %q", i, got, from)
		}
	}
	for _, c := range channels {
		if c[channelSize-1] > channelSize-1 {
			t.Fatalf("a channel has %d bytes", c[channelSize-1])
		}
		if c[channelSize-1] > 75 {
			ids++
		}
	}
	if ids < 8800 || ids > 9200 {
		t.Errorf("%d cold channels have an id in their url, want 9 of 10", ids)
	}
}
