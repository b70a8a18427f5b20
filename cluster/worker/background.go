package worker

import (
	"runtime"
	"sync"
	"time"

	"github.com/wasmill/wasmill/runtime/state"
)

// Checkpoints sort, pack and hash what they keep, for seconds, while the job has rows to
// deliver. Where processors are idle now and then, it is done in pieces by a thread in the
// background, which runs when no task's can. Where none is idle it would hardly get on, and
// hold up the collector, which waits for every thread: there, and when a checkpoint is behind
// its time, a piece is done where it is asked for, which takes its share like a task.

const (
	// leastIdle of the processors' time lets checkpoints be written in the background.
	leastIdle = 0.03
	// shareOfInterval of the time between checkpoints is what one may then take. It is in
	// time until it is headStart of that behind.
	shareOfInterval = 2
	headStart       = 0.1
)

// inTime returns what runs the pieces of a checkpoint.
func inTime(machine *gauge, interval time.Duration) func() state.Runner {
	machine.idle(time.Now()) // what was before the job says nothing of its first checkpoint
	return func() state.Runner {
		began, most := time.Now(), interval/shareOfInterval
		if !machine.idle(began) {
			most = 0
		}
		return func(done float64, piece func() error) error {
			left := due(done, most) - time.Since(began)
			if left <= 0 {
				return piece()
			}
			return inBackground(left, piece)
		}
	}
}

// due is when so much of a checkpoint must be done that takes so long at most.
func due(done float64, most time.Duration) time.Duration {
	return time.Duration(min(headStart+done, 1) * float64(most))
}

// inBackground waits so long for a thread: one may be held by a store that is slow.
func inBackground(most time.Duration, piece func() error) error {
	all := threads()
	select {
	case t := <-all:
		defer func() { all <- t }()
		done := make(chan error, 1)
		t <- func() { done <- piece() }
		return <-done
	case <-time.After(most):
		return piece()
	}
}

// thread is one in the background, which runs what it is given.
type thread chan func()

// threads are those that have nothing to do: one for two processors, the rest of which is
// left to tasks. They are never ended: a process that was started by one would end with it
// (see dieWithParent).
var threads = sync.OnceValue(func() chan thread {
	all := make(chan thread, max(1, runtime.GOMAXPROCS(0)/2))
	for range cap(all) {
		t := make(thread)
		go func() {
			stepBack()
			for work := range t {
				work()
			}
		}()
		all <- t
	}
	roomBehindTasks()
	return all
})

// gauge tells whether processors of this machine are idle now and then, from one checkpoint
// to the next.
type gauge struct {
	mu   sync.Mutex
	at   time.Time
	last clocks
	said bool
}

// clocks count the time of all processors since the machine was started.
type clocks struct{ idle, all time.Duration }

var processors = gauge{at: time.Now(), last: clocksNow()}

// gaugeEvery is how long it looks at least: subtasks ask at about the same time.
const gaugeEvery = 500 * time.Millisecond

func (g *gauge) idle(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.at) >= gaugeEvery {
		g.judge(clocksNow())
		g.at = now
	}
	return g.said
}

func (g *gauge) judge(now clocks) {
	idle, all := now.idle-g.last.idle, now.all-g.last.all
	g.said = all > 0 && float64(idle) >= leastIdle*float64(all)
	g.last = now
}
