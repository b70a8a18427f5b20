package record_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

var update = flag.Bool("update", false, "write testdata/golden.json anew")

const goldenFile = "testdata/golden.json"

// golden is the file that this package and every SDK read; docs/formats.md says how.
type golden struct {
	Valid     []validCase     `json:"valid"`
	Malformed []malformedCase `json:"malformed"`
}

type validCase struct {
	Name    string       `json:"name"`
	Hex     string       `json:"hex"`
	Records []goldenView `json:"records"`
}

type malformedCase struct {
	Name   string `json:"name"`
	Hex    string `json:"hex"`
	Record int    `json:"record"` // index of the first that is malformed
	Offset int    `json:"offset"` // where it starts
	Reason string `json:"reason"`
}

// goldenView is a record as JSON; null is absent, bytes are hex.
type goldenView struct {
	Change    int     `json:"change"`
	Timestamp int64   `json:"timestamp,string"`
	Key       *string `json:"key"`
	Value     *string `json:"value"`
	Extension *string `json:"extension"`
}

func view(r record.Record) goldenView {
	text := func(b []byte, there bool) *string {
		if !there {
			return nil
		}
		s := hex.EncodeToString(b)
		return &s
	}
	return goldenView{
		Change:    int(r.Kind.Change()),
		Timestamp: r.Timestamp,
		Key:       text(r.Key, r.Kind&record.KeyAbsent == 0),
		Value:     text(r.Value, r.Kind&record.ValueNull == 0),
		Extension: text(r.Extension, r.Kind&record.Extended != 0),
	}
}

func TestGoldenValid(t *testing.T) {
	for _, c := range readGolden(t).Valid {
		t.Run(c.Name, func(t *testing.T) {
			batch := unhex(t, c.Hex)
			n, err := record.Validate(batch)
			if err != nil || n != len(c.Records) {
				t.Fatalf("Validate: %d records, %v; want %d", n, err, len(c.Records))
			}
			if n := record.Count(batch); n != len(c.Records) {
				t.Errorf("Count: %d, want %d", n, len(c.Records))
			}
			var b record.Builder
			cursor := record.NewCursor(batch)
			for i, want := range c.Records {
				if !cursor.Next() {
					t.Fatalf("record %d: %v", i, cursor.Err())
				}
				got, _ := json.Marshal(view(cursor.Record))
				if want, _ := json.Marshal(want); !bytes.Equal(got, want) {
					t.Errorf("record %d: %s, want %s", i, got, want)
				}
				if cursor.Size() != len(cursor.Bytes()) {
					t.Errorf("record %d: Size %d, takes %d bytes", i, cursor.Size(), len(cursor.Bytes()))
				}
				b.AppendRecord(&cursor.Record)
			}
			if cursor.Next() || cursor.Err() != nil {
				t.Errorf("the walk does not end with the batch: %v", cursor.Err())
			}
			if !bytes.Equal(b.Bytes(), batch) {
				t.Errorf("built again:\n%x, want\n%x", b.Bytes(), batch)
			}
		})
	}
}

func TestGoldenMalformed(t *testing.T) {
	for _, c := range readGolden(t).Malformed {
		t.Run(c.Name, func(t *testing.T) {
			_, err := record.Validate(unhex(t, c.Hex))
			var format *record.FormatError
			if !errors.As(err, &format) || !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("Validate: %v, want a FormatError of class corrupt", err)
			}
			if format.Index != c.Record || format.Offset != c.Offset || format.Reason != c.Reason {
				t.Errorf("%v; want record %d, offset %d: %s", err, c.Record, c.Offset, c.Reason)
			}
		})
	}
}

