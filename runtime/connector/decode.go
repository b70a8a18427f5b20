package connector

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// decoder makes a record of a row: a line, or a csv row. It belongs to one input, as
// a csv header does.
type decoder struct {
	graph.Format
	keyPath   string // of gjson; "" for none
	timePath  string
	now       int64 // for arrival; set at each poll
	change    record.Kind
	header    header
	text      []byte // csv: the JSON object of a row
	badQuotes bool   // why the last csv row was rejected
}

func newDecoder(f graph.Format) *decoder {
	d := &decoder{Format: f, keyPath: fieldPath(f.KeyField)}
	if f.Timestamp == "field" {
		d.timePath = fieldPath(f.TimestampField)
	}
	return d
}

// fieldPath is the gjson path of a field: dots lead into nested objects, all else is
// taken as it is.
func fieldPath(field string) string {
	if field == "" {
		return ""
	}
	parts := strings.Split(field, ".")
	for i, part := range parts {
		parts[i] = gjson.Escape(part)
	}
	return strings.Join(parts, ".")
}

func (d *decoder) poll() {
	if d.Timestamp == "arrival" {
		d.now = time.Now().UnixMilli()
	}
}

// stamped is the timestamp of a record that has none in a field.
func (d *decoder) stamped(own int64) int64 {
	switch d.Timestamp {
	case "arrival":
		return d.now
	case "none":
		return record.NoTimestamp
	}
	return own
}

// decode adds the row's record to out. A reason says that the row is bad; an error,
// that no row can be read.
func (d *decoder) decode(out *record.Builder, row []byte) (reason string, err error) {
	d.badQuotes = false
	value := row
	switch d.Decode {
	case "csv":
		if value, reason, err = d.csv(row); value == nil {
			return reason, err
		}
	case "json":
		if value = bytes.TrimPrefix(row, byteOrderMark); blank(value) {
			return "", nil
		}
	}
	if d.checked() {
		if reason = invalidJSON(value); reason != "" {
			return reason, nil
		}
	}
	return d.add(out, record.NoTimestamp, nil, value), nil
}

// checked says that values must be JSON: csv makes it, all else is looked at.
func (d *decoder) checked() bool {
	return d.Decode == "json" || d.Decode != "csv" && (d.keyPath != "" || d.timePath != "")
}

// add takes key and timestamp from the value, where the job says so, and adds the
// record; timestamp and key are its own otherwise.
func (d *decoder) add(out *record.Builder, timestamp int64, key, value []byte) (reason string) {
	kind := d.change
	if key == nil {
		kind |= record.KeyAbsent
	}
	timestamp = d.stamped(timestamp)
	// gjson reads strings; nothing it returns is kept.
	text := unsafe.String(unsafe.SliceData(value), len(value))
	if d.timePath != "" {
		if timestamp, reason = parseTimestamp(gjson.Get(text, d.timePath), d.TimestampUnit); reason != "" {
			return "timestamp: field " + d.TimestampField + " " + reason
		}
	}
	if d.keyPath != "" {
		field := gjson.Get(text, d.keyPath)
		if field.Type == gjson.Null {
			return "key: field " + d.KeyField + " is missing or null"
		}
		own := field.Raw
		if field.Type == gjson.String {
			own = field.Str
		}
		if len(own) > record.MaxKeyLen {
			return fmt.Sprintf("key: field %s has %d bytes, more than %d", d.KeyField, len(own), record.MaxKeyLen)
		}
		kind, key = d.change, unsafe.Slice(unsafe.StringData(own), len(own))
	}
	if size := record.HeaderSize + len(key) + len(value); size > record.MaxSize {
		return fmt.Sprintf("record of %d bytes is larger than %d", size, record.MaxSize)
	}
	out.Append(kind, timestamp, key, value)
	return ""
}

func blank(row []byte) bool {
	for _, c := range row {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// invalidJSON says why a text is not JSON in UTF-8; "" if it is.
func invalidJSON(text []byte) string {
	at, reason := checkJSON(text)
	if reason == "" && !utf8.Valid(text) {
		return "not valid UTF-8"
	}
	if reason == "" {
		return ""
	}
	return fmt.Sprintf("not JSON: %s at column %d", reason, at+1)
}
