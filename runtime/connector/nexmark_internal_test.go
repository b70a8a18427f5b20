package connector

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/record"
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
	url := regexp.MustCompile(`^https://www\.nexmark\.com/[a-z_]{3,4}/[a-z_]{3,4}/[a-z_]{3,4}/item\.htm\?query=1(&channel_id=[0-9]+)?$`)
	out := make([]byte, 128)
	ids := 0
	for i := range channels {
		text := out[:channels[i].write(out, 0)]
		n := 2 + int(binary.LittleEndian.Uint16(text))
		channel, page := string(text[2:n]), string(text[n+2:])
		want := "channel-" + strconv.Itoa(i-nexmarkHot)
		if i < nexmarkHot {
			want = []string{"Google", "Facebook", "Baidu", "Apple"}[i]
		}
		if channel != want {
			t.Fatalf("channel %d is %q, want %q", i, channel, want)
		}
		parts := url.FindStringSubmatch(page)
		if len(page) != int(binary.LittleEndian.Uint16(text[n:])) || parts == nil {
			t.Fatalf("channel %d has the url %q", i, page)
		}
		if parts[1] == "" {
			continue
		}
		id := int64(int32(bits.Reverse32(uint32(i - nexmarkHot))))
		if want := fmt.Sprintf("&channel_id=%d", max(id, -id)); i < nexmarkHot || parts[1] != want {
			t.Fatalf("channel %d has %q in its url", i, parts[1])
		}
		ids++
	}
	if ids < 8800 || ids > 9200 {
		t.Errorf("%d cold channels have an id in their url, want 9 of 10", ids)
	}
}

// What is brought near for a bid is what it is written from.
func TestNexmarkApproaches(t *testing.T) {
	clock := newSchedule(time.Time{}, 0, 0)
	m := newNexmarkMaker(nexmarkSettings{
		Persons: 1, Auctions: 3, Bids: 46, HotAuctions: 2, HotBidders: 4, HotSellers: 4, HotChannels: 2,
	}, &clock)
	kinds := map[bool]int{}
	for n := int64(4); n < 50; n++ {
		bid := m.add(make([]byte, 0, largestEvent), n)[record.HeaderSize+bidTexts:]
		name := string(bid[2:][:binary.LittleEndian.Uint16(bid)])
		c := &m.channels[m.with.channel(m.random(n).ahead(channelDraw))]
		if near := string(c.name[:c.nameLen]); near != name {
			t.Errorf("bid %d is of channel %q, and %q was brought near", n, name, near)
		}
		kinds[c.name[0] == 'c']++
	}
	if len(kinds) != 2 {
		t.Errorf("all channels are of one kind: %v", kinds)
	}
}
