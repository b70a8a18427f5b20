package task

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/exchange"
)

var stepNames = map[stepKind]string{
	advance: "advance", becomeIdle: "idle", becomeActive: "active", pause: "pause", resume: "resume",
	beginAlign: "begin", snapshot: "snapshot", overtake: "overtake", catch: "catch", notYet: "not-yet", giveUp: "give-up", finish: "finish",
}

func stepsOf(steps []step) string {
	var all []string
	for _, s := range steps {
		text := stepNames[s.kind]
		switch {
		case s.kind == advance && s.value == MaxWatermark:
			text += " max"
		case s.kind != becomeIdle && s.kind != becomeActive && s.kind != finish:
			text += fmt.Sprintf(" %d", s.value)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestMerge(t *testing.T) {
	type event struct {
		channel int
		kind    exchange.Kind
		value   int64
		want    string
	}
	const (
		watermark, idle, active = exchange.Watermark, exchange.Idle, exchange.Active
		barrier, abort, end     = exchange.Barrier, exchange.Abort, exchange.End

		// hurry is no element: the checkpoint has waited long enough.
		hurry = exchange.Kind(0)
	)
	for name, test := range map[string]struct {
		atLeastOnce bool
		events      []event
	}{
		"the watermark is the lowest": {events: []event{
			{0, watermark, 10, ""}, {1, watermark, 5, "advance 5"}, {1, watermark, 20, "advance 10"}, {0, watermark, 8, ""}, {0, watermark, 30, "advance 20"},
		}},
		"idle channels hold nothing back": {events: []event{
			{0, watermark, 10, ""}, {1, idle, 0, "advance 10"}, {0, watermark, 12, "advance 12"}, {1, active, 0, ""}, {0, watermark, 15, ""},
			{1, watermark, 13, "advance 13"},
		}},
		"all idle is idle": {events: []event{
			{0, watermark, 10, ""}, {0, idle, 0, ""}, {1, idle, 0, "advance 10, idle"}, {1, watermark, 4, "active"}, {1, watermark, 11, "advance 11"},
		}},
		"the end is the highest watermark": {events: []event{
			{0, watermark, 10, ""}, {1, end, 0, "advance 10"}, {0, end, 0, "advance max, finish"},
		}},
		"barriers align": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {0, barrier, 1, ""}, {1, barrier, 1, "snapshot 1, resume 0, resume 1"}, {1, barrier, 1, ""},
		}},
		"at least once, nobody waits": {atLeastOnce: true, events: []event{
			{0, barrier, 1, "begin 1"}, {1, barrier, 1, "snapshot 1"},
		}},
		"an ended channel has no barrier to wait for": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {1, end, 0, "snapshot 1, resume 0"}, {0, barrier, 2, "begin 2, snapshot 2, resume 0"},
		}},
		"a later checkpoint overtakes": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {1, barrier, 2, "give-up 1, resume 0, begin 2, pause 1"}, {0, barrier, 2, "snapshot 2, resume 0, resume 1"},
			{1, barrier, 1, ""},
		}},
		"an aborted checkpoint lets its channels go": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {1, abort, 1, "give-up 1, resume 0"}, {1, barrier, 1, ""}, {0, abort, 1, ""},
			{0, barrier, 2, "begin 2, pause 0"}, {1, barrier, 2, "snapshot 2, resume 0, resume 1"},
		}},
		"an abort of a later one": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {1, abort, 2, "give-up 1, resume 0, give-up 2"}, {0, barrier, 2, ""}, {0, barrier, 3, "begin 3, pause 0"},
		}},
		"a barrier overtakes what is in front of others": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {0, hurry, 1, "overtake 1, catch 1, resume 0"}, {1, barrier, 1, ""}, {1, barrier, 2, "begin 2, pause 1"},
			{0, barrier, 2, "snapshot 2, resume 0, resume 1"}, {0, hurry, 2, ""},
		}},
		"one that nobody has come to yet":           {events: []event{{0, hurry, 1, "overtake 1, catch 0, catch 1"}, {0, barrier, 1, ""}, {1, abort, 1, ""}}},
		"the end of a channel has nothing in front": {events: []event{{1, end, 0, ""}, {0, hurry, 1, "overtake 1, catch 0"}, {0, barrier, 1, ""}}},
		"behind the end of all nothing overtakes":   {events: []event{{1, end, 0, ""}, {0, end, 0, "advance max, finish"}, {0, hurry, 1, ""}}},
		"a given up checkpoint overtakes nothing":   {events: []event{{0, abort, 1, "give-up 1"}, {0, hurry, 1, ""}}},
		"at least once, nothing is overtaken":       {atLeastOnce: true, events: []event{{0, barrier, 1, "begin 1"}, {0, hurry, 1, ""}}},
		"a later checkpoint overtakes one that aligns": {events: []event{
			{0, barrier, 1, "begin 1, pause 0"}, {0, hurry, 2, "give-up 1, resume 0, overtake 2, catch 0, catch 1"}, {0, barrier, 1, ""}, {0, barrier, 2, ""},
		}},
		"an abort before its barrier": {events: []event{{0, abort, 3, "give-up 3"}, {1, barrier, 3, ""}, {1, barrier, 4, "begin 4, pause 1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMerge(make([]Input, 2), !test.atLeastOnce)
			for i, e := range test.events {
				var steps []step
				var err error
				if e.kind == hurry {
					steps = m.overtake(uint64(e.value))
				} else if steps, err = m.control(e.channel, exchange.Element{Kind: e.kind, Value: e.value}); err != nil {
					t.Fatal(err)
				}
				if got := stepsOf(steps); got != e.want {
					t.Errorf("event %d: %q, want %q", i, got, e.want)
				}
			}
		})
	}
}

func TestNothingComesBehindTheEnd(t *testing.T) {
	m := newMerge(make([]Input, 1), true)
	if _, err := m.control(0, exchange.Element{Kind: exchange.End}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.control(0, exchange.Element{Kind: exchange.Barrier, Value: 1}); err == nil {
		t.Error("a barrier passed behind the end")
	}
}
