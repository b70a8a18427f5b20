package task

import (
	"math"
	"time"
)

// Clock is processing time: what timers, early results, idleness and expiry go by. How
// long things take is measured apart from it.
type Clock interface {
	Now() time.Time
	// After sends once it is that late, at once if it is already.
	After(at time.Time) <-chan time.Time
}

// SystemClock is the machine's.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }

// After implements Clock.
func (SystemClock) After(at time.Time) <-chan time.Time { return time.After(time.Until(at)) }

// never is a time that does not come.
const never int64 = math.MaxInt64
