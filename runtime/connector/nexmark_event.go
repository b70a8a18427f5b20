package connector

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/wasmill/wasmill/runtime/record"
)

// The first byte of an event, and its place in nexmarkLayouts.
const (
	nexmarkPerson = iota
	nexmarkAuction
	nexmarkBid
)

const (
	mostNumbers = 7
	mostTexts   = 6
	longestText = math.MaxUint16
)

// nexmarkLayout is how an event of one kind is encoded: its kind, the numbers as u64,
// then each text behind its length as u16; all in this order, and little-endian. Behind
// its time is the event's own number in the stream, which no line of JSON has.
type nexmarkLayout struct {
	kind    string
	numbers []string
	texts   []string
}

var nexmarkLayouts = [...]nexmarkLayout{
	nexmarkPerson: {
		"person", []string{"id", nexmarkTime},
		[]string{"name", "emailAddress", "creditCard", "city", "state", "extra"},
	},
	nexmarkAuction: {
		"auction", []string{"id", "seller", "category", "initialBid", "reserve", nexmarkTime, "expires"},
		[]string{"itemName", "description", "extra"},
	},
	nexmarkBid: {
		"bid", []string{"auction", "bidder", "price", nexmarkTime},
		[]string{"channel", "url", "extra"},
	},
}

// nexmarkTime is the field that is the record's timestamp, too.
const nexmarkTime = "dateTime"

// addNexmark adds the event of that number that a line of JSON is to out. A reason says
// that the line is none.
func addNexmark(out *record.Builder, line []byte, number int64) (reason string) {
	if reason = invalidJSON(line); reason != "" {
		return reason
	}
	// gjson reads strings; nothing it returns is kept.
	event := gjson.Parse(unsafe.String(unsafe.SliceData(line), len(line)))
	if !event.IsObject() {
		return "not an object"
	}
	kind := event.Get("type")
	for i := range nexmarkLayouts {
		if kind.Type == gjson.String && kind.Str == nexmarkLayouts[i].kind {
			return nexmarkLayouts[i].add(out, byte(i), event, number)
		}
	}
	if !kind.Exists() {
		return "field type is missing"
	}
	return fmt.Sprintf("field type is %.40s and not person, auction or bid", kind.Raw)
}

func (l *nexmarkLayout) add(out *record.Builder, kind byte, event gjson.Result, number int64) (reason string) {
	var numbers [mostNumbers]uint64
	var texts [mostTexts]string
	var found [mostNumbers + mostTexts]bool
	event.ForEach(func(name, value gjson.Result) bool {
		if i := slices.Index(l.numbers, name.Str); i >= 0 {
			numbers[i], reason = nexmarkNumber(name.Str, value)
			found[i] = true
		} else if i := slices.Index(l.texts, name.Str); i >= 0 {
			texts[i], reason = nexmarkText(name.Str, value)
			found[mostNumbers+i] = true
		}
		return reason == ""
	})
	if reason != "" {
		return reason
	}
	size := 1 + 8*len(l.numbers) + 8
	for i, name := range l.numbers {
		if !found[i] {
			return "field " + name + " is missing"
		}
	}
	for i, name := range l.texts {
		if !found[mostNumbers+i] {
			return "field " + name + " is missing"
		}
		size += 2 + len(texts[i])
	}
	timestamp := int64(numbers[slices.Index(l.numbers, nexmarkTime)])
	to := out.Extend(record.KeyAbsent, timestamp, nil, size)
	to[0] = kind
	to = to[1:]
	for i, n := range numbers[:len(l.numbers)] {
		binary.LittleEndian.PutUint64(to, n)
		to = to[8:]
		if l.numbers[i] == nexmarkTime {
			binary.LittleEndian.PutUint64(to, uint64(number))
			to = to[8:]
		}
	}
	for _, text := range texts[:len(l.texts)] {
		binary.LittleEndian.PutUint16(to, uint16(len(text)))
		to = to[2+copy(to[2:], text):]
	}
	return ""
}

// nexmarkNumber is a number below 2^63-1: it is read with or without a sign, and as a
// timestamp.
func nexmarkNumber(name string, value gjson.Result) (n uint64, reason string) {
	n, err := strconv.ParseUint(value.Raw, 10, 63)
	if value.Type != gjson.Number || err != nil || n == math.MaxInt64 {
		return 0, fmt.Sprintf("field %s is not a whole number from 0 to %d", name, math.MaxInt64-1)
	}
	return n, ""
}

func nexmarkText(name string, value gjson.Result) (text, reason string) {
	if value.Type != gjson.String {
		return "", "field " + name + " is not a text"
	}
	if len(value.Str) > longestText {
		return "", fmt.Sprintf("field %s has %d bytes, more than %d", name, len(value.Str), longestText)
	}
	return value.Str, ""
}
