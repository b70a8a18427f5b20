package connector

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	// nexmarkPlaces, a power of two, is how many places a random text can be cut from.
	nexmarkPlaces = 1 << 20
	longestRandom = 600

	nexmarkHot  = 4      // channels, before the others in nexmarkChannels
	nexmarkCold = 10_000 // channels
	// channelSize has room for what a bid has of its channel, and the length of that.
	channelSize = 96
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

// below scales a random number to 0, 1, …, n-1.
func below(random uint32, n int) int { return int(uint64(random) * uint64(n) >> 32) }

// extraText is what the extra of events is cut from: letters in runs of six, from a
// upwards or from a downwards to H.
func extraText(random splitmix) []byte {
	text := make([]byte, nexmarkPlaces+longestRandom)
	for i := 0; i < len(text); {
		down := random.next()&1 == 1
		for range min(6, len(text)-i) {
			letter := byte(below(uint32(random.next()), 26))
			if down {
				letter = -letter
			}
			text[i] = 'a' + letter
			i++
		}
	}
	return text
}

// wordText is what names and descriptions are cut from.
func wordText(random splitmix) []byte {
	return random.letters(make([]byte, nexmarkPlaces+longestRandom), ' ')
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

// nexmarkChannels are channel and url of every channel as they stand in a bid, and how
// many bytes that is in the last of them.
type nexmarkChannels [][channelSize]byte

func channelsOf(random splitmix) nexmarkChannels {
	word := func() []byte { return random.letters(make([]byte, 3+random.next()>>63), '_') }
	channels := make(nexmarkChannels, nexmarkHot+nexmarkCold)
	for i := range channels {
		name, query := "", ""
		if i < nexmarkHot {
			name = hotChannels[i]
		} else {
			cold := i - nexmarkHot
			name = fmt.Sprint("channel-", cold)
			if below(uint32(random.next()), 10) > 0 {
				query = fmt.Sprint("&channel_id=", magnitude(int32(bits.Reverse32(uint32(cold)))))
			}
		}
		url := fmt.Appendf(nil, "https://www.nexmark.com/%s/%s/%s/item.htm?query=1%s", word(), word(), word(), query)
		both := appendSized(appendSized(channels[i][:0], name), url)
		channels[i][channelSize-1] = byte(len(both))
	}
	return channels
}

func magnitude(n int32) int64 { return max(int64(n), -int64(n)) }

// appendSized adds a text as events have it.
func appendSized[T string | []byte](to []byte, text T) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(text))), text...)
}
