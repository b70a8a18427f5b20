package worker

import (
	"time"

	"github.com/wasmill/wasmill/runtime/state"
)

// Checkpoints sort, pack and sum what they keep, for seconds of processor time, while the
// job has rows to deliver. So one works for a moment, then rests, unless it is behind its
// time. It rests in the middle of what it does and not at a low priority: the collector
// waits for every thread that runs, and tasks then wait for the collector.

const (
	// writeFor is how long a checkpoint works at least before it rests.
	writeFor = 200 * time.Microsecond
	// restFactor is how many times as long as it worked it rests, but no longer than
	// longestRest: it may have been held up by its store.
	restFactor  = 8
	longestRest = 20 * time.Millisecond
	// shareOfInterval of the time between checkpoints is what one may take by resting, but no
	// more than longestWrite, and headStart of that how much later than evenly it may begin.
	shareOfInterval = 0.8
	longestWrite    = 10 * time.Second
	headStart       = 0.1
)

// pace is how far a checkpoint has come in the time that it may take.
type pace struct {
	began   time.Time // when it was taken: its writing may have waited for others
	resumed time.Time // when it last rested
	most    time.Duration
}

// restFor is how long a checkpoint rests now that so much of it is done.
func (p *pace) restFor(now time.Time, done float64) time.Duration {
	worked := now.Sub(p.resumed)
	if worked < writeFor || now.Sub(p.began) >= due(done, p.most) {
		return 0
	}
	return min(restFactor*worked, longestRest)
}

// due is when so much of a checkpoint must be done that takes so long at most.
func due(done float64, most time.Duration) time.Duration {
	return time.Duration((headStart + done) / (headStart + 1) * float64(most))
}

// paced has checkpoints that are taken at an interval rest, until idle is closed: no task
// needs the processors any more.
func paced(interval time.Duration, idle <-chan struct{}) func() state.Pacer {
	most := min(time.Duration(shareOfInterval*float64(interval)), longestWrite)
	return func() state.Pacer {
		now := time.Now()
		p := pace{began: now, resumed: now, most: most}
		return func(done float64) {
			rest := p.restFor(time.Now(), done)
			if rest == 0 {
				return
			}
			select {
			case <-time.After(rest):
			case <-idle:
				p.most = 0 // it rests no more
			}
			p.resumed = time.Now()
		}
	}
}
