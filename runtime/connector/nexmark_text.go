package connector

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

const (
	// Powers of two: at how many places of random text another can begin. Words are few
	// enough to stay in the processor's cache.
	extraPlaces = 1 << 20
	wordPlaces  = 1 << 16
	longestCut  = 600 // bytes

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

// nexmarkChannels are channel and url of every channel as they stand in a bid, and how
// many bytes that is in the last of them.
type nexmarkChannels [][channelSize]byte

func channelsOf(random splitmix) nexmarkChannels {
	channels := make(nexmarkChannels, nexmarkHot+nexmarkCold)
	for i := range channels {
		hasID, cold := false, i-nexmarkHot
		b := append(channels[i][:0], 0, 0)
		if cold < 0 {
			b = append(b, hotChannels[i]...)
		} else {
			b = strconv.AppendInt(append(b, "channel-"...), int64(cold), 10)
			hasID = below(uint32(random.next()), 10) > 0
		}
		binary.LittleEndian.PutUint16(b, uint16(len(b)-2))
		url := len(b)
		b = append(append(b, 0, 0), "https://www.nexmark.com"...)
		for range 3 {
			b = append(b, '/')
			word := len(b)
			b = b[:word+3+int(random.next()>>63)]
			random.letters(b[word:], '_')
		}
		b = append(b, "/item.htm?query=1"...)
		if hasID {
			id := int64(int32(bits.Reverse32(uint32(cold))))
			b = strconv.AppendInt(append(b, "&channel_id="...), max(id, -id), 10)
		}
		binary.LittleEndian.PutUint16(b[url:], uint16(len(b)-url-2))
		channels[i][channelSize-1] = byte(len(b))
	}
	return channels
}

// appendSized adds a text as events have it.
func appendSized[T string | []byte](to []byte, text T) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(text))), text...)
}
