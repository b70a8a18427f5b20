package nexmark

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRow(t *testing.T) {
	row := Row(nil).Number(`{"n":`, -1).Text(`,"text":`, []byte("a")).Number(`,"max":`, 1<<63-1).End()
	if got, want := string(row), `{"n":-1,"text":"a","max":9223372036854775807}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// bid is of auction 1 by bidder 2, for a price of 3 at 4 ms.
func bid(extra string) (b Bid) {
	b = append(b, BidKind)
	for _, n := range []int64{1, 2, 3, 4, 5} {
		b = PutNumber(b, n)
	}
	for _, text := range []string{"Apple", "https://auctions", extra} {
		b = PutText(b, []byte(text))
	}
	return b
}

func TestRowBid(t *testing.T) {
	if got, want := string(Row(nil).Bid(bid("more"))), `{"auction":1,"bidder":2,"price":3,"dateTime":4,"extra":"more"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRowText(t *testing.T) {
	const plain = "H to z, and then some more of it"
	texts := []string{"", `\`, `\\\\\\\\\`, "\x00\x1f\n\t\"", "Malmö ist schön, østlig også"}
	for length := range len(plain) {
		for at := range length {
			for _, c := range []byte{'"', '\\', 0, 0x1f, ' ', '!', '#', '[', ']', 0x7f} {
				text := []byte(plain[:length])
				text[at] = c
				texts = append(texts, string(text))
			}
		}
	}
	for _, text := range texts {
		row := Row(nil).Text(`{"text":`, []byte(text)).End()
		var got struct{ Text string }
		if err := json.Unmarshal(row, &got); err != nil || got.Text != text {
			t.Errorf("%q becomes %s: %v", text, row, err)
		}
	}
}

func BenchmarkRowBid(b *testing.B) {
	bid := bid(strings.Repeat("more", 16))
	var row Row
	b.ReportAllocs()
	for b.Loop() {
		row = row[:0].Bid(bid)
	}
}
