package connector

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// What is JSON, encoding/json decides.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,true,null,"\u00e9\n"]}`, `[[],{"":0}]`, ` "x" `, `01`, `"\x"`, "\"\xff\"", `{"a":1,}`, `-`, `1e`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		reason := invalidJSON(text)
		if want := json.Valid(text) && utf8.Valid(text); (reason == "") != want {
			t.Errorf("%q: rejected as %q, is valid: %t", text, reason, want)
		}
	})
}

// Rows without broken quotes are read as encoding/csv reads them.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a\n\"x\n\"\"y\"\n", "a\n\"\n1\n2", "a,\"b\"\n,\n", "a\n\"x\"y\n", "\ufeffa\n1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// encoding/csv drops \r within fields, and takes a blank row for no row even
		// where it ends with spaces: what differs by intent is left out.
		if bytes.ContainsAny(text, "\r\ufeff") {
			return
		}
		theirs := csv.NewReader(bytes.NewReader(text))
		header, err := theirs.Read()
		if err != nil {
			return
		}
		rows, err := theirs.ReadAll()
		seen := map[string]bool{}
		for _, name := range header {
			if seen[name] || !utf8.ValidString(name) {
				return
			}
			seen[name] = true
		}
		c := &kept{}
		if readErr := feedAll(bytes.NewReader(text), "csv", 1<<20, c); readErr != nil {
			t.Fatalf("%q: %v", text, readErr)
		}
		if err != nil || !utf8.Valid(text) {
			return // it must only not fail
		}
		if len(c.values) != len(rows) || c.rejected != 0 {
			t.Fatalf("%q: got %q and %d rejected, want %q", text, c.values, c.rejected, rows)
		}
		for i, row := range rows {
			var got map[string]string
			if err := json.Unmarshal([]byte(c.values[i]), &got); err != nil || len(got) != len(header) {
				t.Fatalf("%q: row %d is %s: %v", text, i, c.values[i], err)
			}
			for j, name := range header {
				if got[name] != row[j] {
					t.Errorf("%q: row %d, column %q: got %q, want %q", text, i, name, got[name], row[j])
				}
			}
		}
	})
}

// Lines are the same however the bytes come.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\nccc"), uint8(2))
	f.Add([]byte("\r\n\r\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, maxLine uint8) {
		most := int(maxLine) + 1
		var want []string
		rejected := 0
		for line := range strings.Lines(string(text)) {
			if line = string(chomp([]byte(line))); len(line) > most {
				rejected++
			} else {
				want = append(want, line)
			}
		}
		for _, in := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text)), &stuttering{in: bytes.NewReader(text)}} {
			c := &kept{}
			if err := feedAll(in, "lines", most, c); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if !slices.Equal(c.values, want) || c.rejected != rejected {
				t.Errorf("%q, at most %d: got %q and %d rejected, want %q and %d", text, most, c.values, c.rejected, want, rejected)
			}
		}
	})
}

// stuttering is a reader that has nothing every other time.
type stuttering struct {
	in   io.Reader
	odds int
}

func (s *stuttering) Read(p []byte) (int, error) {
	if s.odds++; s.odds%2 == 1 {
		return 0, errNotYet
	}
	return s.in.Read(p[:min(len(p), 3)])
}

func FuzzTimestamp(f *testing.F) {
	for _, seed := range []string{`1719878400.5`, `"1e400"`, `-1`, `"2024-07-02T00:00:00Z"`, `9223372036854775807`, `"1/3"`, `"0x1p-2"`, `"1.-5"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []string{"s", "ms", "us", "ns", "rfc3339"} {
			ms, reason := parseTimestamp(gjson.Get(`{"t":`+text+`}`, "t"), unit)
			if reason == "" && (ms == record.NoTimestamp || ms == 1<<63-1) {
				t.Errorf("%s in %s is %d, which is no event time", text, unit, ms)
			}
		}
	})
}

func FuzzPositions(f *testing.F) {
	f.Add("0:0:0:00000000", "0/1", "0")
	f.Add("10:2:20:deadbeef", "1/3", "4")
	f.Fuzz(func(t *testing.T, file, id, position string) {
		if p, err := parseFilePosition(file); err == nil {
			if again, err := parseFilePosition(p.String()); err != nil || again != p {
				t.Errorf("%q: written again it is %v (%v)", file, again, err)
			}
		}
		if s, err := parseStripe(operator.Split{ID: id, Position: position}); err == nil && (s.step < 1 || s.next < 0) {
			t.Errorf("%q at %q is %+v", id, position, s)
		}
	})
}

func FuzzTransaction(f *testing.F) {
	f.Add([]byte(`{"checkpoint":1,"subtask":2,"staged":".part-00000000000000000001-00002-3.4-0123456789abcdef"}`))
	f.Add([]byte(`{"checkpoint":1,"parts":[{"folder":"a/b","staged":".part-00000000000000000001-00000-3.4-0123456789abcdef"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tx, err := readTransaction(text)
		for _, part := range tx.Parts {
			if err == nil && (strings.ContainsAny(part.Staged, "/\\") || !strings.HasPrefix(path.Clean("/dir/"+part.Folder)+"/", "/dir/")) {
				t.Errorf("%s leads out of the folder", text)
			}
		}
		if err == nil && strings.ContainsAny(tx.Staged+tx.Marker, "/\\") {
			t.Errorf("%s leads out of the folder", text)
		}
	})
}

// Whatever a value holds, the json encoding is one line of JSON that holds it.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "text", "\xff", `{"a":"b"}`, "[1,\n2]", "\"\\\x00"} {
		f.Add([]byte(seed), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		line := encodeJSON(nil, &record.Record{Key: key, Value: value})
		var got struct{ Key, Value any }
		if err := json.Unmarshal(line, &got); err != nil || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%q: %v", line, err)
		}
		if utf8.Valid(key) && got.Key != string(key) {
			t.Errorf("key %q is written as %v", key, got.Key)
		}
		if s, ok := got.Value.(string); ok && s != string(value) {
			t.Errorf("value %q is written as %q", value, s)
		}
	})
}

// kept is a Collector that keeps values and counts rejections.
type kept struct {
	values   []string
	rejected int
}

func (k *kept) Emit(int, []byte) error          { return errors.New("a feed emits nothing") }
func (k *kept) EmitTo(int, int, []byte) error   { return errors.New("a feed emits nothing") }
func (k *kept) Reject(operator.Rejection) error { k.rejected++; return nil }

func feedAll(in io.Reader, format string, maxLine int, c *kept) error {
	var out record.Builder
	d := newDecoder(graph.Format{Decode: format})
	f := feed{scan: newScanner(in, maxLine), dec: d, place: "in"}
	for {
		f.poll()
		_, err := f.read(&out, 1000, c)
		if err == nil || err == errNotYet || err == errLater {
			continue
		}
		for cursor := record.NewCursor(out.Bytes()); cursor.Next(); {
			c.values = append(c.values, string(cursor.Value))
		}
		if err == io.EOF {
			return nil
		}
		return err
	}
}
