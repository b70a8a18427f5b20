package nexmark_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
)

// vectors are what the source is held to, too.
const vectors = "../../../../runtime/connector/testdata/nexmark.json"

func TestVectors(t *testing.T) {
	file, err := os.Open(vectors)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kinds := map[byte]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var vector struct {
			Number int64
			Event  json.RawMessage
			Hex    string
		}
		if err := json.Unmarshal(lines.Bytes(), &vector); err != nil {
			t.Fatal(err)
		}
		value, err := hex.DecodeString(vector.Hex)
		if err != nil {
			t.Fatal(err)
		}
		want := fieldsOf(t, vector.Event)
		want["number"] = json.Number(strconv.FormatInt(vector.Number, 10))
		if diff := cmp.Diff(want, fieldsOf(t, asJSON(t, value))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", vector.Event, diff)
		}
		kinds[value[0]]++
	}
	for kind := range 3 {
		if kinds[byte(kind)] == 0 {
			t.Errorf("no event of kind %d among the vectors", kind)
		}
	}
}

func TestNoEvent(t *testing.T) {
	for _, value := range [][]byte{nil, {0}, {1}, {2}, bytes.Repeat([]byte{3}, 100), make([]byte, 36), append([]byte{1}, make([]byte, 69)...), append([]byte{2}, make([]byte, 45)...)} {
		_, person := nexmark.AsPerson(value)
		_, auction := nexmark.AsAuction(value)
		_, bid := nexmark.AsBid(value)
		if person || auction || bid {
			t.Errorf("%x is an event", value)
		}
	}
}

func fieldsOf(t *testing.T, event []byte) (fields map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func asJSON(t *testing.T, value []byte) []byte {
	t.Helper()
	fields := map[string]any{}
	if p, ok := nexmark.AsPerson(value); ok {
		fields = map[string]any{
			"type": "person", "number": p.Number(), "id": p.ID(), "dateTime": p.DateTime(), "name": string(p.Name()), "emailAddress": string(p.EmailAddress()),
			"creditCard": string(p.CreditCard()), "city": string(p.City()), "state": string(p.State()), "extra": string(p.Extra()),
		}
	}
	if a, ok := nexmark.AsAuction(value); ok {
		fields = map[string]any{
			"type": "auction", "number": a.Number(), "id": a.ID(), "seller": a.Seller(), "category": a.Category(), "initialBid": a.InitialBid(), "reserve": a.Reserve(),
			"dateTime": a.DateTime(), "expires": a.Expires(), "itemName": string(a.ItemName()), "description": string(a.Description()), "extra": string(a.Extra()),
		}
	}
	if b, ok := nexmark.AsBid(value); ok {
		fields = map[string]any{
			"type": "bid", "number": b.Number(), "auction": b.Auction(), "bidder": b.Bidder(), "price": b.Price(), "dateTime": b.DateTime(),
			"channel": string(b.Channel()), "url": string(b.URL()), "extra": string(b.Extra()),
		}
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func BenchmarkBid(b *testing.B) {
	value := append([]byte{nexmark.BidKind}, make([]byte, 100)...)
	b.ReportAllocs()
	sum := int64(0)
	for b.Loop() {
		if bid, ok := nexmark.AsBid(value); ok {
			sum += bid.Auction() + bid.Price() + int64(len(bid.URL()))
		}
	}
	if sum != 0 {
		b.Fatal(sum)
	}
}
