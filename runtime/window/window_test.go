package window_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/window"
)

func tumbling(size, lateness int) graph.Window {
	return graph.Window{Kind: graph.Tumbling, Size: ms(size), Lateness: ms(lateness), Late: 1}
}

func session(gap, lateness int) graph.Window {
	return graph.Window{Kind: graph.Session, Gap: ms(gap), Lateness: ms(lateness), Late: 1}
}

// script plays lines to an operator and says what came of each:
//
//	a@5=x b@7=y    a batch: key@time=value, input 1 with a trailing '
//	W 20           the watermark; W inf is the end
//	tick 60        the clock
//	restore        snapshot, and go on in another operator
//	restore 5      so, of a task whose watermark is 5
func script(t *testing.T, s setup, lines string) string {
	t.Helper()
	s.watermark = window.Beginning
	x := open(t, s)
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		line = strings.TrimSpace(line)
		fmt.Fprintf(&out, "%s\n", line)
		var n int64
		switch fields := strings.Fields(line); fields[0] {
		case "W":
			if n = math.MaxInt64; fields[1] != "inf" {
				fmt.Sscan(fields[1], &n)
			}
			s.watermark = max(s.watermark, n)
			must(t, x.op.Watermark(n))
		case "tick":
			fmt.Sscan(fields[1], &n)
			must(t, x.op.Tick(n))
		case "restore":
			next := s
			next.restore = append(next.restore, x.snapshot())
			if len(fields) > 1 {
				fmt.Sscan(fields[1], &next.watermark)
			}
			old := x
			x = open(t, next)
			old.close()
		default:
			var batch []event
			input := 0
			for _, f := range fields {
				var e event
				f, found := strings.CutSuffix(f, "'")
				if found {
					input = 1
				}
				key, rest, _ := strings.Cut(f, "@")
				time, value, _ := strings.Cut(rest, "=")
				e.key, e.value = key, value
				if e.time = record.NoTimestamp; time != "" {
					fmt.Sscan(time, &e.time)
				}
				batch = append(batch, e)
			}
			must(t, x.op.Process(input, batchOf(batch...)))
		}
		for i, r := range x.collector.results {
			fmt.Fprintf(&out, "  %s @%d\n", r, x.collector.stamps[i])
		}
		for _, r := range x.collector.late {
			fmt.Fprintf(&out, "  too late: %s\n", r)
		}
		for _, r := range x.collector.rejected {
			fmt.Fprintf(&out, "  rejected %s\n", r)
		}
		x.collector.results, x.collector.stamps, x.collector.late, x.collector.rejected = nil, nil, nil, nil
	}
	return out.String()
}

