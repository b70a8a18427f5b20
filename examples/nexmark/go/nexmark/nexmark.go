// Package nexmark is what the queries in Go share: views of the events of the source
// nexmark, rows, and what operators send each other. It is not for making events
// (runtime/connector). Start with AsBid.
//
// An event is the value of a record as docs/formats.md has it: nothing is copied, and a
// field is looked up when it is asked for. Numbers cost a load; texts are behind each
// other, so that a later one costs a look at the lengths of those before it. As says what
// kind of event a value is and that its numbers are there; the lengths of texts are the
// source's word, and one that leads out of the value panics.
package nexmark

import "encoding/binary"

// Kinds of events, the first byte of a value.
const (
	PersonKind  = 0
	AuctionKind = 1
	BidKind     = 2
)

// Where the texts of an event begin, and its least bytes: their lengths are there.
const (
	personTexts  = 25
	auctionTexts = 65
	bidTexts     = 41

	leastPerson  = personTexts + 6*2
	leastAuction = auctionTexts + 3*2
	leastBid     = bidTexts + 3*2
)

// Person is somebody who opens auctions and bids.
type Person []byte

// AsPerson is the person that a value is.
func AsPerson(value []byte) (p Person, ok bool) {
	return value, len(value) >= leastPerson && value[0] == PersonKind
}

func (p Person) ID() int64       { return number(p, 1) }
func (p Person) DateTime() int64 { return number(p, 9) }  // ms since 1970
func (p Person) Number() int64   { return number(p, 17) } // of the event in the stream

func (p Person) Name() []byte         { return text(p[personTexts:]) }
func (p Person) EmailAddress() []byte { return text(skip(p[personTexts:], 1)) }
func (p Person) CreditCard() []byte   { return text(skip(p[personTexts:], 2)) }
func (p Person) City() []byte         { return text(skip(p[personTexts:], 3)) }
func (p Person) State() []byte        { return text(skip(p[personTexts:], 4)) }
func (p Person) Extra() []byte        { return text(skip(p[personTexts:], 5)) }

// Auction is an item for sale, until it expires.
type Auction []byte

// AsAuction is the auction that a value is.
func AsAuction(value []byte) (a Auction, ok bool) {
	return value, len(value) >= leastAuction && value[0] == AuctionKind
}

func (a Auction) ID() int64         { return number(a, 1) }
func (a Auction) Seller() int64     { return number(a, 9) } // a person
func (a Auction) Category() int64   { return number(a, 17) }
func (a Auction) InitialBid() int64 { return number(a, 25) }
func (a Auction) Reserve() int64    { return number(a, 33) }
func (a Auction) DateTime() int64   { return number(a, 41) } // ms since 1970
func (a Auction) Number() int64     { return number(a, 49) } // of the event in the stream
func (a Auction) Expires() int64    { return number(a, 57) } // ms since 1970

func (a Auction) ItemName() []byte    { return text(a[auctionTexts:]) }
func (a Auction) Description() []byte { return text(skip(a[auctionTexts:], 1)) }
func (a Auction) Extra() []byte       { return text(skip(a[auctionTexts:], 2)) }

// Bid is what a person offers for an auction's item.
type Bid []byte

// AsBid is the bid that a value is.
func AsBid(value []byte) (b Bid, ok bool) {
	return value, len(value) >= leastBid && value[0] == BidKind
}

func (b Bid) Auction() int64  { return number(b, 1) }
func (b Bid) Bidder() int64   { return number(b, 9) } // a person
func (b Bid) Price() int64    { return number(b, 17) }
func (b Bid) DateTime() int64 { return number(b, 25) } // ms since 1970
func (b Bid) Number() int64   { return number(b, 33) } // of the event in the stream

func (b Bid) Channel() []byte { return text(b[bidTexts:]) }
func (b Bid) URL() []byte     { return text(skip(b[bidTexts:], 1)) }
func (b Bid) Extra() []byte   { return text(skip(b[bidTexts:], 2)) }

func number(event []byte, at int) int64 { return int64(load(event, at)) }

// text is the one that texts begin with.
func text(texts []byte) []byte { return texts[2 : 2+int(binary.LittleEndian.Uint16(texts))] }

// skip leaves out the first n texts.
func skip(texts []byte, n int) []byte {
	for range n {
		texts = texts[2+int(binary.LittleEndian.Uint16(texts)):]
	}
	return texts
}
