package connector_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
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
	"github.com/wasmill/wasmill/runtime/record"
)

var update = flag.Bool("update", false, "write golden files anew")

// nexmark is the source with its defaults, but for what is said.
func nexmark(with map[string]any) *graph.Operator {
	all := map[string]any{
		"events": -1, "rate": 100_000, "speed": "max", "seed": 0, "start": connector.GeneratorBase, "persons": 1, "auctions": 3, "bids": 46,
		"hotAuctions": 2, "hotBidders": 4, "hotSellers": 4, "hotChannels": 2, "maxLine": maxLine,
	}
	maps.Copy(all, with)
	return source("nexmark", graph.Format{}, all)
}

// event is what all kinds have in common, and more.
type event struct {
	Type         string `json:"type"`
	Number       int64  `json:"-"`
	ID           int64  `json:"id,omitempty"`
	Auction      int64  `json:"auction,omitempty"`
	Bidder       int64  `json:"bidder,omitempty"`
	Price        int64  `json:"price,omitempty"`
	Channel      string `json:"channel,omitempty"`
	URL          string `json:"url,omitempty"`
	Name         string `json:"name,omitempty"`
	EmailAddress string `json:"emailAddress,omitempty"`
	CreditCard   string `json:"creditCard,omitempty"`
	City         string `json:"city,omitempty"`
	State        string `json:"state,omitempty"`
	ItemName     string `json:"itemName,omitempty"`
	Description  string `json:"description,omitempty"`
	InitialBid   int64  `json:"initialBid,omitempty"`
	Reserve      int64  `json:"reserve,omitempty"`
	DateTime     int64  `json:"dateTime"`
	Expires      int64  `json:"expires,omitempty"`
	Seller       int64  `json:"seller,omitempty"`
	Category     int64  `json:"category,omitempty"`
	Extra        string `json:"extra"`
}

