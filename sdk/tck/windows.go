package tck

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/window"
	"github.com/wasmill/wasmill/sdk/abi"
)

// windowed is a guest behind the engine's windows.
type windowed struct {
	*gathered
	t        *testing.T
	instance *host.Instance
	operator *window.Operator
	backend  *state.Memory
}

func (w *windowed) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// startWindows opens the guest behind windows; nil is none. Run is a snapshot to go on from.
func (s suite) startWindows(t *testing.T, from windowed, of *graph.Window) *windowed {
	t.Helper()
	w := &windowed{t: t, gathered: &gathered{}}
	if from.gathered != nil {
		w.gathered = from.gathered
	}
	var tables []state.Table
	if s.module.Description().Shape == abi.ShapeApply {
		tables = appliedTables
	}
	var err error
	w.backend, err = state.NewMemory(state.Options{Tables: append(tables[:len(tables):len(tables)], window.Tables()...), First: 0, End: maxParallelism})
	w.must(err)
	t.Cleanup(func() { w.must(w.backend.Close()) })
	if from.backend != nil {
		w.must(from.operator.Barrier(1))
		snapshot, err := from.backend.Snapshot(1, true)
		w.must(err)
		var run bytes.Buffer
		_, err = snapshot.Write(&run)
		w.must(err)
		w.must(snapshot.Close())
		r, err := state.NewRunReader(&run)
		w.must(err)
		w.must(w.backend.Restore(r, 0))
	}
	out := window.NewOutput(w.gathered)
	config := settings{}.instance(w.gathered)
	config.Collector = out
	if len(tables) > 0 {
		config.State = state.NewTables(tables, w.backend, nil, 0, maxParallelism, maxParallelism)
	}
	w.instance, err = s.module.Instantiate(t.Context(), config)
	w.must(err)
	t.Cleanup(func() { w.instance.Close() })
	w.must(w.instance.Open(from.backend != nil))
	if of == nil {
		return w
	}
	c := window.Config{
		Window: *of, Inputs: len(s.module.Description().Inputs), Output: out, Backend: w.backend, Table: len(tables),
		First: 0, End: maxParallelism, MaxParallelism: maxParallelism, Watermark: math.MinInt64,
	}
	if len(tables) > 0 {
		c.Applier = w.instance
	} else {
		c.Aggregator = w.instance
	}
	w.operator, err = window.New(c)
	w.must(err)
	return w
}

// events makes a batch of "KEY@TIME=VALUE …".
func events(line string) []byte {
	var b record.Builder
	for field := range strings.FieldsSeq(line) {
		key, rest, _ := strings.Cut(field, "@")
		at, value, _ := strings.Cut(rest, "=")
		var n int64
		fmt.Sscan(at, &n)
		b.Append(record.Insert, n, []byte(key), []byte(value))
	}
	return b.Bytes()
}

// play plays a script: lines of events ("right" before those of input 1), "W 20" and "restore"; what comes
// of a line is below it, "  KEY: VALUE @TIME".
func (s suite) play(t *testing.T, of graph.Window, script string) {
	t.Helper()
	w := s.startWindows(t, windowed{}, &of)
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&out, line)
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "W":
			n := int64(math.MaxInt64)
			if rest != "inf" {
				fmt.Sscan(rest, &n)
			}
			w.must(w.operator.Watermark(n))
			w.must(w.operator.Flush())
		case "restore":
			w = s.startWindows(t, *w, &of)
		case "right":
			w.must(w.operator.Process(1, events(rest)))
		default:
			w.must(w.operator.Process(0, events(line)))
		}
		for c := record.NewCursor(w.all()); c.Next(); {
			at := fmt.Sprint(c.Timestamp)
			if c.Timestamp == record.NoTimestamp {
				at = "-"
			}
			fmt.Fprintf(&out, "  %s: %s @%s\n", c.Key, c.Value, at)
		}
		for _, r := range w.rejected {
			fmt.Fprintf(&out, "  rejected %d: %s\n", r.Index, r.Reason)
		}
		w.batches, w.lines, w.rejected = nil, nil, nil
	}
	if got, want := out.String(), strings.TrimLeft(script, "\n"); got != want {
		t.Errorf("this came:\n%s\nwant:\n%s", got, want)
	}
}

const msec = time.Millisecond

