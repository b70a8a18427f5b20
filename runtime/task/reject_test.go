package task

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

func TestRejectedRecords(t *testing.T) {
	reject := func(index int) func(*guest, int, []byte) error {
		return func(g *guest, _ int, batch []byte) error {
			if err := g.collector.Reject(operator.Rejection{Index: index, Reason: "no JSON"}); err != nil {
				return err
			}
			return g.collector.Emit(0, batchOf("good"))
		}
	}
	for name, test := range map[string]struct {
		policy graph.OnReject
		index  int
		fails  string
		guest  bool
		want   []string
	}{
		"fail": {policy: graph.OnReject{Policy: graph.RejectFail}, index: 1,
			fails: `a[0]: record 1 of its batch, key "k", value "two": record rejected: no JSON (onReject: skip or {to: OUTPUT} lets the job go on)`},
		"skip": {policy: graph.OnReject{Policy: graph.RejectSkip}, index: 1, want: []string{"sink write good"}},
		"to an output": {policy: graph.OnReject{Policy: graph.RejectTo, Output: 1}, index: 1, want: []string{
			`sink write {"operator":"a","subtask":0,"place":"record 1 of its batch, key \"k\", value \"two\"","reason":"no JSON","record":{"key":"k","value":"two","time":null,"change":"insert"}},good`}},
		"an index outside of the batch": {policy: graph.OnReject{Policy: graph.RejectSkip}, index: 2,
			fails: "a[0]: reject record 2: the batch has 2", guest: true},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			p := line("in", "a", "sink")
			p.Operators[1].OnReject = test.policy
			p.Operators[1].Outputs = []string{"out", "bad"}
			p.Edges = append(p.Edges, graph.Edge{ID: 2, From: 1, Output: 1, To: 2, Chained: true})
			h := &house{
				sources:   map[string]*script{"in": {steps: [][]byte{batchOf("one", "two")}}},
				functions: map[string]*guest{"a": {log: new([]string), process: reject(test.index)}},
				sinks:     map[string]operator.Sink{"sink": &memorySink{log: &log}},
			}
			_, _, err := runLine(t, p, h)
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || err.Error() != test.fails) {
				t.Fatalf("got error %v, want %q", err, test.fails)
			}
			if errors.Is(err, fault.ErrGuest) != test.guest {
				t.Errorf("is a guest fault: %t, want %t", !test.guest, test.guest)
			}
			if !slices.Equal(log, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A guest gets what it has room for; a record that it has no room for is a bad one.
func TestLargeInputIsCutAndTooLargeRecordsAreRejected(t *testing.T) {
	const room = 100 << 10
	big, huge := strings.Repeat("b", 90<<10), strings.Repeat("h", 200<<10)
	var sizes []int
	choosy := func(g *guest, _ int, batch []byte) error {
		if len(batch) > room {
			return fault.As(fault.ErrGuest, operator.ErrTooLarge)
		}
		sizes = append(sizes, record.Count(batch))
		return g.collector.Emit(0, batch)
	}
	for name, test := range map[string]struct {
		policy graph.OnReject
		fails  string
	}{
		"skip": {policy: graph.OnReject{Policy: graph.RejectSkip}},
		"fail": {policy: graph.OnReject{Policy: graph.RejectFail}, fails: "record rejected: batch does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			sizes = nil
			p := line("in", "a", "sink")
			p.Operators[1].OnReject = test.policy
			var log []string
			h := &house{
				sources:   map[string]*script{"in": {steps: [][]byte{batchOf("1", big, "2", huge, "3", big, big)}}},
				functions: map[string]*guest{"a": {log: new([]string), process: choosy}},
				sinks:     map[string]operator.Sink{"sink": &memorySink{log: &log}},
			}
			_, task, err := runLine(t, p, h)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || errors.Is(err, fault.ErrGuest) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, n := range sizes {
				total += n
			}
			if got := task.Stats()[1]; total != 6 || got.RecordsOut != 6 || got.Rejected != 1 {
				t.Errorf("the guest took %v records, stats %+v", sizes, got)
			}
			if all := strings.Join(log, ","); !strings.Contains(all, "3") || strings.Contains(all, huge) {
				t.Error("records behind the bad one are lost, or it came through")
			}
		})
	}
}

func TestFailuresNameTheirSubtask(t *testing.T) {
	bad := func(*guest, int, []byte) error { return fault.Guestf("unreachable") }
	for name, test := range map[string]struct {
		h    *house
		want string
	}{
		"a trap": {&house{functions: map[string]*guest{"a": {log: new([]string), process: bad}}}, "a[0]: unreachable"},
		"a trap further down": {&house{functions: map[string]*guest{"a": {log: new([]string)}, "b": {log: new([]string), process: bad}}},
			"b[0]: unreachable"},
		"no module": {&house{}, "a[0]: open operator: no such module"},
	} {
		t.Run(name, func(t *testing.T) {
			names := []string{"in", "a"}
			if test.h.functions["b"] != nil {
				names = append(names, "b")
			}
			test.h.sources = map[string]*script{"in": {steps: [][]byte{batchOf("1")}}}
			_, _, err := runLine(t, line(names...), test.h)
			if err == nil || err.Error() != test.want || !errors.Is(err, fault.ErrGuest) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			var located *fault.Error
			if !errors.As(err, &located) || located.Subtask.Operator == "in" {
				t.Errorf("located at %+v", located)
			}
		})
	}
}