// eventOf reads an encoded event as docs/formats.md says, in code of its own.
func eventOf(value []byte) (e event, err error) {
	e.Type = []string{"person", "auction", "bid"}[value[0]]
	rest := value[1:]
	numbers := map[string][]*int64{
		"person":  {&e.ID, &e.DateTime, &e.Number},
		"auction": {&e.ID, &e.Seller, &e.Category, &e.InitialBid, &e.Reserve, &e.DateTime, &e.Number, &e.Expires},
		"bid":     {&e.Auction, &e.Bidder, &e.Price, &e.DateTime, &e.Number},
	}
	texts := map[string][]*string{
		"person":  {&e.Name, &e.EmailAddress, &e.CreditCard, &e.City, &e.State, &e.Extra},
		"auction": {&e.ItemName, &e.Description, &e.Extra},
		"bid":     {&e.Channel, &e.URL, &e.Extra},
	}
	for _, n := range numbers[e.Type] {
		*n = int64(binary.LittleEndian.Uint64(rest))
		rest = rest[8:]
	}
	for _, text := range texts[e.Type] {
		n := 2 + int(binary.LittleEndian.Uint16(rest))
		*text = string(rest[2:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return e, fmt.Errorf("%d bytes behind the last field", len(rest))
	}
	return e, nil
}

// events collects what a source gives.
type events struct {
	operator.Collector
	t      testing.TB
	values []string
	all    []event
}

func (c *events) Emit(_ int, batch []byte) error {
	if _, err := record.Validate(batch); err != nil {
		return err
	}
	for r := record.NewCursor(batch); r.Next(); {
		e, err := eventOf(r.Value)
		if err != nil || r.Kind != record.KeyAbsent || r.Timestamp != e.DateTime {
			c.t.Errorf("record of kind %d at %d holds %+v (%v)", r.Kind, r.Timestamp, e, err)
		}
		c.values = append(c.values, string(r.Value))
		c.all = append(c.all, e)
	}
	return nil
}

func eventsOf(t testing.TB, op *graph.Operator, restore []operator.Split) *events {
	t.Helper()
	c := &events{t: t}
	conntest.Drain(t, openSource(t, op, at("in", 0, 1, restore, c)), 1000)
	return c
}

const parts = 127 // splits of all events

// from are splits of which the least stands at a number, and all others behind it.
func from(number int64) (splits []operator.Split) {
	for r := range int64(parts) {
		next := number - number%parts + r
		if next < number {
			next += parts
		}
		splits = append(splits, operator.Split{ID: fmt.Sprintf("%03d/%d", r, parts), Position: fmt.Sprint(next)})
	}
	return splits
}

// Events are a contract: figures of different days are about the same ones. The golden
// file says so, and is one that the source can read.
func TestNexmarkContent(t *testing.T) {
	const golden = "testdata/nexmark.ndjson"
	var got []byte
	var made []event
	for _, number := range []int64{0, 1, 2, 3, 4, 5, 49, 50, 4999, 5000, 123_456_789, 1 << 40} {
		c := eventsOf(t, nexmark(map[string]any{"events": number + 1, "start": 1_700_000_000_000}), from(number))
		if len(c.all) != 1 {
			t.Fatalf("from %d on there are %d events", number, len(c.all))
		}
		if c.all[0].Number != number {
			t.Errorf("event %d has number %d", number, c.all[0].Number)
		}
		line, err := json.Marshal(c.all[0])
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, line...), '\n')
		c.all[0].Number = int64(len(made)) // that of its line
		made = append(made, c.all[0])
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(made, eventsOf(t, nexmark(map[string]any{"file": golden}), nil).all); diff != "" {
		t.Errorf("made, then read from a file: (-want +got)\n%s", diff)
	}
}

func TestNexmarkSeed(t *testing.T) {
	some := map[string]any{"events": 100, "seed": 7}
	one := eventsOf(t, nexmark(some), nil).values
	if !slices.Equal(eventsOf(t, nexmark(some), nil).values, one) {
		t.Error("one seed gives two streams")
	}
	some["seed"] = 8
	for i, v := range eventsOf(t, nexmark(some), nil).values {
		if slices.Contains(one, v) {
			t.Errorf("event %d is there with another seed, too", i)
		}
	}
}

// What was made in one go is made from any number on.
func TestNexmarkSeeks(t *testing.T) {
	whole := eventsOf(t, nexmark(map[string]any{"events": 3000}), nil).values
	for _, number := range []int64{0, 1, parts - 1, parts, parts + 1, 1000, 2999, 3000} {
		if rest := eventsOf(t, nexmark(map[string]any{"events": 3000}), from(number)).values; !slices.Equal(rest, whole[number:]) {
			t.Errorf("from %d on the events are others", number)
		}
	}
}

// A subtask that takes over splits from several gives them out in the order of time.
func TestNexmarkKeepsOrder(t *testing.T) {
	op := nexmark(map[string]any{"events": 2000, "rate": 1000})
	c := &events{t: t}
	var splits []operator.Split
	for subtask, polls := range []int{1, 70, 3} {
		s := openSource(t, op, at("in", subtask, 3, nil, c))
		for range polls {
			if _, err := s.Poll(9); err != nil {
				t.Fatal(err)
			}
		}
		splits = append(splits, s.Position()...)
	}
	rest := eventsOf(t, op, splits)
	inOrder := func(a, b event) int { return int(a.DateTime - b.DateTime) }
	if !slices.IsSortedFunc(rest.all, inOrder) {
		t.Error("events are out of order")
	}
	all := slices.SortedStableFunc(slices.Values(slices.Concat(c.all, rest.all)), inOrder)
	if diff := cmp.Diff(eventsOf(t, op, nil).all, all); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNexmarkKeepsItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 1000 // so that a timestamp tells the number
		c := at("in", 1, 3, nil, nil)
		got := &events{t: t}
		c.Collector, c.Started = got, time.Now()
		s := openSource(t, nexmark(map[string]any{"events": 3 * rate, "rate": rate, "speed": "scheduled"}), c)
		for status := operator.More; status != operator.End; {
			before := len(got.all)
			var err error
			if status, err = s.Poll(100); err != nil {
				t.Fatal(err)
			}
			for _, e := range got.all[before:] {
				due := time.Duration(e.DateTime-connector.GeneratorBase) * time.Millisecond
				if late := time.Since(c.Started) - due; late < 0 || late > time.Millisecond {
					t.Fatalf("event at %v comes %v after it was due", due, late)
				}
			}
			if status == operator.Idle {
				<-s.Ready()
			}
		}
		want := 0
		for n := range 3 * rate {
			if n%parts%3 == 1 {
				want++
			}
		}
		if len(got.all) != want {
			t.Errorf("got %d events, want %d", len(got.all), want)
		}
	})
}

