package connector

import (
	"encoding/binary"
	"unsafe"

	"github.com/wasmill/wasmill/runtime/prefetch"
	"github.com/wasmill/wasmill/runtime/record"
)

// What the benchmark fixes.
const (
	firstID       = 1000 // of persons and of auctions
	firstCategory = 10
	categories    = 5
	activePersons = 1000 // of which one is chosen, if not the hot one
	openAuctions  = 100
	idLead        = 10  // how many may be chosen that are not there yet
	hotEvery      = 100 // persons or auctions, of which the first is hot
	personSize    = 200 // what extra fills up to, about
	auctionSize   = 500
	bidSize       = 100
)

// nexmarkMaker makes events, each of its number and the settings alone.
type nexmarkMaker struct {
	with     nexmarkSettings
	turn     int64 // events after which the kinds begin anew
	life     int64 // events in which a new auction gets as many others as can be open
	seed     uint64
	extra    []byte
	words    []byte
	channels []nexmarkChannel
	prices   *nexmarkPrices
	clock    *schedule
	near     prefetch.Places
}

func newNexmarkMaker(with nexmarkSettings, clock *schedule) *nexmarkMaker {
	m := &nexmarkMaker{with: with, turn: with.Persons + with.Auctions + with.Bids, clock: clock, prices: pricesOfNexmark()}
	m.life = openAuctions * m.turn / with.Auctions
	m.seed = mix(uint64(with.Seed) + 1)
	m.extra = extraText(splitmix(m.seed + 1))
	m.words = wordText(splitmix(m.seed + 2))
	m.channels = channelsOf(splitmix(m.seed + 3))
	return m
}

// largestEvent is the most bytes that an event takes, and that are written for one.
const largestEvent = 1 << 10

// add writes event n behind the others; out has the room, of largestEvent bytes.
func (m *nexmarkMaker) add(out []byte, n int64) []byte {
	q, r := n/m.turn, n%m.turn
	d := draw{random: m.random(n), maker: m, extras: uint64(n / extraPace)}
	d.person = q*m.with.Persons + min(r, m.with.Persons-1)
	d.auction = q*m.with.Auctions + min(max(r-m.with.Persons, -1), m.with.Auctions-1)
	switch {
	case r < m.with.Persons:
		return d.addPerson(out, n, m.clock.timestamp(n))
	case r < m.with.Persons+m.with.Auctions:
		return d.addAuction(out, n, m.clock.timestamp(n), m.clock.at(n+m.life))
	}
	return d.addBid(out, n, m.clock.timestamp(n))
}

// approach brings the channels of bids near that are made next.
func (m *nexmarkMaker) approach(numbers []int64) {
	for _, n := range numbers {
		c := &m.channels[m.with.channel(m.random(n).ahead(channelDraw))]
		m.near.Add(unsafe.Pointer(&c.nameLen))
		m.near.Add(unsafe.Pointer(&c.fixed))
	}
	m.near.Now()
}

// random is what is random of event n.
func (m *nexmarkMaker) random(n int64) splitmix { return splitmix(mix(m.seed ^ uint64(n))) }

// channelDraw is which of the random numbers of a bid says its channel, from 1.
const channelDraw = 3

// channel chooses one. It does not branch: no processor can foresee which kind it will be.
func (with *nexmarkSettings) channel(random uint64) int {
	hot, cold := below(uint32(random>>32), nexmarkHot), nexmarkHot+below(uint32(random>>32), nexmarkCold)
	ifCold := (below(uint32(random), int(with.HotChannels)) - 1) >> 63 // all bits, or none
	return hot + (cold-hot)&ifCold
}

// draw is what is random in one event.
type draw struct {
	random  splitmix
	maker   *nexmarkMaker
	person  int64 // the last one there is, from 0
	auction int64
	extras  uint64 // the first place of those that its extra may begin at
}

// extra is that many letters. There are more than are there for what is cut short.
func (d *draw) extra(random uint64) []byte {
	return d.maker.extra[(d.extras+random%extraSpread)%extraPlaces:]
}

// anyPerson is one of those who came last, or come next.
func (d *draw) anyPerson(random uint32) int64 {
	active := min(d.person+1, activePersons)
	return d.person + 1 - active + int64(below(random, int(active)+idLead))
}

func (d *draw) anyAuction(random uint32) int64 {
	first := max(d.auction-openAuctions, 0)
	return first + int64(below(random, int(d.auction-first)+1+idLead))
}

// addBid copies whole blocks, of which the event keeps the beginning.
func (d *draw) addBid(out []byte, n, timestamp int64) []byte {
	m := d.maker
	r := d.random.next()
	auction := d.auction / hotEvery * hotEvery
	if below(uint32(r), int(m.with.HotAuctions)) == 0 {
		auction = d.anyAuction(uint32(r >> 32))
	}
	r = d.random.next()
	bidder := d.person/hotEvery*hotEvery + 1
	if below(uint32(r), int(m.with.HotBidders)) == 0 {
		bidder = d.anyPerson(uint32(r >> 32))
	}
	channel := m.with.channel(d.random.next())
	r = d.random.next()
	price := m.prices.price(uint32(r))
	extra := bidShortest + below(uint32(r>>32), bidSpread)
	letters := d.extra(d.random.next())

	const texts = record.HeaderSize + bidTexts
	const longest = bidShortest + bidSpread - 1
	head := (*[texts]byte)(out[len(out) : len(out)+texts])
	binary.LittleEndian.PutUint64(head[8:], uint64(timestamp))
	head[16] = nexmarkBid
	binary.LittleEndian.PutUint64(head[17:], uint64(firstID+auction))
	binary.LittleEndian.PutUint64(head[25:], uint64(firstID+bidder))
	binary.LittleEndian.PutUint64(head[33:], price)
	binary.LittleEndian.PutUint64(head[41:], uint64(timestamp))
	binary.LittleEndian.PutUint64(head[49:], uint64(n))
	end := m.channels[channel].write(out[:cap(out)], len(out)+texts)
	tail := (*[2 + longest]byte)(out[end : end+2+longest])
	binary.LittleEndian.PutUint16(tail[0:], uint16(extra))
	*(*[longest]byte)(tail[2:]) = *(*[longest]byte)(letters)
	end += 2 + extra
	size := end - len(out) - record.HeaderSize
	binary.LittleEndian.PutUint64(head[0:], uint64(record.KeyAbsent)<<24|uint64(size)<<32)
	return out[:end]
}

