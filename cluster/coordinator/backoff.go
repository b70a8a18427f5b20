package coordinator

import (
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

// Backoff decides whether and when an attempt follows one that failed. It is a step
// machine; the strategies are Flink's.
type Backoff struct {
	strategy graph.Restart
	delay    time.Duration // exponential: the next one
	last     time.Time     // of the failure before
	attempts int
	recent   []time.Time // rate: failures within the period
}

// NewBackoff is a machine before the first failure.
func NewBackoff(strategy graph.Restart) Backoff { return Backoff{strategy: strategy} }

// Next takes a failure. Not again means that the job has failed for good.
func (b *Backoff) Next(now time.Time) (after time.Duration, again bool) {
	s := b.strategy
	switch s.Kind {
	case graph.RestartFixed:
		b.attempts++
		return s.Delay, s.Attempts < 0 || b.attempts <= s.Attempts
	case graph.RestartRate:
		kept := b.recent[:0]
		for _, t := range b.recent {
			if now.Sub(t) < s.Per {
				kept = append(kept, t)
			}
		}
		b.recent = append(kept, now)
		return s.Delay, len(b.recent) <= s.Failures
	case graph.RestartExponential:
		if !b.last.IsZero() && now.Sub(b.last) >= s.ResetAfter {
			b.delay, b.attempts = 0, 0
		}
		b.last = now
		b.attempts++
		if b.delay == 0 {
			b.delay = s.Initial
		}
		after = b.delay
		b.delay = min(2*b.delay, s.Max)
		return after, s.Attempts < 0 || b.attempts <= s.Attempts
	}
	return 0, false
}
