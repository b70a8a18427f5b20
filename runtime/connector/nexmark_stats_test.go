package connector_test

import (
	"math"
	"strings"
	"testing"
)

// mean is that of what is counted.
type mean struct{ sum, n float64 }

func (m *mean) add(x float64)  { m.sum += x; m.n++ }
func (m *mean) when(yes bool)  { m.add(map[bool]float64{true: 1}[yes]) }
func (m *mean) value() float64 { return m.sum / m.n }

// What the benchmark says of its events, in 300,000 of them: shares, and mean sizes of
// texts in bytes.
func TestNexmarkStatistics(t *testing.T) {
	means := map[string]*mean{}
	of := func(what string) *mean {
		if means[what] == nil {
			means[what] = &mean{}
		}
		return means[what]
	}
	const first = 300_000
	c := eventsOf(t, nexmark(map[string]any{"events": 2 * first}), from(first))
	for i, e := range c.all {
		n := int64(first + i)
		of("all").add(float64(len(c.values[i])))
		of("persons").when(e.Type == "person")
		of("auctions").when(e.Type == "auction")
		person, auction := 1000+n/50, 1000+n/50*3+min(n%50-1, 2)
		switch e.Type {
		case "person":
			if e.ID != person {
				t.Fatalf("event %d is person %d, want %d", n, e.ID, person)
			}
			of("name").add(float64(len(e.Name)))
			of("emailAddress").add(float64(len(e.EmailAddress)))
			of("creditCard").add(float64(len(e.CreditCard)))
			of("city").add(float64(len(e.City)))
			of("in California").when(e.State == "CA")
			of("person's extra").add(float64(len(e.Extra)))
		case "auction":
			if e.ID != auction {
				t.Fatalf("event %d is auction %d, want %d", n, e.ID, auction)
			}
			of("hot seller").when(e.Seller == 1000+n/50/100*100)
			of("category 10").when(e.Category == 10)
			of("life").add(float64(e.Expires - e.DateTime))
			of("itemName").add(float64(len(e.ItemName)))
			of("description").add(float64(len(e.Description)))
			of("auction's extra").add(float64(len(e.Extra)))
			within(t, "seller", e.Seller, person-999, person+10)
			within(t, "category", e.Category, 10, 14)
			within(t, "expires", e.Expires-e.DateTime, 1, 34)
			within(t, "reserve less initialBid", e.Reserve-e.InitialBid, 100, 1e8)
		case "bid":
			_, cold := strings.CutPrefix(e.Channel, "channel-")
			of("hot auction").when(e.Auction == 1000+(auction-1000)/100*100)
			of("hot bidder").when(e.Bidder == 1001+n/50/100*100)
			of("cold channel").when(cold)
			of("Apple").when(e.Channel == "Apple")
			if cold {
				of("url with id").when(strings.Contains(e.URL, "&channel_id="))
			}
			of("price's magnitude").add(math.Log10(float64(e.Price)))
			of("passes q14").when(0.908*float64(e.Price) > 1e6 && 0.908*float64(e.Price) < 5e7)
			of("channel").add(float64(len(e.Channel)))
			of("url").add(float64(len(e.URL)))
			of("bid's extra").add(float64(len(e.Extra)))
			of("c in bid's extra").add(float64(strings.Count(e.Extra, "c")) / float64(len(e.Extra)))
			within(t, "auction", e.Auction, auction-199, auction+10)
			within(t, "bidder", e.Bidder, person-999, person+10)
			within(t, "price", e.Price, 100, 1e8)
			within(t, "extra", int64(len(e.Extra)), 54, 81)
		}
	}
	for what, want := range map[string]struct{ value, off float64 }{
		"all":     {193 + 15, 1}, // with the kind, the number and the lengths
		"persons": {0.02, 0}, "auctions": {0.06, 0},
		"name": {11.5, 0.3}, "emailAddress": {12.7, 0.3}, "creditCard": {19, 0}, "city": {7.4, 0.2}, "in California": {1. / 6, 0.02}, "person's extra": {138.9, 2},
		"hot seller": {0.75, 0.02}, "category 10": {0.2, 0.02}, "life": {17, 1}, "itemName": {10.8, 0.4}, "description": {50.8, 1}, "auction's extra": {389.8, 3},
		"hot auction": {0.5, 0.02}, "hot bidder": {0.75, 0.02}, "cold channel": {0.5, 0.01}, "Apple": {0.125, 0.01}, "url with id": {0.9, 0.02},
		"price's magnitude": {5, 0.05}, "passes q14": {0.283, 0.01},
		"channel": {8.9, 0.2}, "url": {63.1, 0.6}, "bid's extra": {67.5, 0.3}, "c in bid's extra": {1. / 52, 0.001},
	} {
		if got := of(what).value(); math.Abs(got-want.value) > want.off+1e-9 {
			t.Errorf("%s: got %.4f, want %.4f ± %g", what, got, want.value, want.off)
		}
	}
}

func within(t *testing.T, what string, n, least, most int64) {
	t.Helper()
	if n < least || n > most {
		t.Fatalf("%s is %d, and not %d to %d", what, n, least, most)
	}
}

func TestNexmarkProportions(t *testing.T) {
	c := eventsOf(t, nexmark(map[string]any{"events": 9 * 1000, "persons": 2, "auctions": 3, "bids": 4, "hotAuctions": 1, "hotBidders": 1, "hotSellers": 1, "hotChannels": 1}), nil)
	person, auction, hot := int64(999), int64(999), mean{}
	for i, e := range c.all {
		if want := []string{"person", "person", "auction", "auction", "auction", "bid", "bid", "bid", "bid"}[i%9]; e.Type != want {
			t.Fatalf("event %d is of type %s, want %s", i, e.Type, want)
		}
		switch e.Type {
		case "person":
			person++
			within(t, "person", e.ID, person, person)
		case "auction":
			auction++
			within(t, "auction", e.ID, auction, auction)
			within(t, "seller", e.Seller, max(1000, person-999), person+10)
		case "bid":
			within(t, "bid's auction", e.Auction, max(1000, auction-100), auction+10)
			within(t, "bidder", e.Bidder, max(1000, person-999), person+10)
			hot.when(e.Auction == 1000+(auction-1000)/100*100 || !strings.HasPrefix(e.Channel, "channel-"))
		}
	}
	if hot.value() > 0.02 {
		t.Errorf("with ratios of 1 a share of %.3f is hot", hot.value())
	}
}
