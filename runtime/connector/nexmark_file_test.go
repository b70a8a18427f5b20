package connector_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
		t.Fatal("compress")
	}
	return b.String()
}

func nexmarkFile(path string) *graph.Operator { return nexmark(map[string]any{"file": path}) }

const bid = `{"type":"bid","auction":1,"bidder":2,"price":3,"channel":"c","url":"u","dateTime":4,"extra":"e"}`

func TestNexmarkFile(t *testing.T) {
	person := `{"extra":"","dateTime":5,"state":"s","city":"c","creditCard":"1","emailAddress":"é","name":"\u00e9","id":7,"more":[1],"number":"none","type":"person"}`
	text := bid + "\r\n\n" + person + "\n" + bid
	dir := write(t, map[string]string{"plain": text, "zipped": zipped(t, text)})
	want := []event{
		{Type: "bid", Auction: 1, Bidder: 2, Price: 3, Channel: "c", URL: "u", DateTime: 4, Extra: "e"},
		{Type: "person", Number: 2, ID: 7, Name: "é", EmailAddress: "é", CreditCard: "1", City: "c", State: "s", DateTime: 5},
		{Type: "bid", Auction: 1, Bidder: 2, Price: 3, Channel: "c", URL: "u", DateTime: 4, Extra: "e"},
	}
	want[2].Number = 3
	for _, name := range []string{"plain", "zipped"} {
		if diff := cmp.Diff(want, eventsOf(t, nexmarkFile(filepath.Join(dir, name)), nil).all); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	// Its number is that of the line: the second is blank.
	if some := eventsOf(t, nexmark(map[string]any{"file": filepath.Join(dir, "plain"), "events": 3}), nil).all; len(some) != 2 {
		t.Errorf("the first 3 lines are %d events, want 2", len(some))
	}
}

// Lines come by the clock, and when some are in a checkpoint the others don't wait for
// the time that these took.
func TestNexmarkFileKeepsItsSchedule(t *testing.T) {
	dir := write(t, map[string]string{"events": lines(300, strings.Replace(bid, `"auction":1`, `"auction":%d`, 1))})
	op := nexmark(map[string]any{"file": filepath.Join(dir, "events"), "speed": "scheduled", "rate": 1000})
	for name, first := range map[string]int64{"from its start": 0, "from the middle": parts} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var restore []operator.Split
				if first > 0 {
					taken := &events{t: t}
					s := openSource(t, op, at("in", 0, 1, nil, taken))
					for left := int(first); left > 0; left = int(first) - len(taken.all) {
						if status, err := s.Poll(left); err != nil || status == operator.End {
							t.Fatalf("status %v, error %v", status, err)
						} else if status == operator.Idle {
							<-s.Ready()
						}
					}
					restore = s.Position()
				}
				got, began := &events{t: t}, time.Now()
				s := openSource(t, op, at("in", 0, 1, restore, got))
				for status := operator.More; status != operator.End; {
					before := len(got.all)
					var err error
					if status, err = s.Poll(100); err != nil {
						t.Fatal(err)
					}
					for _, e := range got.all[before:] {
						due := time.Duration(e.Auction-first) * time.Millisecond
						if late := time.Since(began) - due; late < 0 || late > time.Millisecond {
							t.Fatalf("line %d comes %v after it was due", e.Auction, late)
						}
					}
					if status == operator.Idle {
						<-s.Ready()
					}
				}
				if want := int(300 - first); len(got.all) != want {
					t.Errorf("got %d events, want %d", len(got.all), want)
				}
			})
		})
	}
}

func TestNexmarkBadLines(t *testing.T) {
	replaced := func(from, to string) string { return strings.Replace(bid, from, to, 1) }
	for line, want := range map[string]string{
		`{`:                                  "not JSON: ends too early at column 2",
		bid + "x":                            "not JSON: more after the value at column 97",
		replaced(`"c"`, "\"\xff\""):          "not valid UTF-8",
		`[1]`:                                "not an object",
		`{}`:                                 "field type is missing",
		replaced(`"bid"`, `"offer"`):         `field type is "offer" and not person, auction or bid`,
		replaced(`"bid"`, `2`):               `field type is 2 and not person, auction or bid`,
		replaced(`"auction"`, `"id"`):        "field auction is missing",
		replaced(`"extra"`, `"Extra"`):       "field extra is missing",
		replaced(`3`, `-3`):                  "field price is not a whole number from 0 to 9223372036854775806",
		replaced(`3`, `3.0`):                 "field price is not a whole number from 0 to 9223372036854775806",
		replaced(`3`, `"3"`):                 "field price is not a whole number from 0 to 9223372036854775806",
		replaced(`3`, `9223372036854775807`): "field price is not a whole number from 0 to 9223372036854775806",
		replaced(`"u"`, `null`):              "field url is not a text",
		replaced(`"u"`, `"`+strings.Repeat("u", 65536)+`"`): "field url has 65536 bytes, more than 65535",
		replaced(`"u"`, `"`+strings.Repeat("u", 1<<17)+`"`): "a line of 131168 bytes is longer than maxLine, 100000; only its first 1024 bytes are kept",
	} {
		dir := write(t, map[string]string{"in": bid + "\n" + line + "\n" + bid + "\n"})
		path := filepath.Join(dir, "in")
		got := read(t, nexmark(map[string]any{"file": path, "maxLine": 100_000}))
		if diff := cmp.Diff([]string{path + ":2: " + want}, got.Rejected); diff != "" || len(got.Records) != 2 {
			t.Errorf("%.200s: %d events beside it, rejected: (-want +got)\n%s", line, len(got.Records), diff)
		}
	}
}