// TestGoldenIsFresh keeps the file in step with the cases below.
func TestGoldenIsFresh(t *testing.T) {
	want := encodeGolden(t, goldenCases(t))
	if *update {
		if err := os.WriteFile(goldenFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the cases here; run the test with -update", goldenFile)
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encodeGolden writes one case on a line, so that SDKs can read it without a JSON library.
func encodeGolden(t *testing.T, g golden) []byte {
	t.Helper()
	line := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var valid, malformed []string
	for _, c := range g.Valid {
		valid = append(valid, line(c))
	}
	for _, c := range g.Malformed {
		malformed = append(malformed, line(c))
	}
	return []byte("{\"valid\":[\n" + strings.Join(valid, ",\n") + "\n],\"malformed\":[\n" + strings.Join(malformed, ",\n") + "\n]}\n")
}

func goldenCases(t *testing.T) golden {
	var g golden
	for _, c := range validBatches() {
		var b record.Builder
		v := validCase{Name: c.name, Records: []goldenView{}}
		for _, r := range c.records {
			b.AppendRecord(&r)
			v.Records = append(v.Records, view(r))
		}
		v.Hex = hex.EncodeToString(b.Bytes())
		g.Valid = append(g.Valid, v)
	}
	for _, c := range malformedBatches() {
		_, err := record.Validate(c.batch)
		var format *record.FormatError
		if !errors.As(err, &format) {
			t.Fatalf("%s: is valid", c.name)
		}
		g.Malformed = append(g.Malformed, malformedCase{c.name, hex.EncodeToString(c.batch), format.Index, format.Offset, format.Reason})
	}
	return g
}

type namedBatch struct {
	name    string
	records []record.Record
}

func validBatches() []namedBatch {
	const noTime = record.NoTimestamp
	k, v := []byte("key"), []byte("value")
	long := bytes.Repeat([]byte("0123456789abcdef"), 40)
	return []namedBatch{
		{"empty batch", nil},
		{"key, value, time", []record.Record{{Timestamp: 1_700_000_000_123, Key: k, Value: v}}},
		{"no time", []record.Record{{Timestamp: noTime, Key: k, Value: v}}},
		{"empty key and value", []record.Record{{Timestamp: 0, Key: []byte{}, Value: []byte{}}}},
		{"absent key", []record.Record{{Kind: record.KeyAbsent, Timestamp: 1, Value: v}}},
		{"null value", []record.Record{{Kind: record.Delete | record.ValueNull, Timestamp: 1, Key: k}}},
		{"absent key and null value", []record.Record{{Kind: record.KeyAbsent | record.ValueNull, Timestamp: 1}}},
		{"every change", []record.Record{
			{Kind: record.Insert, Timestamp: 1, Key: k, Value: v}, {Kind: record.Delete, Timestamp: 2, Key: k, Value: v},
			{Kind: record.UpdateBefore, Timestamp: 3, Key: k, Value: v}, {Kind: record.UpdateAfter, Timestamp: 4, Key: k, Value: v}}},
		{"extension", []record.Record{{Kind: record.Extended, Timestamp: 5, Key: k, Value: v, Extension: []byte("trace")}}},
		{"empty extension", []record.Record{{Kind: record.Extended, Timestamp: 5, Key: k, Value: v, Extension: []byte{}}}},
		{"every flag at once", []record.Record{
			{Kind: record.UpdateAfter | record.KeyAbsent | record.ValueNull | record.Extended, Timestamp: 6, Extension: []byte{0}}}},
		{"times at both ends", []record.Record{
			{Timestamp: math.MinInt64 + 1, Key: k, Value: v}, {Timestamp: -1, Key: k, Value: v}, {Timestamp: math.MaxInt64 - 1, Key: k, Value: v}}},
		{"unicode and binary", []record.Record{{Timestamp: 7, Key: []byte("schlüssel 鍵 🔑"), Value: []byte{0, 0xff, 0xfe, 0x80, '\n', '"'}}}},
		{"plain beside extended", []record.Record{
			{Kind: record.Extended, Timestamp: 8, Key: k, Value: v, Extension: []byte("x")}, {Timestamp: 9, Key: k, Value: v}}},
		{"lengths around a vector", lengths()},
		{"long value", []record.Record{{Timestamp: 10, Key: k, Value: long}}},
	}
}

// lengths has a record for every length at which SDKs copy differently.
func lengths() []record.Record {
	var records []record.Record
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 127, 128, 129} {
		value := make([]byte, n)
		for i := range value {
			value[i] = byte(i)
		}
		key := slices.Clone(value)
		slices.Reverse(key)
		records = append(records, record.Record{Timestamp: int64(n), Key: key, Value: value})
	}
	return records
}

type malformedBatch struct {
	name  string
	batch []byte
}

func malformedBatches() []malformedBatch {
	good := record.Record{Timestamp: 1, Key: []byte("key"), Value: []byte("value")}
	var b record.Builder
	b.AppendRecord(&good)
	whole := b.Bytes()
	with := func(at int, bytes ...byte) []byte {
		c := slices.Clone(whole)
		copy(c[at:], bytes)
		return c
	}
	extended := func(length uint32, rest ...byte) []byte {
		c := slices.Clone(whole[:record.HeaderSize])
		c[0], c[4], c[3] = 0, 0, byte(record.Extended)
		c = append(c, byte(length), byte(length>>8), byte(length>>16), byte(length>>24))
		return append(c, rest...)
	}
	return []malformedBatch{
		{"one byte", []byte{0}},
		{"header cut off", whole[:15]},
		{"value cut off", whole[:len(whole)-1]},
		{"key cut off", whole[:record.HeaderSize+1]},
		{"value longer than the batch", with(4, 6)},
		{"value of 4 GiB", with(4, 0xff, 0xff, 0xff, 0xff)},
		{"key of 16 MiB", with(0, 0xff, 0xff, 0xff)},
		{"unknown bit 4", with(3, 1<<4)},
		{"unknown bit 5", with(3, 1<<5)},
		{"unknown bit 6", with(3, 1<<6)},
		{"absent key with bytes", with(3, byte(record.KeyAbsent))},
		{"null value with bytes", with(3, byte(record.ValueNull))},
		{"extension length cut off", extended(0)[:19]},
		{"extension cut off", extended(5, 1, 2)},
		{"extension of 4 GiB", extended(math.MaxUint32, 1)},
		{"time of int64 max", with(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"second record cut off", append(slices.Clone(whole), whole[:20]...)},
		{"zeros behind a record", append(slices.Clone(whole), 0, 0, 0)},
	}
}
