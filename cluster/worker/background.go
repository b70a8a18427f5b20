package worker

import (
	"sync"
	"time"
)

// Checkpoints sort, pack and hash what they keep, for seconds, while the job has rows to
// deliver. Where processors are idle now and then, threads in the background do it, to which
// the kernel prefers those of tasks. Where none is idle they would hardly get on, and it is
// done where it is asked for, which takes its share like a task. It comes in pieces, so that
// no more than one has to wait when the load rises.

// background runs a piece of work, in the background if that is of use, and returns when
// it has ended.
func background(piece func() error) error {
	if !processors.idle() {
		return piece()
	}
	return inBackground(piece)
}

func inBackground(piece func() error) error {
	t := threads.take()
	defer threads.give(t)
	done := make(chan error, 1)
	t <- func() { done <- piece() }
	return <-done
}

// thread is one in the background, which runs what it is given.
type thread chan func()

var threads pool

// pool is of threads that have nothing to do. They are never ended: a process that was
// started by one would end with it (see dieWithParent).
type pool struct {
	mu   sync.Mutex
	idle []thread
}

func (p *pool) take() thread {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		t := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return t
	}
	roomBehindTasks()
	t := make(thread)
	go func() {
		stepBack()
		for work := range t {
			work()
		}
	}()
	return t
}

func (p *pool) give(t thread) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, t)
}

// gauge tells whether processors of this machine are idle now and then, by what was seen
// in a second or more.
type gauge struct {
	mu   sync.Mutex
	at   time.Time
	last clocks
	said bool
}

// clocks count the time of all processors since the machine was started. What runs in the
// background does not keep them from being idle.
type clocks struct{ idle, all time.Duration }

var processors = gauge{at: time.Now(), last: clocksNow()}

const (
	gaugeEvery = time.Second
	leastIdle  = 0.2 // of the time of all
)

func (g *gauge) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.at) >= gaugeEvery {
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