func TestNexmarkFileErrors(t *testing.T) {
	text := strings.Repeat(bid+"\n", 10)
	zip := zipped(t, text)
	dir := write(t, map[string]string{"cut": zip[:len(zip)/2], "broken": zip[:len(zip)-8] + "12345678", "whole": text})
	at := func(position string) connector.Context {
		return at("in", 0, 1, []operator.Split{{ID: "001/127", Position: position}}, &conntest.Recorder{})
	}
	for _, c := range []struct {
		name string
		c    connector.Context
		want string
	}{
		{"none", at("1:0"), "none: read file: no such file or directory (check the path; it is seen from where the operator runs)"},
		{"", at("1:0"), ": read file: is a folder (name the files in it: "},
		{"cut", at(fmt.Sprint("1:", len(zip)/2)), "cut: read file: unexpected EOF"},
		{"broken", at(fmt.Sprint("1:", len(zip))), "broken: read file: gzip: invalid checksum"},
		{"whole", at(fmt.Sprint("1:", len(text)-1)), "whole: read file: it has changed since the job began to read it"},
		{"whole", at("1"), `read position: "1" of split 001/127 is not NUMBER:SIZE`},
		{"whole", at("1:x"), `read position: "1:x" of split 001/127 is not NUMBER:SIZE`},
		{"whole", at(fmt.Sprint("2:", len(text))), `read position: split "001/127" can't stand at "2"`},
	} {
		s, err := connector.OpenSource(t.Context(), nexmarkFile(filepath.Join(dir, c.name)), c.c)
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
		for status := operator.More; err == nil && status != operator.End; {
			status, err = s.Poll(1000)
		}
		if !strings.Contains(fmt.Sprint(err), c.want) || strings.HasPrefix(c.want, "read position") != errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s at %v: got error %v, want %s", c.name, c.c.Restore, err, c.want)
		}
	}
}

// A line is one event whose fields are those of the line, or is rejected.
func FuzzNexmarkLine(f *testing.F) {
	vectors, err := os.ReadFile("testdata/nexmark.ndjson")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(vectors) {
		f.Add(bytes.TrimSuffix(line, []byte("\n")))
	}
	f.Add([]byte(bid))
	f.Add([]byte(`{"type":"bid","type":"person"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		path := filepath.Join(t.TempDir(), "in")
		// Behind a first line, so that nothing is taken for a compressed file.
		if err := os.WriteFile(path, slices.Concat([]byte("\n"), line), 0o600); err != nil {
			t.Fatal(err)
		}
		c := &fuzzed{events: events{t: t}}
		conntest.Drain(t, openSource(t, nexmark(map[string]any{"file": path, "maxLine": 1 << 20}), at("in", 0, 1, nil, c)), 1000)
		one := !bytes.ContainsAny(line, "\n\r")
		if blank := len(bytes.TrimLeft(line, " \t\r")) == 0; one && !blank && len(c.all)+c.rejected != 1 {
			t.Fatalf("%q makes %d events and %d rejections", line, len(c.all), c.rejected)
		}
		if !one || len(c.all) == 0 {
			return
		}
		back, err := json.Marshal(c.all[0])
		if err != nil {
			t.Fatal(err)
		}
		want := membersOf(t, line)
		for name, got := range membersOf(t, back) {
			// Of two types the first counts, and halves of surrogates are anybody's guess.
			if got != want[name] && name != "type" && !bytes.Contains(line, []byte(`\u`)) {
				t.Errorf("%s of %q is %v", name, line, got)
			}
		}
	})
}

func membersOf(t *testing.T, object []byte) (members map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		t.Fatalf("%q was taken for an event: %v", object, err)
	}
	return members
}

// fuzzed counts what is rejected, too.
type fuzzed struct {
	events
	rejected int
}

func (c *fuzzed) Reject(r operator.Rejection) error {
	c.rejected++
	if r.Reason == "" || r.Place == "" {
		c.t.Errorf("rejected without place or reason: %+v", r)
	}
	return nil
}

func BenchmarkNexmarkFile(b *testing.B) {
	vectors, err := os.ReadFile("testdata/nexmark.ndjson")
	if err != nil {
		b.Fatal(err)
	}
	const times = 2000
	path := filepath.Join(write(b, map[string]string{"in": strings.Repeat(string(vectors), times)}), "in")
	b.SetBytes(int64(len(vectors) * times))
	b.ReportAllocs()
	for b.Loop() {
		conntest.Drain(b, openSource(b, nexmarkFile(path), at("in", 0, 1, nil, &counter{})), 1024)
	}
	perRecord(b, bytes.Count(vectors, []byte("\n"))*times*b.N)
}