// The position of a subtask without events to come is done, and not asked for again.
func TestNexmarkPositions(t *testing.T) {
	s := openSource(t, nexmark(map[string]any{"events": 70}), at("in", 5, 63, nil, &events{t: t}))
	conntest.Drain(t, s, 10)
	if diff := cmp.Diff([]operator.Split{{ID: "005/127", Position: "132", Done: true}}, s.Position()[:1]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, split := range []operator.Split{{ID: "x", Position: "1"}, {ID: "1/63", Position: "1"}, {ID: "001/127", Position: "2"}, {ID: "001/127", Position: "-126"}, {ID: "127/127", Position: "127"}} {
		if _, err := connector.OpenSource(t.Context(), nexmark(nil), at("in", 0, 1, []operator.Split{split}, nil)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%v: got error %v, want a corruption", split, err)
		}
	}
}

func TestNexmarkSettings(t *testing.T) {
	for with, want := range map[string]string{
		"":                                  "",
		"start: 2026-03-01T23:59:10Z":       "",
		"start: 1772409550000, rate: 5":     "",
		"file: events.ndjson.gz, events: 5": "",
		"events: -1":                        "operators.in.with.events: -1 is out of range: it is at least 0",
		"rate: max":                         `operators.in.with.rate: expected a whole number, found the text "max"`,
		"rate: 0":                           "operators.in.with.rate: 0 is out of range: 1 to 1000000000",
		"speed: fast":                       `operators.in.with.speed: unknown value "fast"`,
		"start: soon":                       `operators.in.with.start: expected a time like 2026-01-02T15:04:05Z, found the text "soon" (or ms since 1970)`,
		"persons: 0":                        "operators.in.with.persons: 0 is out of range: 1 to 1000000",
		"auctions: 0":                       "operators.in.with.auctions: 0 is out of range: 1 to 1000000",
		"hotBidders: 0":                     "operators.in.with.hotBidders: 0 is out of range: 1 to 1000000",
		"hotBidder: 4":                      "operators.in.with.hotBidder: unknown field (did you mean \"hotBidders\"?)",
		"file: a.ndjson, speed: scheduled":  "",
		"maxLine: 0":                        "operators.in.with.maxLine: 0 is out of range: 1B to 1000MiB",
	} {
		job := "version: 1\njob: x\noperators:\n  in: {source: nexmark, with: {" + with + "}}\n  out: {sink: discard, inputs: [in]}\n"
		_, err := graph.Load("/jobs/job.yaml", []byte(job), graph.Options{}, nil, connector.Catalog())
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %v, want %s", with, err, want)
		}
	}
}

func TestNexmarkVectors(t *testing.T) {
	file, err := os.Open("testdata/nexmark.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, want := "", ""
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var vector struct {
			Number int
			Event  json.RawMessage
			Hex    string
		}
		if err := json.Unmarshal(scan.Bytes(), &vector); err != nil {
			t.Fatal(err)
		}
		lines += strings.Repeat("\n", vector.Number-strings.Count(lines, "\n"))
		lines += string(vector.Event) + "\n"
		want += vector.Hex + "\n"
	}
	got := ""
	for _, v := range eventsOf(t, nexmark(map[string]any{"file": filepath.Join(write(t, map[string]string{"in": lines}), "in")}), nil).values {
		got += fmt.Sprintf("%x\n", v)
	}
	if diff := cmp.Diff(want, got); diff != "" || want == "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every subtask has its share of each kind: what comes behind it has as much to do.
func TestNexmarkShares(t *testing.T) {
	const all = 6 * 50 * parts
	kinds := map[string]float64{"person": 0.02, "auction": 0.06, "bid": 0.92}
	for parallelism := 1; parallelism <= 5; parallelism++ {
		for subtask := range parallelism {
			c := &events{t: t}
			conntest.Drain(t, openSource(t, nexmark(map[string]any{"events": all}), at("in", subtask, parallelism, nil, c)), 1000)
			got := map[string]float64{}
			for _, e := range c.all {
				got[e.Type]++
			}
			for kind, part := range kinds {
				if want := part * all / float64(parallelism); math.Abs(got[kind]-want) > 0.05*want {
					t.Errorf("subtask %d of %d has %g events of kind %s, want about %g", subtask, parallelism, got[kind], kind, want)
				}
			}
		}
	}
}