func (s suite) aggregateWindows(t *testing.T) {
	for _, c := range []struct {
		name   string
		of     graph.Window
		script string
	}{
		{"tumbling", graph.Window{Kind: graph.Tumbling, Size: 10 * msec, Late: -1}, `
a@1=5 b@2=7 a@9=-1 a@10=100
W 8
W 9
  b: 0 10 0 1 7 7 7 @9
  a: 0 10 0 2 4 -1 5 @9
a@3=1 a@12=reject a@13=1
  rejected 1: no number
restore
W inf
  a: 10 20 0 2 101 1 100 @19
`},
		{"late records, within the lateness", graph.Window{Kind: graph.Tumbling, Size: 10 * msec, Lateness: 5 * msec, Late: -1}, `
a@1=5
W 9
  a: 0 10 0 1 5 5 5 @9
a@2=6
  a: 0 10 2 2 11 5 6 @9
W 14
a@3=7
W inf
`},
		{"sliding, of shared panes", graph.Window{Kind: graph.Sliding, Size: 10 * msec, Every: 5 * msec, Late: -1}, `
a@1=1 a@7=2 a@12=4
W inf
  a: -5 5 0 1 1 1 1 @4
  a: 0 10 0 2 3 1 2 @9
  a: 5 15 0 2 6 2 4 @14
  a: 10 20 0 1 4 4 4 @19
`},
		{"sessions, which merge", graph.Window{Kind: graph.Session, Gap: 10 * msec, Late: -1}, `
a@1=1 a@25=4 b@3=9
a@15=2 b@13=8
restore
a@11=16
W 22
W 23
  b: 3 23 0 2 17 8 9 @23
W inf
  a: 1 35 0 4 23 1 16 @35
`},
		{"global, every two records", graph.Window{Kind: graph.Global, Late: -1, Trigger: graph.Trigger{Count: 2, Purge: true}}, `
a@1=1 a@2=2 a@3=4
  a: -9223372036854775808 9223372036854775807 1 2 3 1 2 @-
b@1=1 a@4=8
  a: -9223372036854775808 9223372036854775807 1 2 12 4 8 @-
W inf
  b: -9223372036854775808 9223372036854775807 0 1 1 1 1 @-
`},
	} {
		t.Run(c.name, func(t *testing.T) { s.play(t, c.of, c.script) })
	}
}

func (s suite) applyWindows(t *testing.T) {
	for _, c := range []struct {
		name   string
		of     graph.Window
		script string
	}{
		{"a join in tumbling windows", graph.Window{Kind: graph.Tumbling, Size: 10 * msec, Late: -1}, `
a@1=x b@2=y a@12=z
right a@3=p a@4=q c@5=r
W 9
  b: 0 y @9
  b: 0 10 0: 1 0 1 @9
  a: 0 x @9
  a: 1 p @9
  a: 1 q @9
  a: 0 10 0: 1 2 1 @9
  c: 1 r @9
  c: 0 10 0: 0 1 1 @9
restore
right a@13=s
W inf
  a: 0 z @19
  a: 1 s @19
  a: 10 20 0: 1 1 2 @19
`},
		{"sliding", graph.Window{Kind: graph.Sliding, Size: 10 * msec, Every: 5 * msec, Late: -1}, `
a@1=x a@7=y
right a@8=p
W inf
  a: 0 x @4
  a: -5 5 0: 1 0 1 @4
  a: 0 x @9
  a: 0 y @9
  a: 1 p @9
  a: 0 10 0: 2 1 2 @9
  a: 0 y @14
  a: 1 p @14
  a: 5 15 0: 1 1 3 @14
`},
		{"sessions", graph.Window{Kind: graph.Session, Gap: 10 * msec, Late: -1}, `
a@1=x a@30=y
right a@11=p
W inf
  a: 0 x @21
  a: 1 p @21
  a: 1 21 0: 1 1 1 @21
  a: 0 y @40
  a: 30 40 0: 1 0 2 @40
`},
	} {
		t.Run(c.name, func(t *testing.T) { s.play(t, c.of, c.script) })
	}
	t.Run("a window larger than a call", func(t *testing.T) {
		w := s.startWindows(t, windowed{}, &graph.Window{Kind: graph.Tumbling, Size: time.Second, Late: -1})
		line := strings.Repeat("a@1="+strings.Repeat("x", 1000)+" ", 100)
		for range 10 {
			w.must(w.operator.Process(0, events(line)))
			w.must(w.operator.Process(1, events(line+"b@1=y")))
		}
		w.must(w.operator.Watermark(math.MaxInt64))
		got := strings.Join(w.said(), "\n")
		want := "a: 0 1000 0: 1000 1000 1"
		if !strings.Contains(got, want) || strings.Count(got, "b: 1 y") != 10 || !strings.Contains(got, "b: 0 1000 0: 0 10 1") {
			t.Errorf("gave out %s", got)
		}
	})
}