// transcripts are what windows do.
var transcripts = []struct {
	name  string
	setup setup
	// What is played and, indented, what comes of it: results with their timestamps.
	transcript string
}{
	{"a result comes when the watermark is at the end − 1", setup{window: tumbling(10, 0)}, `
			a@0=x a@9=y a@10=z
			W 8
			W 9
			  a [0,10) on time: x y @9
			W inf
			  a [10,20) on time: z @19`},
	{"a record behind its window is too late", setup{window: tumbling(10, 0)}, `
			W 9
			a@9=x a@10=y
			  too late: x
			W inf
			  a [10,20) on time: y @19`},
	{"within the lateness it gives another result, one for each record", setup{window: tumbling(10, 5)}, `
			a@1=x
			W 9
			  a [0,10) on time: x @9
			W 13
			a@2=y a@3=z b@4=w
			  a [0,10) late: x y @9
			  a [0,10) late: x y z @9
			  b [0,10) late: w @9
			W 14
			a@5=v
			  too late: v
			W inf`},
	{"sliding windows share their records", setup{window: graph.Window{Kind: graph.Sliding, Size: ms(10), Every: ms(5), Late: 1}}, `
			a@1=x a@6=y a@12=z
			W 9
			  a [-5,5) on time: x @4
			  a [0,10) on time: x y @9
			a@4=too-late-for-two
			  too late: too-late-for-two
			W inf
			  a [5,15) on time: y z @14
			  a [10,20) on time: z @19`},
	{"a record late for one of its windows counts in the others", setup{window: graph.Window{Kind: graph.Sliding, Size: ms(10), Every: ms(5), Lateness: ms(1), Late: 1}}, `
			W 10
			a@7=x
			W inf
			  a [5,15) on time: x @14`},
	{"sessions end a gap after their last record", setup{window: session(5, 0)}, `
			a@0=x a@4=y a@20=z b@3=w
			W 7
			W 8
			  b [3,8) on time: w @8
			W inf
			  a [0,9) on time: x y @9
			  a [20,25) on time: z @25`},
	{"two records one gap apart share a session", setup{window: session(5, 0)}, `
			a@0=x a@5=y b@0=x b@6=y
			W inf
			  b [0,5) on time: x @5
			  a [0,10) on time: x y @10
			  b [6,11) on time: y @11`},
	{"a record joins two sessions", setup{window: session(5, 0)}, `
			a@0=x
			a@10=y
			restore
			a@5=z
			W inf
			  a [0,15) on time: x y z @15`},
	{"a late record makes a session longer", setup{window: session(5, 10)}, `
			a@0=x
			W 6
			  a [0,5) on time: x @5
			a@1=y
			  a [0,6) late: x y @6
			a@4=z
			W 8
			W 17
			  a [0,9) on time: x y z @9
			W 18
			a@4=v
			  a [0,9) late: v x y z @9
			W inf`},
	{"a late record of its own is a session", setup{window: session(5, 10)}, `
			W 10
			a@1=x a@2=y
			  a [1,6) late: x @6
			  a [1,7) late: x y @7
			W inf`},
	{"early results come by the watermark, of what is new", setup{window: graph.Window{Kind: graph.Tumbling, Size: ms(100), Late: 1, Trigger: graph.Trigger{Every: ms(10)}}}, `
			W 0
			a@1=x b@2=y
			W 9
			W 10
			  a [0,100) early: x @99
			  b [0,100) early: y @99
			a@3=z
			W 35
			  a [0,100) early: x z @99
			W 45
			W 99
			  a [0,100) on time: x z @99
			  b [0,100) on time: y @99`},
	{"or by the clock", setup{window: graph.Window{Kind: graph.Session, Gap: ms(100), Late: 1, Trigger: graph.Trigger{Every: ms(10), Processing: true}}}, `
			tick 1000
			a@1=x
			tick 1009
			restore
			W 5
			tick 1011
			tick 1020
			  a [1,101) early: x @101
			tick 1030
			W inf
			  a [1,101) on time: x @101`},
	{"or by the number of records", setup{window: graph.Window{Kind: graph.Tumbling, Size: ms(100), Late: 1, Trigger: graph.Trigger{Count: 2}}}, `
			a@1=x b@1=x a@2=y a@3=z
			  a [0,100) early: x y @99
			restore
			a@4=v
			  a [0,100) early: v x y z @99
			W inf
			  a [0,100) on time: v x y z @99
			  b [0,100) on time: x @99`},
	{"a global window gives what it has at the end", setup{window: graph.Window{Kind: graph.Global, Late: 1}}, `
			a@5=x a@=y
			W 100
			a@5=z
			W inf
			  a [-9223372036854775808,9223372036854775807) on time: x y z @-9223372036854775808`},
	{"or every two records, and begins anew", setup{window: graph.Window{Kind: graph.Global, Late: 1, Trigger: graph.Trigger{Count: 2, Purge: true}}}, `
			a@1=x a@1=y a@1=z
			  a [-9223372036854775808,9223372036854775807) early: x y @-9223372036854775808
			W inf
			  a [-9223372036854775808,9223372036854775807) on time: z @-9223372036854775808`},
	{"what was given out is not given out again by a slower subtask", setup{window: tumbling(10, 20)}, `
			a@1=x b@11=y
			W 9
			  a [0,10) on time: x @9
			restore 3
			W 5
			a@2=z
			  a [0,10) late: x z @9
			restore -5
			W 9
			W 20
			  b [10,20) on time: y @19
			W inf`},
	{"nor are windows that overlap", setup{window: graph.Window{Kind: graph.Sliding, Size: ms(10), Every: ms(5), Late: 1}}, `
			a@1=x a@6=y
			W 9
			  a [-5,5) on time: x @4
			  a [0,10) on time: x y @9
			restore 2
			a@3=z
			  too late: z
			W 9
			W inf
			  a [5,15) on time: y @14`},
	{"inputs are joined by key and window", setup{window: tumbling(10, 0), apply: true, inputs: 2}, `
			a@1=x b@2=y
			a@3=u' c@4=v'
			a@5=z
			W inf
			  c [0,10) on time: 1:v @9
			  a [0,10) on time: 0:x 0:z 1:u @9
			  b [0,10) on time: 0:y @9`},
	{"sessions of several inputs", setup{window: session(5, 0), apply: true, inputs: 2}, `
			a@0=x
			a@8=y'
			a@4=z'
			W inf
			  a [0,13) on time: 0:x 1:y 1:z @13`},
	{"times that can't be in a window", setup{window: tumbling(10, 0)}, `
			a@=x a@1=y
			  rejected 0: the record has no timestamp and can't be in a window
			W inf
			  a [0,10) on time: y @9`},
	{"the first and the last time", setup{window: tumbling(10, 0)}, `
			a@-9223372036854775807=x a@9223372036854775806=y
			W -9223372036854775807
			W 0
			  a [-9223372036854775808,-9223372036854775800) on time: x @-9223372036854775801
			W inf
			  a [9223372036854775800,9223372036854775807) on time: y @-9223372036854775808`},
	{"sessions at both ends of time", setup{window: session(10, 5)}, `
			a@-9223372036854775807=x a@9223372036854775806=y
			W 0
			  a [-9223372036854775807,-9223372036854775797) on time: x @-9223372036854775797
			W inf
			  a [9223372036854775806,9223372036854775807) on time: y @-9223372036854775808`},
	{"results come by end, key group and key", setup{window: tumbling(10, 0)}, `
			f@12=1 e@2=1 d@2=1 c@2=1 b@2=1 a@2=1 @2=1 aa@2=1
			W inf
			  d [0,10) on time: 1 @9
			  e [0,10) on time: 1 @9
			   [0,10) on time: 1 @9
			  aa [0,10) on time: 1 @9
			  c [0,10) on time: 1 @9
			  a [0,10) on time: 1 @9
			  b [0,10) on time: 1 @9
			  f [10,20) on time: 1 @19`},
}

