package window

import (
	"math"
	"math/bits"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

// assigner is the arithmetic of windows that do not depend on records. Windows have
// numbers: k starts at k·every + offset and lasts size. They are cut into panes, which
// have numbers too; a record belongs to one pane, and every window is a run of whole
// panes. With size = whole·every + rest a period has one pane if rest is 0 and two
// otherwise, one from each start on and one from each end ("paired windows",
// Krishnamurthy et al. 2006): never more than the gcd of size and every would give.
//
// Bounds saturate at the ends of int64, so that extreme timestamps have windows like
// all others; numbers do not overflow (only with every = 1 ms the windows that begin
// before int64 does have none, and do not exist).
type assigner struct {
	size, every, offset int64 // ms; 0 ≤ offset < every
	whole, rest         int64
	global              bool
}

func newAssigner(w *graph.Window) assigner {
	if w.Kind == graph.Global {
		return assigner{global: true}
	}
	a := assigner{size: ms(w.Size), every: ms(w.Every)}
	if w.Kind == graph.Tumbling {
		a.every = a.size
	}
	a.offset = floorMod(ms(w.Offset), a.every)
	a.whole, a.rest = a.size/a.every, a.size%a.every
	return a
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

// period is the last k whose window starts at t or before.
func (a *assigner) period(t int64) int64 {
	k := floorDiv(t, a.every)
	if t-k*a.every < a.offset {
		k--
	}
	return k
}

// pane is the number of the pane of a timestamp.
func (a *assigner) pane(t int64) int64 {
	if a.global {
		return 0
	}
	k := a.period(t)
	if a.rest == 0 {
		return k
	}
	if t-(k*a.every+a.offset) < a.rest { // true even if the start itself overflows
		return 2 * k
	}
	return 2*k + 1
}

// paneBounds is where a pane starts and ends.
func (a *assigner) paneBounds(p int64) (start, end int64) {
	switch {
	case a.global:
		return Beginning, Infinity
	case a.rest == 0:
		return line(p, a.every, a.offset), line(p, a.every, a.offset+a.every)
	case p&1 == 0:
		return line(p>>1, a.every, a.offset), line(p>>1, a.every, a.offset+a.rest)
	}
	return line(p>>1, a.every, a.offset+a.rest), line(p>>1, a.every, a.offset+a.every)
}

// bounds is where a window starts and ends.
func (a *assigner) bounds(k int64) (start, end int64) {
	if a.global {
		return Beginning, Infinity
	}
	return line(k, a.every, a.offset), line(k, a.every, a.offset+a.size)
}

// windows is the range of windows, both ends included, that a pane is part of. It is
// empty (first > last) between windows that do not touch.
func (a *assigner) windows(p int64) (first, last int64) {
	switch {
	case a.global:
		return 0, 0
	case a.rest == 0:
		return add(sub(p, a.whole), 1), p
	}
	return sub(p>>1+p&1, a.whole), p >> 1
}

// panes is the range of panes, both ends included, that make a window.
func (a *assigner) panes(k int64) (first, last int64) {
	switch {
	case a.global:
		return 0, 0
	case a.rest == 0:
		return k, sub(add(k, a.whole), 1)
	}
	last = add(k, a.whole)
	return add(k, k), add(last, last)
}

// due is the last window that is complete at a watermark: it ends at W+1 or before.
func (a *assigner) due(watermark int64) int64 {
	switch {
	case watermark == Infinity:
		return math.MaxInt64
	case a.global || watermark == Beginning:
		return math.MinInt64
	}
	if end := watermark + 1; end >= 0 {
		return sub(a.period(end-a.rest), a.whole)
	} else { // a period later, so that nothing overflows
		return sub(a.period(end+a.every-a.rest), add(a.whole, 1))
	}
}

// behind is a watermark less a lateness; the ends of time stay where they are.
func behind(watermark, lateness int64) int64 {
	if watermark == Infinity {
		return Infinity
	}
	return sub(watermark, lateness)
}

// line is k·m + c, saturating; m and c are not negative.
func line(k, m, c int64) int64 {
	magnitude := uint64(k)
	if k < 0 {
		magnitude = -magnitude
	}
	hi, lo := bits.Mul64(magnitude, uint64(m))
	var carry uint64
	if k < 0 {
		lo, carry = bits.Add64(^lo, 1, 0)
		hi = ^hi + carry
	}
	lo, carry = bits.Add64(lo, uint64(c), 0)
	hi += carry
	switch {
	case int64(hi) < -1, int64(hi) == -1 && int64(lo) >= 0:
		return math.MinInt64
	case int64(hi) > 0, hi == 0 && int64(lo) < 0:
		return math.MaxInt64
	}
	return int64(lo)
}

// add and sub saturate.
func add(a, b int64) int64 {
	c := a + b
	if (c > a) == (b > 0) {
		return c
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}

func sub(a, b int64) int64 {
	c := a - b
	switch {
	case b >= 0 && c > a:
		return math.MinInt64
	case b < 0 && c < a:
		return math.MaxInt64
	}
	return c
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	if r := a % b; r < 0 {
		return r + b
	} else {
		return r
	}
}
