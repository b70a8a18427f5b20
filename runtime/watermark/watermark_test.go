package watermark_test

import (
	"errors"
	"math"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/watermark"
)

func TestWatermarks(t *testing.T) {
	type step struct {
		do   func(w *watermark.Generator)
		want int64
		idle bool
	}
	see := func(split string, timestamps ...int64) func(*watermark.Generator) {
		return func(w *watermark.Generator) {
			for _, ts := range timestamps {
				w.Split(split).Observe(ts)
			}
		}
	}
	pass := func(ms int64) func(*watermark.Generator) { return func(w *watermark.Generator) { w.Pass(ms) } }
	end := func(split string) func(*watermark.Generator) {
		return func(w *watermark.Generator) { w.Split(split).End() }
	}
	for name, c := range map[string]struct {
		bound, idleAfter int64
		steps            []step
	}{
		"nothing is known at first":                  {10, 0, []step{{pass(1), watermark.Beginning, false}}},
		"the highest timestamp less the bound and 1": {10, 0, []step{{see("", 100), 89, false}, {see("", 95), 89, false}, {see("", 103, 99), 92, false}}},
		"records without a timestamp say nothing":    {0, 0, []step{{see("", record.NoTimestamp), watermark.Beginning, false}, {see("", 5, record.NoTimestamp), 4, false}}},
		"int64 max is no event time":                 {0, 0, []step{{see("", 5, math.MaxInt64), 4, false}}},
		"extremes do not overflow": {math.MaxInt64, 0, []step{{see("", math.MinInt64+1), watermark.Beginning, false}, {see("", -5), watermark.Beginning, false},
			{see("", math.MaxInt64-1), -2, false}}},
		"the least of the splits": {0, 0, []step{{see("a", 10), 9, false}, {see("b", 5), 9, false}, {see("b", 20), 9, false}, {see("a", 30), 19, false}}},
		"a split without records holds it up": {0, 0, []step{{see("b"), watermark.Beginning, false}, {func(w *watermark.Generator) { w.Split("a") }, watermark.Beginning, false},
			{see("b", 10), watermark.Beginning, false}, {see("a", 3), 2, false}}},
		"a quiet split is idle after a while": {0, 100, []step{{see("a", 10), 9, false}, {see("b", 50), 9, false}, {pass(60), 9, false}, {see("b", 70), 9, false},
			{pass(40), 69, false}, {see("a", 12), 69, false}, {pass(100), 69, true}, {see("a", 80), 79, false}}},
		"only time in which there could have been records counts": {0, 100, []step{{see("a", 10), 9, false}, {pass(0), 9, false}, {pass(99), 9, false}, {pass(-50), 9, false}, {pass(1), 9, true}}},
		"a split that has ended holds nothing up":                 {0, 0, []step{{see("a", 10), 9, false}, {see("b", 50), 9, false}, {end("a"), 49, false}, {end("b"), watermark.Infinity, false}}},
		"ended and idle": {0, 10, []step{{see("a", 10), 9, false}, {see("b", 50), 9, false}, {end("a"), 49, false}, {pass(10), 49, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := watermark.NewGenerator(c.bound, c.idleAfter)
			for i, s := range c.steps {
				s.do(w)
				// What is restored goes on like what was snapshotted.
				other := watermark.NewGenerator(c.bound, c.idleAfter)
				must(t, other.Restore(w.Encode(nil), func(string) bool { return true }))
				for _, m := range []*watermark.Generator{w, other} {
					if got, idle := m.Current(); got != s.want || idle != s.idle {
						t.Fatalf("step %d: watermark %d, idle %v; want %d, %v", i, got, idle, s.want, s.idle)
					}
				}
			}
		})
	}
}

func TestWatermarksOfBatches(t *testing.T) {
	w := watermark.NewGenerator(2, 0)
	var b record.Builder
	for _, at := range []int64{4, 9, 7} {
		b.Append(0, at, nil, nil)
	}
	w.Split("").ObserveBatch(b.Bytes())
	if got, _ := w.Current(); got != 6 {
		t.Errorf("watermark %d, want 6", got)
	}
}

// Splits move to other subtasks with what is known of them; the watermark is the least.
func TestWatermarksAreRescaled(t *testing.T) {
	a, b := watermark.NewGenerator(0, 0), watermark.NewGenerator(0, 0)
	a.Split("1").Observe(100)
	a.Split("2").Observe(50)
	b.Split("3").Observe(30)
	a.Current()
	b.Current()
	c := watermark.NewGenerator(0, 0)
	for _, from := range []*watermark.Generator{a, b} {
		must(t, c.Restore(from.Encode(nil), func(split string) bool { return split != "2" }))
	}
	if got, _ := c.Current(); got != 29 {
		t.Errorf("watermark %d, want 29, that of split 3", got)
	}
	c.Split("3").End()
	if got, _ := c.Current(); got != 99 {
		t.Errorf("watermark %d, want 99, that of split 1", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzWatermarks(f *testing.F) {
	w := watermark.NewGenerator(5, 10)
	f.Add(w.Encode(nil))
	w.Split("a").Observe(7)
	w.Split("b").End()
	w.Current()
	f.Add(w.Encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := watermark.NewGenerator(5, 10)
		switch err := w.Restore(b, func(string) bool { return true }); {
		case err == nil:
			if got := w.Encode(nil); string(got) != string(b) {
				t.Errorf("%x became %x", b, got)
			}
		case !errors.Is(err, fault.ErrCorrupt):
			t.Errorf("not a corruption: %v", err)
		}
	})
}
