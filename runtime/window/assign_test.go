package window

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

func windowOf(size, every, offset int64) *graph.Window {
	w := &graph.Window{Kind: graph.Sliding, Size: time.Duration(size) * time.Millisecond, Every: time.Duration(every) * time.Millisecond, Offset: time.Duration(offset) * time.Millisecond}
	if size == every {
		w.Kind = graph.Tumbling
	}
	return w
}

func TestAssigner(t *testing.T) {
	for _, c := range []struct {
		name                string
		size, every, offset int64
		t                   int64
		pane                [2]int64
		windows             string // [start,end) of each
	}{
		{"tumbling", 10, 10, 0, 25, [2]int64{20, 30}, "[20,30)"},
		{"its start belongs to it", 10, 10, 0, 20, [2]int64{20, 30}, "[20,30)"},
		{"its end does not", 10, 10, 0, 30, [2]int64{30, 40}, "[30,40)"},
		{"before 1970", 10, 10, 0, -1, [2]int64{-10, 0}, "[-10,0)"},
		{"offset", 10, 10, 3, 2, [2]int64{-7, 3}, "[-7,3)"},
		{"an offset of a period is none", 10, 10, 10, 2, [2]int64{0, 10}, "[0,10)"},
		{"a negative offset", 10, 10, -3, 8, [2]int64{7, 17}, "[7,17)"},
		{"sliding", 10, 5, 0, 12, [2]int64{10, 15}, "[5,15)[10,20)"},
		{"sliding, no multiple: up to the end of a window", 13, 5, 0, 22, [2]int64{20, 23}, "[10,23)[15,28)[20,33)"},
		{"and from there on", 13, 5, 0, 23, [2]int64{23, 25}, "[15,28)[20,33)"},
		{"between windows", 3, 10, 0, 5, [2]int64{3, 10}, ""},
		{"the first times there are", 10, 10, 0, math.MinInt64 + 1, [2]int64{math.MinInt64, math.MinInt64 + 8}, "[-9223372036854775808,-9223372036854775800)"},
		{"the last", 10, 10, 0, math.MaxInt64 - 1, [2]int64{math.MaxInt64 - 7, math.MaxInt64}, "[9223372036854775800,9223372036854775807)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAssigner(windowOf(c.size, c.every, c.offset))
			p := a.pane(c.t)
			if start, end := a.paneBounds(p); [2]int64{start, end} != c.pane {
				t.Errorf("pane [%d,%d), want %v", start, end, c.pane)
			}
			windows := ""
			for first, last := a.windows(p); first <= last; first++ {
				start, end := a.bounds(first)
				windows += fmt.Sprintf("[%d,%d)", start, end)
			}
			if windows != c.windows {
				t.Errorf("windows %s, want %s", windows, c.windows)
			}
		})
	}
}

// Panes and windows of random kinds hold at random and extreme times, in exact
// arithmetic: a pane holds its times, a window is made of its panes, and it is due when
// the watermark is at its end − 1.
func TestAssignerIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	times := func() int64 {
		switch r.IntN(4) {
		case 0:
			return math.MinInt64 + 1 + r.Int64N(100)
		case 1:
			return math.MaxInt64 - 1 - r.Int64N(100)
		case 2:
			return r.Int64N(200) - 100
		}
		return int64(r.Uint64())
	}
	for range 20000 {
		size, every := 1+r.Int64N(30), 2+r.Int64N(20)
		if r.IntN(3) == 0 {
			size, every = 1+r.Int64N(1e9), 2+r.Int64N(1e9)
		}
		a := newAssigner(windowOf(size, every, r.Int64N(40)-20))
		at := times()
		p := a.pane(at)
		name := fmt.Sprintf("time %d in %d by %d + %d", at, size, every, a.offset)
		if start, end := a.paneBounds(p); at < start || at >= end {
			t.Fatalf("%s: pane [%d,%d)", name, start, end)
		}
		exact := func(k, plus int64) *big.Int {
			b := new(big.Int).Mul(big.NewInt(k), big.NewInt(every))
			return b.Add(b, big.NewInt(a.offset+plus))
		}
		// Exactly the windows from first to last hold the time.
		first, last := a.windows(p)
		holds := func(k int64) bool {
			return exact(k, 0).Cmp(big.NewInt(at)) <= 0 && exact(k, size).Cmp(big.NewInt(at)) > 0
		}
		for _, k := range []int64{first, last} {
			if first <= last && !holds(k) {
				t.Fatalf("%s: window %d does not hold it", name, k)
			}
			if from, to := a.panes(k); first <= last && (p < from || p > to) {
				t.Fatalf("%s: window %d has panes %d to %d, not %d", name, k, from, to, p)
			}
		}
		if first > math.MinInt64+1 && holds(first-1) || holds(last+1) {
			t.Fatalf("%s: windows %d to %d are not all", name, first, last)
		}
		// A window is due at its end − 1 and not before.
		due := func(k int64) bool {
			return new(big.Int).Sub(exact(k, size), big.NewInt(1)).Cmp(big.NewInt(at)) <= 0
		}
		if k := a.due(at); !due(k) || due(k+1) {
			t.Fatalf("%s: as watermark, windows up to %d are due: %v %v", name, k, due(k), due(k+1))
		}
	}
}

// The number of panes that a window is made of is twice the number of periods that it
// spans at most, whatever the gcd of size and period is.
func TestPanesAreFew(t *testing.T) {
	for _, c := range []struct{ size, every, want int64 }{
		{10000, 1000, 10}, {10000, 9999, 3}, {10000, 10000, 1}, {10000, 3000, 7},
	} {
		a := newAssigner(windowOf(c.size, c.every, 0))
		if first, last := a.panes(5); last-first+1 != c.want {
			t.Errorf("%d by %d: %d panes, want %d", c.size, c.every, last-first+1, c.want)
		}
	}
}

func TestArithmeticSaturates(t *testing.T) {
	const least, most = math.MinInt64, math.MaxInt64
	for _, c := range []struct{ got, want int64 }{
		{add(most, 1), most}, {add(least, -1), least}, {add(most, 0), most}, {add(most, least), -1}, {add(3, -5), -2},
		{sub(least, 1), least}, {sub(most, -1), most}, {sub(0, least), most}, {sub(least, 0), least}, {sub(3, 5), -2},
		{line(most, 2, 0), most}, {line(least, 2, 5), least}, {line(least/2, 2, 0), least}, {line(-3, 10, 4), -26}, {line(least/2-1, 2, 3), least + 1},
		{floorDiv(-1, 10), -1}, {floorMod(-1, 10), 9}, {behind(most, 5), most}, {behind(least, 5), least},
	} {
		if c.got != c.want {
			t.Errorf("got %d, want %d", c.got, c.want)
		}
	}
}
