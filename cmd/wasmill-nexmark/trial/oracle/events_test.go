package oracle

import (
	"encoding/hex"
	"strings"
	"testing"
)

// A person, number 0, as docs/formats.md has it.
const person = "00" + "e803000000000000" + "e8ea 665e 6f01 0000" + "0000000000000000" +
	"0100 41" + "0100 62" + "0100 63" + "0100 64" + "0200 4f52" + "0000"

func encoded(t *testing.T, text string) []byte {
	t.Helper()
	value, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAdd(t *testing.T) {
	e := &Events{}
	if err := e.Add(encoded(t, person)); err != nil {
		t.Fatal(err)
	}
	want := Person{Event{"person", 0, 1577836800744, ""}, 1000, "A", "b", "c", "d", "OR"}
	if e.Len() != 1 || e.Persons[0] != want {
		t.Errorf("got %+v, want %+v", e.Persons, want)
	}
	var lines strings.Builder
	if err := e.Coarse(1000).WriteLines(&lines); err != nil {
		t.Fatal(err)
	}
	const line = `{"type":"person","dateTime":1577836800000,"extra":"","id":1000,"name":"A","emailAddress":"b","creditCard":"c","city":"d","state":"OR"}` + "\n"
	if lines.String() != line {
		t.Errorf("got %s, want %s", lines.String(), line)
	}
}

func TestAddRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"nothing":        {"", "no kind 255"},
		"another kind":   {"03" + person[2:], "no kind 3"},
		"too short":      {person[:len(person)-2], "too short"},
		"too long":       {person + "00", "1 bytes behind the last field"},
		"another number": {strings.Replace(person, "0000000000000000"+"0100", "0100000000000000"+"0100", 1), "it says that it is 1"},
	} {
		if err := (&Events{}).Add(encoded(t, c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: said %v, want %q", name, err, c.says)
		}
	}
}

// Of a break of exactly the gap a session goes on; a bid just at the end of a window may be
// dear enough for it, but does not say what is.
func TestEdges(t *testing.T) {
	bid := func(number, bidder, price, time int64) Bid {
		return Bid{Event: Event{Number: number, DateTime: time}, Auction: 1, Bidder: bidder, Price: price}
	}
	e := &Events{Bids: []Bid{bid(0, 1, 5, 9_000), bid(1, 1, 5, 10_000), bid(2, 2, 9, 19_000), bid(3, 1, 11, 20_000), bid(4, 1, 8, 30_001)}}
	for query, want := range map[string]int{"q7": 5, "q11": 3} {
		if rows, ok := Answer(query, e); !ok || len(rows) != want {
			t.Errorf("%s: %d rows, want %d: %v", query, len(rows), want, rows)
		}
	}
	if _, ok := Answer("q0", e); ok {
		t.Error("there is an answer to q0")
	}
}
