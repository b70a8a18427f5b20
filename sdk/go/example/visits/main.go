// Command visits keeps what each user of a site does, and says so after an hour without
// a visit. It is where docs/state.md takes its snippets from.
package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newVisits) }

func main() {}

// last is when the user was seen last, in ms since 1970.
var last = &wasmill.Value[int64]{Name: "last", Codec: wasmill.Int64, Migrate: migrateLast}

// pages is how often the user saw each page, by its path.
var pages = &wasmill.Map[string, int64]{Name: "pages", Keys: wasmill.String, Values: wasmill.Int64, TTL: 30 * 24 * time.Hour}

// trail is where the user went, in order, since the last report.
var trail = &wasmill.List[string]{Name: "trail", Codec: wasmill.String}

// muted are pages that do not count; all subtasks know them.
var muted = &wasmill.Map[string, string]{Name: "muted", Scope: wasmill.Broadcast, Keys: wasmill.String, Values: wasmill.String}

// totals is what this subtask has counted.
var totals = &wasmill.Map[string, int64]{Name: "totals", Scope: wasmill.Split, Keys: wasmill.String, Values: wasmill.Int64}

const silence = int64(time.Hour / time.Millisecond)

func newVisits() wasmill.Operator {
	seen := int64(0)
	return wasmill.Operator{
		Name:            "visits",
		Inputs:          []string{"in", "rules"},
		BroadcastInputs: []string{"rules"},
		KeepsKey:        true,
		StateVersion:    2,
		Tables:          []wasmill.Table{last, pages, trail, muted, totals},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if c.Input() == 1 {
				return rule(c, r)
			}
			if r.Key == nil || r.Timestamp == wasmill.NoTimestamp {
				return c.Reject("a visit has a user and a time")
			}
			seen++
			return visit(c, r)
		},
		Timer: report,
		Barrier: func(c *wasmill.Context, checkpoint int64) error {
			before, _ := totals.Get(c, "visits")
			totals.Set(c, "visits", before+seen)
			seen = 0
			return nil
		},
	}
}

func visit(c *wasmill.Context, r *wasmill.Record) error {
	page := string(r.Value)
	if _, is := muted.Get(c, page); is {
		return nil
	}
	n, _ := pages.Get(c, page) // 0 if there is none
	pages.Set(c, page, n+1)
	trail.Add(c, page)
	return remind(c, r)
}

// remind moves the user's timer to an hour after this visit.
func remind(c *wasmill.Context, r *wasmill.Record) error {
	before, ok := last.Get(c)
	if ok && before >= r.Timestamp {
		return nil // out of order
	}
	if ok {
		c.DeleteTimer(wasmill.EventTime, before+silence, []byte("silent"))
	}
	c.SetTimer(wasmill.EventTime, r.Timestamp+silence, []byte("silent"))
	last.Set(c, r.Timestamp)
	return nil
}

// report is called when a timer is due: last, pages and trail are those of its key.
func report(c *wasmill.Context, t *wasmill.Timer) error {
	var text strings.Builder
	for page := range trail.All(c) {
		fmt.Fprintf(&text, "%s ", page)
	}
	for page, n := range pages.All(c) { // by path
		fmt.Fprintf(&text, "%s=%d ", page, n)
	}
	trail.Clear(c)
	last.Clear(c)
	c.Emit(&wasmill.Record{Timestamp: t.At, Key: t.Key, Value: []byte(text.String())})
	return nil
}

// rule is "mute PAGE" or "unmute PAGE". Each subtask gets each rule.
func rule(c *wasmill.Context, r *wasmill.Record) error {
	verb, page, _ := strings.Cut(string(r.Value), " ")
	switch verb {
	case "mute":
		muted.Set(c, page, "")
	case "unmute":
		muted.Remove(c, page)
	default:
		return c.Reject("no rule")
	}
	return nil
}

// migrateLast reads what version 1 wrote: seconds, four bytes.
func migrateLast(version uint32, b []byte) (int64, error) {
	if version != 1 || len(b) != 4 {
		return 0, fmt.Errorf("last: %d bytes of version %d", len(b), version)
	}
	return int64(binary.BigEndian.Uint32(b)) * 1000, nil
}