func TestWindows(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.name, func(t *testing.T) {
			var played, want []string
			for _, line := range strings.Split(strings.TrimSpace(c.transcript), "\n") {
				line = strings.TrimPrefix(strings.TrimRight(line, " "), "\t\t\t")
				want = append(want, line)
				if !strings.HasPrefix(line, " ") {
					played = append(played, line)
				}
			}
			got := strings.TrimSpace(script(t, c.setup, strings.Join(played, "\n")))
			if got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

// Records that nobody reads because they are too late are counted.
func TestTooLateIsCounted(t *testing.T) {
	w := tumbling(10, 0)
	w.Late = -1
	x := open(t, setup{window: w, watermark: 50})
	must(t, x.op.Process(0, batchOf(event{key: "a", time: 3}, event{key: "a", time: 55}, event{key: "b", time: 9})))
	if n := x.op.TooLate(); n != 2 || len(x.collector.late) > 0 {
		t.Errorf("%d counted, %v given out; want 2 counted", n, x.collector.late)
	}
}

// A guest is called once for a batch and once for a window, however many keys there are.
func TestCallsAreFew(t *testing.T) {
	x := open(t, setup{window: tumbling(10, 0)})
	var events []event
	for i := range 200 {
		events = append(events, event{key: fmt.Sprint("key", i%100), time: int64(i % 20)})
	}
	must(t, x.op.Process(0, batchOf(events...)))
	must(t, x.op.Watermark(19))
	if want := []string{"accumulate", "finish", "finish"}; !slices.Equal(x.guest.calls, want) {
		t.Errorf("calls %v, want %v", x.guest.calls, want)
	}
}

// What accumulate rejects is told by its place in the batch, whatever came between.
func TestRejectIsOfTheBatch(t *testing.T) {
	for name, w := range map[string]graph.Window{"tumbling": tumbling(10, 0), "session": session(10, 0)} {
		t.Run(name, func(t *testing.T) {
			x := open(t, setup{window: w})
			x.guest.reject = "bad"
			must(t, x.op.Process(0, batchOf(event{key: "a", time: 1, value: "x"}, event{key: "b", time: record.NoTimestamp}, event{key: "b", time: 2, value: "y"},
				event{key: "a", time: 3, value: "bad"}, event{key: "b", time: 4, value: "z"}, event{key: strings.Repeat("k", state.MaxSubkey), time: 5})))
			want := []string{"1: the record has no timestamp and can't be in a window", "5: a key of 65535 bytes can't be in a window, at most 65519", "3: bad"}
			if !slices.Equal(x.collector.rejected, want) {
				t.Errorf("rejected %q, want %q", x.collector.rejected, want)
			}
			must(t, x.op.End())
			if got := strings.Join(x.collector.take(), "; "); !strings.Contains(got, ": x") || strings.Contains(got, "bad") {
				t.Errorf("results %q", got)
			}
		})
	}
}

// A window larger than a call is given in several; every record comes once, in order.
func TestLargeWindows(t *testing.T) {
	for name, w := range map[string]graph.Window{"tumbling": tumbling(10, 0), "session": session(10, 0)} {
		t.Run(name, func(t *testing.T) {
			x := open(t, setup{window: w, apply: true, inputs: 2})
			const batches, size = 20, 40
			var want []string
			n := 0
			for b := range batches {
				var events []event
				for range size {
					events = append(events, event{key: "a", time: 5, value: fmt.Sprintf("%04d%s", n, strings.Repeat(".", 1500))})
					n++
				}
				for _, e := range events {
					want = append(want, fmt.Sprintf("%d:%s", b%2, e.value))
				}
				must(t, x.op.Process(b%2, batchOf(events...)))
			}
			must(t, x.op.End())
			got := x.collector.take()
			slices.Sort(want)
			if len(got) != 1 || !strings.HasSuffix(got[0], ": "+strings.Join(want, " ")) {
				t.Errorf("%d results, not one with all records", len(got))
			}
			if calls := len(x.guest.calls); calls < 3 {
				t.Errorf("%d calls for 1.2 MB, want several", calls)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := window.New(window.Config{Window: graph.Window{Kind: graph.Tumbling, Gap: 5}, End: 3, MaxParallelism: 2})
	for _, want := range []string{"size: 0s is not above zero", "gap: tumbling windows have none", "aggregate or apply", "0 inputs", "output and backend", "key groups [0,3) of 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
