package connector

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/wasmill/wasmill/runtime/record"
)

// encode adds a record as a sink writes it.
type encode func(to []byte, r *record.Record) []byte

func encoderOf(name string) encode {
	if name == "json" {
		return encodeJSON
	}
	return encodeLine
}

// encodeLine is the value and a newline. Nothing marks a newline within the value, a
// null value or a change.
func encodeLine(to []byte, r *record.Record) []byte {
	return append(append(to, r.Value...), '\n')
}

// encodeJSON is {"key","value","time","change"} on a line of its own. A value that is
// a JSON object or array stands as such, every other text as a string, what is not
// UTF-8 as {"base64":…}; an absent key, a null value and no timestamp are null.
func encodeJSON(to []byte, r *record.Record) []byte {
	to = append(to, `{"key":`...)
	if r.Kind&record.KeyAbsent != 0 {
		to = append(to, "null"...)
	} else {
		to = appendText(to, r.Key)
	}
	to = append(to, `,"value":`...)
	switch {
	case r.Kind&record.ValueNull != 0:
		to = append(to, "null"...)
	case len(r.Value) > 0 && (r.Value[0] == '{' || r.Value[0] == '[') && isJSON(r.Value):
		to = appendOneLine(to, r.Value)
	default:
		to = appendText(to, r.Value)
	}
	to = append(to, `,"time":`...)
	if r.Timestamp == record.NoTimestamp {
		to = append(to, "null"...)
	} else {
		to = strconv.AppendInt(to, r.Timestamp, 10)
	}
	to = append(to, `,"change":"`...)
	to = append(to, r.Kind.String()...)
	return append(to, "\"}\n"...)
}

func isJSON(text []byte) bool {
	_, reason := checkJSON(text)
	return reason == "" && utf8.Valid(text)
}

// appendOneLine adds valid JSON; in it a newline is nothing but space.
func appendOneLine(to, json []byte) []byte {
	from := len(to)
	to = append(to, json...)
	added := to[from:]
	for _, end := range []byte{'\n', '\r'} {
		for i := bytes.IndexByte(added, end); i >= 0; i = bytes.IndexByte(added, end) {
			added[i] = ' '
		}
	}
	return to
}

func appendText(to, text []byte) []byte {
	if utf8.Valid(text) {
		return appendQuoted(to, text)
	}
	to = append(to, `{"base64":"`...)
	to = base64.StdEncoding.AppendEncode(to, text)
	return append(to, `"}`...)
}