// bidTexts is where the texts of a bid begin.
const bidTexts = 41

// The extra of a bid fills it up from 32 bytes to bidSize, more or less a fifth.
const (
	bidShortest = bidSize - 32 - (bidSize-32+2)/5
	bidSpread   = 2 * ((bidSize - 32 + 2) / 5)
)

func (d *draw) addPerson(out []byte, n, timestamp int64) []byte {
	at := len(out)
	out = d.begin(out, nexmarkPerson, timestamp)
	out = binary.LittleEndian.AppendUint64(out, uint64(firstID+d.person))
	out = binary.LittleEndian.AppendUint64(out, uint64(timestamp))
	out = binary.LittleEndian.AppendUint64(out, uint64(n))
	texts := len(out)
	first, last := d.pick(firstNames), d.pick(lastNames)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(first)+1+len(last)))
	out = append(append(append(out, first...), ' '), last...)
	user, host := d.word(7), d.word(5)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(user)+len(host)+5))
	out = append(append(append(append(out, user...), '@'), host...), ".com"...)
	out = d.appendCreditCard(out)
	out = appendSized(out, d.pick(cities))
	out = appendSized(out, d.pick(states))
	out = appendSized(out, d.fill(8+len(out)-texts-5*2, personSize))
	return finish(out, at)
}

func (d *draw) addAuction(out []byte, n, timestamp, later int64) []byte {
	at := len(out)
	out = d.begin(out, nexmarkAuction, timestamp)
	r := d.random.next()
	seller := d.person / hotEvery * hotEvery
	if below(uint32(r), int(d.maker.with.HotSellers)) == 0 {
		seller = d.anyPerson(uint32(r >> 32))
	}
	r = d.random.next()
	category := firstCategory + below(uint32(r), categories)
	initialBid := d.maker.prices.price(uint32(r >> 32))
	r = d.random.next()
	reserve := initialBid + d.maker.prices.price(uint32(r))
	life := 1 + mulDiv(r>>32, uint64(max(2*(later-timestamp), 1)), 1<<32)
	for _, x := range [...]uint64{
		uint64(firstID + d.auction), uint64(firstID + seller), uint64(category),
		initialBid, reserve, uint64(timestamp), uint64(n), uint64(timestamp + life),
	} {
		out = binary.LittleEndian.AppendUint64(out, x)
	}
	name, description := d.word(20), d.word(100)
	out = appendSized(out, name)
	out = appendSized(out, description)
	out = appendSized(out, d.fill(8+len(name)+len(description)+40, auctionSize))
	return finish(out, at)
}

// begin writes what is known of a record before its length is.
func (d *draw) begin(out []byte, kind byte, timestamp int64) []byte {
	out = binary.LittleEndian.AppendUint64(out, uint64(record.KeyAbsent)<<24)
	out = binary.LittleEndian.AppendUint64(out, uint64(timestamp))
	return append(out, kind)
}

// finish sets the length of the record that begins at a place.
func finish(out []byte, at int) []byte {
	binary.LittleEndian.PutUint32(out[at+4:], uint32(len(out)-at-record.HeaderSize))
	return out
}

func (d *draw) pick(from []string) string { return from[below(uint32(d.random.next()), len(from))] }

// word is a text of 3 letters to fewer than most, without the spaces around it.
func (d *draw) word(most int) []byte {
	r := d.random.next()
	place := int(r >> 32 % wordPlaces)
	word := d.maker.words[place : place+3+below(uint32(r), most-3)]
	for len(word) > 0 && word[0] == ' ' {
		word = word[1:]
	}
	for len(word) > 0 && word[len(word)-1] == ' ' {
		word = word[:len(word)-1]
	}
	return word
}

// appendCreditCard adds four times four digits.
func (d *draw) appendCreditCard(out []byte) []byte {
	out = appendSized(out, "0000 0000 0000 0000")
	card := out[len(out)-19:]
	for i := 0; i < len(card); i += 5 {
		four := below(uint32(d.random.next()), 10_000)
		for j := 3; j >= 0; j-- {
			card[i+j] += byte(four % 10)
			four /= 10
		}
	}
	return out
}

// fill is a text that fills so many bytes up to those wanted, more or less a fifth.
func (d *draw) fill(size, wanted int) []byte {
	if size > wanted {
		return nil
	}
	rest := wanted - size
	spread := (rest + 2) / 5
	r := d.random.next()
	n := rest - spread + below(uint32(r), 2*spread)
	if spread == 0 {
		n = rest
	}
	return d.extra(r >> 32)[:n]
}
