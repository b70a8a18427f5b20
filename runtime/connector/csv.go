package connector

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// header is the first row of a csv input: the names of its columns, each as the JSON
// text that goes before the column's value.
type header [][]byte

// oddQuotes tells whether a line changes between inside and outside of quotes.
func oddQuotes(line []byte) bool { return bytes.Count(line, quote)&1 == 1 }

var quote = []byte{'"'}

// csv makes a JSON object of a row (RFC 4180), every column a text. No object and no
// reason: the row was the header, or blank.
func (d *decoder) csv(row []byte) (object []byte, reason string, err error) {
	if len(row) == 0 {
		return nil, "", nil
	}
	if d.header == nil {
		d.header, err = parseHeader(row)
		return nil, "", err
	}
	if !utf8.Valid(row) {
		return nil, "not valid UTF-8", nil
	}
	text, field, column := append(d.text[:0], '{'), csvFields{rest: row}, 0
	for ; field.next(); column++ {
		if column < len(d.header) {
			text = append(text, d.header[column]...)
			text = field.appendJSON(text)
		}
	}
	d.text = append(text, '}')
	if field.bad != "" {
		d.badQuotes = true
		return nil, field.bad, nil
	}
	if column != len(d.header) {
		return nil, fmt.Sprintf("row has %d columns, the header has %d", column, len(d.header)), nil
	}
	return d.text, "", nil
}

var byteOrderMark = []byte("\ufeff")

func parseHeader(row []byte) (header, error) {
	row = bytes.TrimPrefix(row, byteOrderMark)
	if !utf8.Valid(row) {
		return nil, errors.New("csv header: not valid UTF-8")
	}
	var h header
	seen := map[string]bool{}
	field := csvFields{rest: row}
	for field.next() {
		text := []byte{','}
		if len(h) == 0 {
			text = text[:0]
		}
		text = append(field.appendJSON(text), ':')
		name := string(bytes.TrimPrefix(text, []byte{','}))
		if seen[name] {
			return nil, fmt.Errorf("csv header: two columns have the name %s", name[:len(name)-1])
		}
		seen[name] = true
		h = append(h, text)
	}
	if field.bad != "" {
		return nil, errors.New("csv header: " + field.bad)
	}
	return h, nil
}

// csvFields walks the fields of a row.
type csvFields struct {
	rest   []byte
	ended  bool
	text   []byte // of the field, without the quotes around it
	quoted bool   // quotes within are doubled
	bad    string
}

func (f *csvFields) next() bool {
	if f.ended {
		return false
	}
	if len(f.rest) > 0 && f.rest[0] == '"' {
		return f.nextQuoted()
	}
	end := bytes.IndexByte(f.rest, ',')
	if end < 0 {
		end, f.ended = len(f.rest), true
	}
	f.text, f.quoted = f.rest[:end], false
	if bytes.IndexByte(f.text, '"') >= 0 {
		return f.fail("quote within a field that has none around it")
	}
	f.rest = f.rest[min(end+1, len(f.rest)):]
	return true
}

func (f *csvFields) nextQuoted() bool {
	for at := 1; ; at++ {
		i := bytes.IndexByte(f.rest[at:], '"')
		if i < 0 {
			return f.fail("quote is not closed")
		}
		at += i
		switch {
		case at+1 == len(f.rest):
			f.ended = true
		case f.rest[at+1] == '"':
			at++
			continue
		case f.rest[at+1] != ',':
			return f.fail("text after a closing quote")
		}
		f.text, f.quoted = f.rest[1:at], true
		f.rest = f.rest[min(at+2, len(f.rest)):]
		return true
	}
}

func (f *csvFields) fail(reason string) bool {
	f.ended, f.bad = true, reason
	return false
}

// appendJSON adds the field as a JSON string.
func (f *csvFields) appendJSON(text []byte) []byte {
	if !f.quoted {
		return appendQuoted(text, f.text)
	}
	text = append(text, '"')
	for rest := f.text; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			return append(appendEscaped(text, rest), '"')
		}
		text = append(appendEscaped(text, rest[:i]), '\\', '"')
		rest = rest[i+2:]
	}
}
