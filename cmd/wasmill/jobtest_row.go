package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/wasmill/wasmill/runtime/record"
)

// rowFields are the fields of a record in a test file. Value, json and base64 are three
// ways to write the value.
var rowFields = []string{"key", "value", "json", "base64", "time", "change"}

// rowPattern is a record as a test file writes it. Fields that are not there match
// anything.
type rowPattern struct {
	keyed  bool
	key    []byte // nil: it has none
	valued bool
	value  []byte // nil: null
	isJSON bool   // the value is compared as JSON
	timed  bool
	time   int64 // record.NoTimestamp: none
	change record.Kind
	said   bool // the change is
}

var changes = map[string]record.Kind{
	"insert": record.Insert, "delete": record.Delete, "update-before": record.UpdateBefore, "update-after": record.UpdateAfter,
}

// row reads a record. What is no mapping is a value.
func (r *testReader) row(n *yaml.Node, path string) (p rowPattern) {
	if n.Kind != yaml.MappingNode {
		r.setValue(&p, n, path)
		return p
	}
	f, ok := r.fields(n, path, rowFields...)
	if !ok {
		return p
	}
	values := 0
	for _, name := range []string{"value", "json", "base64"} {
		if f[name] != nil {
			values++
		}
	}
	if values > 1 {
		r.add(n, path, "", "has more than one of value, json and base64")
	}
	if v := f["key"]; v != nil {
		if p.keyed = true; v.ShortTag() != "!!null" {
			text, _ := r.text(v, path+".key")
			p.key = append([]byte{}, text...)
		}
	}
	if v := f["value"]; v != nil {
		r.setValue(&p, v, path+".value")
	}
	if v := f["json"]; v != nil {
		p.valued, p.isJSON, p.value = true, true, r.json(v, path+".json")
	}
	if v := f["base64"]; v != nil {
		text, _ := r.text(v, path+".base64")
		var err error
		if p.value, err = base64.StdEncoding.DecodeString(text); err != nil {
			r.mismatch(v, path+".base64", "base64")
		}
		p.valued = true
	}
	if v := f["time"]; v != nil {
		if p.timed, p.time = true, record.NoTimestamp; v.ShortTag() != "!!null" {
			p.time, _ = r.time(v, path+".time")
		}
	}
	if v := f["change"]; v != nil {
		if p.change, p.said = changes[v.Value]; !p.said {
			r.mismatch(v, path+".change", "insert, delete, update-before or update-after")
		}
	}
	return p
}

func (r *testReader) setValue(p *rowPattern, n *yaml.Node, path string) {
	p.valued = true
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
	case n.Kind == yaml.ScalarNode:
		p.value = append([]byte{}, n.Value...)
	case n.Kind == yaml.AliasNode:
		r.mismatch(n, path, "a value")
	default:
		r.add(n, path, "write json: for a value in JSON", "is no text")
	}
}

// record is the record of a pattern that is given to a source.
func (p *rowPattern) record() *record.Record {
	out := &record.Record{Kind: p.change, Key: p.key, Value: p.value, Timestamp: record.NoTimestamp}
	if p.key == nil {
		out.Kind |= record.KeyAbsent
	}
	if p.value == nil {
		out.Kind |= record.ValueNull
	}
	if p.timed {
		out.Timestamp = p.time
	}
	return out
}

func (p *rowPattern) matches(r *record.Record) bool {
	switch {
	case p.keyed && ((p.key == nil) != (r.Kind&record.KeyAbsent != 0) || !bytes.Equal(p.key, r.Key)),
		p.timed && p.time != r.Timestamp,
		p.said && p.change != r.Kind.Change():
		return false
	case !p.valued:
		return true
	case r.Kind&record.ValueNull != 0:
		return p.value == nil
	case p.isJSON:
		return sameJSON(p.value, r.Value)
	}
	return p.value != nil && bytes.Equal(p.value, r.Value)
}

// sameJSON compares what two texts say: 1.0 is 1, and names have no order.
func sameJSON(a, b []byte) bool {
	x, errX := decodeJSON(a)
	y, errY := decodeJSON(b)
	return errX == nil && errY == nil && equalJSON(x, y)
}

func decodeJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		err = errNotJSON
	}
	return v, err
}

var errNotJSON = errors.New("more than one value")

func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if other, ok := b[name]; !ok || !equalJSON(v, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || sameNumber(a.String(), b.String()))
	}
	return a == b
}

// sameNumber compares numbers that are written differently. A huge exponent must not
// make a huge number.
func sameNumber(a, b string) bool {
	x, _, errX := big.ParseFloat(a, 10, 256, big.ToNearestEven)
	y, _, errY := big.ParseFloat(b, 10, 256, big.ToNearestEven)
	return errX == nil && errY == nil && !x.IsInf() && x.Cmp(y) == 0
}

// String is the pattern as a test file may have it.
func (p *rowPattern) String() string {
	var b rowText
	if p.keyed {
		b.key(p.key)
	}
	switch {
	case p.valued && p.isJSON:
		b.field("json", p.value)
	case p.valued:
		b.value(p.value)
	}
	if p.timed {
		b.time(p.time)
	}
	if p.said {
		b.field("change", []byte(p.change.String()))
	}
	return b.String()
}

// rowString is a record as a test file may have it.
func rowString(r *record.Record) string {
	var b rowText
	if r.Kind&record.KeyAbsent == 0 {
		b.key(append([]byte{}, r.Key...))
	}
	value := append([]byte{}, r.Value...)
	if r.Kind&record.ValueNull != 0 {
		value = nil
	}
	if len(value) > 0 && (value[0] == '{' || value[0] == '[') && json.Valid(value) {
		b.field("json", value)
	} else {
		b.value(value)
	}
	if r.Timestamp != record.NoTimestamp {
		b.time(r.Timestamp)
	}
	if c := r.Kind.Change(); c != record.Insert {
		b.field("change", []byte(c.String()))
	}
	return b.String()
}

// rowText writes a flow mapping of YAML.
type rowText struct{ strings.Builder }

func (b *rowText) field(name string, text []byte) {
	if b.Len() > 0 {
		b.WriteString(", ")
	}
	b.WriteString(name + ": ")
	b.Write(text)
}

func (b *rowText) key(key []byte) {
	if key == nil {
		b.field("key", []byte("null"))
		return
	}
	b.field("key", jsonText(string(key)))
}

func (b *rowText) value(value []byte) {
	switch {
	case value == nil:
		b.field("value", []byte("null"))
	case utf8.Valid(value):
		b.field("value", jsonText(string(value)))
	default:
		b.field("base64", []byte(base64.StdEncoding.EncodeToString(value)))
	}
}

func (b *rowText) time(ms int64) {
	if ms == record.NoTimestamp {
		b.field("time", []byte("null"))
		return
	}
	b.field("time", []byte(time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")))
}

func (b *rowText) String() string { return "{" + b.Builder.String() + "}" }
