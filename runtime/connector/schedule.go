package connector

import (
	"math"
	"math/bits"
	"time"
)

// schedule says when record n is due: n / rate seconds after the job's start. It
// holds no state of the records, so that nothing of it moves when they are late
// (coordinated omission).
type schedule struct {
	rate   uint64        // records per second; 0: due at once
	base   int64         // the timestamp of record 0, ms since 1970
	opened time.Time     // with its monotonic clock
	since  time.Duration // from the job's start until opened
	ready  chan struct{}
	timer  *time.Timer

	// The last timestamp worked out, and the records it holds for: from first up to
	// but not including next.
	first, next, ms int64
}

// minWait bounds how often a schedule wakes its source: records that are due within
// it come together.
const minWait = time.Millisecond

func newSchedule(started time.Time, rate, base int64) schedule {
	s := schedule{rate: uint64(rate), base: base, opened: time.Now()}
	if !started.IsZero() {
		s.since = s.opened.Sub(started)
	}
	if rate > 0 {
		s.ready = make(chan struct{}, 1)
	}
	return s
}

func (s *schedule) elapsed() time.Duration { return s.since + time.Since(s.opened) }

// due is the number of records that are due by now: the first that is not.
func (s *schedule) due() int64 {
	elapsed := s.elapsed()
	if elapsed < 0 {
		return 0
	}
	return min(mulDiv(uint64(elapsed), s.rate, uint64(time.Second)), math.MaxInt64-1) + 1
}

// wake signals ready when record n is due.
func (s *schedule) wake(n int64) {
	at := time.Duration(mulDiv(uint64(n), uint64(time.Second), s.rate))
	wait := max(at-s.elapsed()+1, minWait)
	if s.timer == nil {
		ready := s.ready
		s.timer = time.AfterFunc(wait, func() {
			select {
			case ready <- struct{}{}:
			default:
			}
		})
		return
	}
	s.timer.Reset(wait)
}

func (s *schedule) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// timestamp is at for records of which most follow on those asked for before.
func (s *schedule) timestamp(n int64) int64 {
	if n < s.first || n >= s.next {
		s.seek(n)
	}
	return s.ms
}

// at is when record n is due, in ms, counted from the base.
func (s *schedule) at(n int64) int64 {
	return s.base + min(mulDiv(uint64(n), 1000, s.perSecond()), math.MaxInt64-1-s.base)
}

// perSecond is the pace of the timestamps.
func (s *schedule) perSecond() uint64 {
	if s.rate == 0 {
		return maxRatePerMs * 1000
	}
	return s.rate
}

// seek works out the millisecond of record n and the records that share it.
func (s *schedule) seek(n int64) {
	perSecond := s.perSecond()
	ms := mulDiv(uint64(n), 1000, perSecond)
	s.ms = s.at(n)
	s.first = n
	// Rounded down, it may be the last record of this millisecond.
	s.next = mulDiv(uint64(ms)+1, perSecond, 1000)
	if mulDiv(uint64(s.next), 1000, perSecond) == ms {
		s.next++
	}
}

// mulDiv is a*b/c, rounded down, at most int64 max.
func mulDiv(a, b, c uint64) int64 {
	high, low := bits.Mul64(a, b)
	if high >= c {
		return math.MaxInt64
	}
	q, _ := bits.Div64(high, low, c)
	return int64(min(q, math.MaxInt64))
}
