// Package oracle answers the queries of Nexmark by loops over all events at once: what the
// queries of examples/nexmark should say of events that nobody else has answered them for.
// It knows nothing of how these do it, and takes its time. Start with Answer.
package oracle

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Events are all of a stream, each kind in the order of the stream.
type Events struct {
	Persons  []Person
	Auctions []Auction
	Bids     []Bid
}

// Event is what all kinds have in common.
type Event struct {
	Type     string `json:"type"`
	Number   int64  `json:"-"` // its place in the stream, from 0
	DateTime int64  `json:"dateTime"`
	Extra    string `json:"extra"`
}

type Person struct {
	Event
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	EmailAddress string `json:"emailAddress"`
	CreditCard   string `json:"creditCard"`
	City         string `json:"city"`
	State        string `json:"state"`
}

type Auction struct {
	Event
	ID          int64  `json:"id"`
	ItemName    string `json:"itemName"`
	Description string `json:"description"`
	InitialBid  int64  `json:"initialBid"`
	Reserve     int64  `json:"reserve"`
	Expires     int64  `json:"expires"`
	Seller      int64  `json:"seller"`
	Category    int64  `json:"category"`
}

type Bid struct {
	Event
	Auction int64  `json:"auction"`
	Bidder  int64  `json:"bidder"`
	Price   int64  `json:"price"`
	Channel string `json:"channel"`
	URL     string `json:"url"`
}

// Len is how many there are.
func (e *Events) Len() int { return len(e.Persons) + len(e.Auctions) + len(e.Bids) }

// Add takes in the next event of the stream, encoded as docs/formats.md says.
func (e *Events) Add(value []byte) error {
	d := decoder{rest: value}
	number := int64(e.Len())
	var got *Event
	switch kind := d.byte(); kind {
	case 0:
		p := Person{Event: Event{Type: "person"}}
		d.numbers(&p.ID, &p.DateTime, &p.Number)
		d.texts(&p.Name, &p.EmailAddress, &p.CreditCard, &p.City, &p.State, &p.Extra)
		e.Persons, got = append(e.Persons, p), &p.Event
	case 1:
		a := Auction{Event: Event{Type: "auction"}}
		d.numbers(&a.ID, &a.Seller, &a.Category, &a.InitialBid, &a.Reserve, &a.DateTime, &a.Number, &a.Expires)
		d.texts(&a.ItemName, &a.Description, &a.Extra)
		e.Auctions, got = append(e.Auctions, a), &a.Event
	case 2:
		b := Bid{Event: Event{Type: "bid"}}
		d.numbers(&b.Auction, &b.Bidder, &b.Price, &b.DateTime, &b.Number)
		d.texts(&b.Channel, &b.URL, &b.Extra)
		e.Bids, got = append(e.Bids, b), &b.Event
	default:
		return fmt.Errorf("read event %d: no kind %d", number, kind)
	}
	switch {
	case d.short:
		return fmt.Errorf("read event %d: it is too short: %x", number, value)
	case len(d.rest) > 0:
		return fmt.Errorf("read event %d: %d bytes behind the last field", number, len(d.rest))
	case got.Number != number:
		return fmt.Errorf("read event %d: it says that it is %d", number, got.Number)
	}
	return nil
}

// decoder takes fields off a value; too short a one leaves them as they are.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.short = true
		return make([]byte, n)
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		return math.MaxUint8
	}
	return d.take(1)[0]
}

func (d *decoder) numbers(fields ...*int64) {
	for _, f := range fields {
		*f = int64(binary.LittleEndian.Uint64(d.take(8)))
	}
}

func (d *decoder) texts(fields ...*string) {
	for _, f := range fields {
		*f = string(d.take(int(binary.LittleEndian.Uint16(d.take(2)))))
	}
}

// Coarse are the same events with times cut down to spans of so many ms, and prices to
// powers of ten, so that many are equal, and lie just on an edge.
func (e *Events) Coarse(span int64) *Events {
	c := &Events{}
	cut := func(t *int64) { *t -= *t % span }
	for _, p := range e.Persons {
		cut(&p.DateTime)
		c.Persons = append(c.Persons, p)
	}
	for _, a := range e.Auctions {
		cut(&a.DateTime)
		cut(&a.Expires)
		c.Auctions = append(c.Auctions, a)
	}
	for _, b := range e.Bids {
		cut(&b.DateTime)
		power := int64(1)
		for power*10 <= b.Price {
			power *= 10
		}
		b.Price = power
		c.Bids = append(c.Bids, b)
	}
	return c
}

// WriteLines writes them as the lines that a source reads.
func (e *Events) WriteLines(w io.Writer) error {
	all := make([]any, e.Len())
	for i := range e.Persons {
		all[e.Persons[i].Number] = &e.Persons[i]
	}
	for i := range e.Auctions {
		all[e.Auctions[i].Number] = &e.Auctions[i]
	}
	for i := range e.Bids {
		all[e.Bids[i].Number] = &e.Bids[i]
	}
	lines := json.NewEncoder(w)
	for _, event := range all {
		if err := lines.Encode(event); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
	return nil
}
