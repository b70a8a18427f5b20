package wasmill

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// golden is runtime/record/testdata/golden.json; docs/formats.md describes it.
type golden struct {
	Valid []struct {
		Name, Hex string
		Records   []struct {
			Change                uint8
			Timestamp             int64 `json:",string"`
			Key, Value, Extension *string
		}
	}
	Malformed []struct{ Name, Hex, Reason string }
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	text, err := os.ReadFile("../../runtime/record/testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func bytesOf(t *testing.T, text *string) []byte {
	t.Helper()
	if text == nil {
		return nil
	}
	b, err := hex.DecodeString(*text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestGoldenValid(t *testing.T) {
	for _, c := range readGolden(t).Valid {
		t.Run(c.Name, func(t *testing.T) {
			batch := bytesOf(t, &c.Hex)
			records, err := DecodeBatch(batch)
			if err != nil || len(records) != len(c.Records) {
				t.Fatalf("%d records, %v; want %d", len(records), err, len(c.Records))
			}
			var built []byte
			for i, want := range c.Records {
				r := records[i]
				if r.Change != Change(want.Change) || r.Timestamp != want.Timestamp || !same(r.Key, bytesOf(t, want.Key)) ||
					!same(r.Value, bytesOf(t, want.Value)) || !same(r.Extension, bytesOf(t, want.Extension)) {
					t.Errorf("record %d: %+v, want %+v", i, r, want)
				}
				if built, err = AppendRecord(built, &r); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(built, batch) {
				t.Errorf("built again: %x, want %x", built, batch)
			}
			if passed, ok := passes(batch); !ok || !bytes.Equal(passed, batch) {
				t.Errorf("passed on: %x, %v; want %x", passed, ok, batch)
			}
		})
	}
}

func TestGoldenMalformed(t *testing.T) {
	for _, c := range readGolden(t).Malformed {
		t.Run(c.Name, func(t *testing.T) {
			if records, err := DecodeBatch(bytesOf(t, &c.Hex)); err == nil {
				t.Errorf("read as %+v, though %s", records, c.Reason)
			}
			if passed, ok := passes(bytesOf(t, &c.Hex)); ok {
				t.Errorf("passed on as %x, though %s", passed, c.Reason)
			}
		})
	}
}

func TestAppendRecordRefuses(t *testing.T) {
	for name, r := range map[string]Record{
		"a key of 16 MiB":     {Key: make([]byte, 1<<24)},
		"a time that is none": {Timestamp: math.MaxInt64},
	} {
		if batch, err := AppendRecord(nil, &r); err == nil || len(batch) != 0 {
			t.Errorf("%s: %d bytes, no error", name, len(batch))
		}
	}
}

// FuzzDecode walks any bytes without leaving them, and writes what it read as it was.
func FuzzDecode(f *testing.F) {
	g := readGolden(f)
	for _, c := range g.Valid {
		b, _ := hex.DecodeString(c.Hex)
		f.Add(b)
	}
	for _, c := range g.Malformed {
		b, _ := hex.DecodeString(c.Hex)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, batch []byte) {
		records, err := DecodeBatch(batch)
		passed, ok := passes(batch)
		if err != nil {
			return
		}
		if !ok || !bytes.Equal(passed, batch) {
			t.Fatalf("passed on: %x, %v; want %x", passed, ok, batch)
		}
		var built []byte
		for i := range records {
			built = records[i].append(built)
		}
		if !bytes.Equal(built, batch) {
			t.Fatalf("built again: %x, want %x", built, batch)
		}
	})
}

// outlet is a host that takes what is emitted.
type outlet struct {
	Host
	got []byte
}

func (o *outlet) Emit(_ int, batch []byte) { o.got = append(o.got, batch...) }
func (o *outlet) Fail(string)              {}

// passes tells whether an operator that emits what it gets handles a batch, and what it
// makes of it.
func passes(batch []byte) (out []byte, ok bool) {
	o := &outlet{}
	i := NewInstance(Operator{Process: func(c *Context, r *Record) error {
		if !same(r.Key, c.key) {
			return failure("the key at hand is another")
		}
		c.Emit(r)
		return nil
	}}, o)
	ok = i.Process(0, bytes.Clone(batch)) == statusOK
	return o.got, ok
}
