package connector

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

const (
	// Powers of two: at how many places of random text another can begin.
	extraPlaces = 1 << 20
	wordPlaces  = 1 << 16
	longestCut  = 600 // bytes

	// Of the places of extras those come next to one another that are next in number, so
	// that the processor has them in its cache: a range that moves by one in so many events.
	extraSpread = 1 << 15
	extraPace   = 8

	nexmarkHot  = 4      // channels, before the others
	nexmarkCold = 10_000 // channels
)

var (
	firstNames  = []string{"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"}
	lastNames   = []string{"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"}
	cities      = []string{"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"}
	states      = []string{"AZ", "CA", "ID", "OR", "WA", "WY"}
	hotChannels = [nexmarkHot]string{"Google", "Facebook", "Baidu", "Apple"}
)

// splitmix is the generator of that name: numbers that follow from one another.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += golden
	return mix(uint64(*s))
}

// ahead is the number that it gives after so many calls of next.
func (s splitmix) ahead(n uint64) uint64 { return mix(uint64(s) + n*golden) }

// below scales a random number to 0, 1, …, n-1.
func below(random uint32, n int) int { return int(uint64(random) * uint64(n) >> 32) }

// extraText is what the extra of events is cut from: letters in runs of six, from a
// upwards or from a downwards to H.
func extraText(random splitmix) []byte {
	text := make([]byte, extraPlaces+longestCut)
	for run := range slices.Chunk(text, 6) {
		r := random.next()
		down := r&1 == 1
		for i := range run {
			var letter uint64
			letter, r = bits.Mul64(r, 26)
			if run[i] = 'a' + byte(letter); down {
				run[i] = 'a' - byte(letter)
			}
		}
	}
	return text
}

// wordText is what names and descriptions are cut from.
func wordText(random splitmix) []byte {
	return random.letters(make([]byte, wordPlaces+longestCut), ' ')
}

// letters fills a text with random ones, one in thirteen of them the other.
func (s *splitmix) letters(text []byte, other byte) []byte {
	for i := range text {
		r := s.next()
		text[i] = 'a' + byte(below(uint32(r), 26))
		if below(uint32(r>>32), 13) == 0 {
			text[i] = other
		}
	}
	return text
}

// nexmarkChannel is what the texts of a channel consist of that others have not. So little
// of each is kept since half of all bids ask for any of ten thousand.
type nexmarkChannel struct {
	name    [12]byte // behind each is its length
	nameLen uint8
	path    [14]byte // the words of its url
	pathLen uint8
	id      [10]byte
	idLen   uint8
	fixed   uint8 // how much of urlEnd its url has
}

// Arrays, which are copied in a few moves.
var (
	urlStart = [24]byte([]byte("https://www.nexmark.com/"))
	urlEnd   = [29]byte([]byte("/item.htm?query=1&channel_id="))
)

const unnamed = len("/item.htm?query=1") // of urlEnd, where the channel has no id

func channelsOf(random splitmix) []nexmarkChannel {
	channels := make([]nexmarkChannel, nexmarkHot+nexmarkCold)
	for i := range channels {
		c := &channels[i]
		hasID, cold := false, i-nexmarkHot
		if cold < 0 {
			c.nameLen = uint8(copy(c.name[:], hotChannels[i]))
		} else {
			c.nameLen = uint8(len(strconv.AppendInt(append(c.name[:0], "channel-"...), int64(cold), 10)))
			hasID = below(uint32(random.next()), 10) > 0
		}
		path := c.path[:0]
		for i := range 3 {
			if i > 0 {
				path = append(path, '/')
			}
			word := len(path)
			path = path[:word+3+int(random.next()>>63)]
			random.letters(path[word:], '_')
		}
		c.pathLen, c.fixed = uint8(len(path)), uint8(unnamed)
		if hasID {
			id := int64(int32(bits.Reverse32(uint32(cold))))
			c.fixed, c.idLen = uint8(len(urlEnd)), uint8(len(strconv.AppendInt(c.id[:0], max(id, -id), 10)))
		}
	}
	return channels
}

// write writes channel and url as they stand in a bid to a place of out, and returns
// where they end. It writes up to 16 bytes more.
func (c *nexmarkChannel) write(out []byte, at int) (end int) {
	binary.LittleEndian.PutUint16(out[at:], uint16(c.nameLen))
	*(*[len(c.name)]byte)(out[at+2:]) = c.name
	at += 2 + int(c.nameLen)
	binary.LittleEndian.PutUint16(out[at:], uint16(len(urlStart))+uint16(c.pathLen)+uint16(c.fixed)+uint16(c.idLen))
	*(*[len(urlStart)]byte)(out[at+2:]) = urlStart
	at += 2 + len(urlStart)
	*(*[len(c.path)]byte)(out[at:]) = c.path
	at += int(c.pathLen)
	*(*[len(urlEnd)]byte)(out[at:]) = urlEnd
	at += int(c.fixed)
	*(*[len(c.id)]byte)(out[at:]) = c.id
	return at + int(c.idLen)
}

// appendSized adds a text as events have it.
func appendSized[T string | []byte](to []byte, text T) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(text))), text...)
}
