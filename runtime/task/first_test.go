package task

import (
	"testing"

	"github.com/wasmill/wasmill/runtime/exchange"
)

// Channels that come first are read until each has ended or has been idle; then the
// others go on, whatever the first do later.
func TestMergeReadsFirstInputsFirst(t *testing.T) {
	type event struct {
		channel int
		kind    exchange.Kind
		value   int64
		want    string
	}
	const (
		watermark, idle, active = exchange.Watermark, exchange.Idle, exchange.Active
		barrier, abort, end     = exchange.Barrier, exchange.Abort, exchange.End
	)
	for name, test := range map[string]struct {
		first  []bool // by channel
		begin  string
		events []event
	}{
		"none is first": {[]bool{false, false}, "", []event{{0, end, 0, ""}}},
		"all are first": {[]bool{true, true}, "", []event{{0, end, 0, ""}, {1, end, 0, "advance max, finish"}}},
		"until it has ended": {[]bool{true, false, false}, "pause 1, pause 2", []event{
			{0, watermark, 5, ""}, {0, end, 0, "resume 1, resume 2"}, {1, watermark, 7, ""}, {2, watermark, 8, "advance 7"},
		}},
		"until it is idle, once": {[]bool{true, false}, "pause 1", []event{
			{0, watermark, 5, ""}, {0, idle, 0, "resume 1"}, {0, active, 0, ""}, {0, idle, 0, ""}, {1, watermark, 3, "advance 3"}, {0, end, 0, ""},
		}},
		"until all of them": {[]bool{true, false, true}, "pause 1", []event{
			{0, idle, 0, ""}, {0, active, 0, ""}, {0, end, 0, ""}, {2, end, 0, "resume 1"}, {1, end, 0, "advance max, finish"},
		}},
		"a job that was restored behind the end of the first": {[]bool{true, false}, "pause 1", []event{
			{0, end, 0, "resume 1"}, {1, barrier, 4, "begin 4, snapshot 4, resume 1"},
		}},
		"barriers align behind it": {[]bool{true, false}, "pause 1", []event{
			{0, idle, 0, "resume 1"}, {0, barrier, 1, "begin 1, pause 0"}, {1, barrier, 1, "snapshot 1, resume 0, resume 1"},
		}},
		"no checkpoint before": {[]bool{true, false}, "pause 1", []event{
			{0, barrier, 1, "not-yet 1, give-up 1"}, {0, abort, 1, ""}, {0, barrier, 2, "not-yet 2, give-up 2"}, {0, end, 0, "resume 1"},
			{1, barrier, 2, ""}, {1, barrier, 3, "begin 3, snapshot 3, resume 1"},
		}},
		"what was given up does not let the others go": {[]bool{true, false}, "pause 1", []event{
			{0, abort, 1, "give-up 1"}, {0, idle, 0, "resume 1"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inputs := make([]Input, len(test.first))
			for i, first := range test.first {
				inputs[i] = Input{From: i, First: first}
			}
			m := newMerge(inputs, true)
			if got := stepsOf(m.begin()); got != test.begin {
				t.Fatalf("begins with %q, want %q", got, test.begin)
			}
			for i, e := range test.events {
				steps, err := m.control(e.channel, exchange.Element{Kind: e.kind, Value: e.value})
				if err != nil {
					t.Fatal(err)
				}
				if got := stepsOf(steps); got != e.want {
					t.Errorf("event %d: %q, want %q", i, got, e.want)
				}
			}
		})
	}
}

// A table is there before the records that are looked up in it.
func TestATaskReadsFirstInputsFirst(t *testing.T) {
	var log []string
	k := newKeeping(&log)
	inputs := []Input{{Input: 0}, {Input: 1, From: 1, First: true}}
	s := open(t, modules("a"), &home{keeping: map[string]*keeping{"a": k}}, &log, Config{Inputs: inputs})
	s.write(0, event(1, "x", "lookup"))
	s.turns()
	s.said("held back")
	s.write(1, event(1, "x", "table"))
	s.turns()
	s.said("first", "a process 1 table", "> table")
	s.control(1, exchange.Barrier, 1)
	s.turns()
	s.said("no checkpoint meanwhile", "not yet 1", "> abort 1")
	s.control(1, exchange.End, 0)
	s.turns()
	s.said("then", "a process 0 lookup", "> lookup")
	s.control(0, exchange.Barrier, 2)
	s.turns()
	s.said("and checkpoints", "a barrier 2", "> barrier 2")
}
