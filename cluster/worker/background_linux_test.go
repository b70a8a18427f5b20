package worker

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBackgroundStepsBack(t *testing.T) {
	failed := errors.New("it failed")
	behind := false
	if err := inBackground(time.Hour, func() error { behind = stoodBack(t); return failed }); !errors.Is(err, failed) {
		t.Errorf("it returned %v", err)
	}
	if !behind {
		t.Error("work in the background runs like a task")
	}

	// Threads that begin now must not have it from one in the background.
	const tasks = 32
	var started, ended sync.WaitGroup
	started.Add(tasks)
	for range tasks {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			started.Wait()
			if stoodBack(t) {
				t.Error("a thread for tasks is in the background")
			}
		})
	}
	ended.Wait()
}

func TestBackgroundIsSmall(t *testing.T) {
	var now, most atomic.Int32
	var ended sync.WaitGroup
	for range 100 {
		ended.Go(func() {
			_ = inBackground(time.Hour, func() error {
				for n := now.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				runtime.Gosched()
				now.Add(-1)
				return nil
			})
		})
	}
	ended.Wait()
	if n := int(most.Load()); n > cap(threads()) || len(threads()) != cap(threads()) {
		t.Errorf("%d ran at once, and %d of %d threads are left", n, len(threads()), cap(threads()))
	}
}

// A thread that is held does not hold up others for longer than they have.
func TestBackgroundIsHeld(t *testing.T) {
	all := threads()
	var held []thread
	for range cap(all) {
		held = append(held, <-all)
	}
	defer func() {
		for _, t := range held {
			all <- t
		}
	}()
	if err := inBackground(time.Millisecond, func() error {
		if stoodBack(t) {
			t.Error("it is in the background")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestDue(t *testing.T) {
	for _, c := range []struct {
		done       float64
		most, want time.Duration
	}{
		{0, 0, 0},
		{0.5, 0, 0},
		{0, 10 * time.Second, time.Second},
		{0.5, 10 * time.Second, 6 * time.Second},
		{0.99, 10 * time.Second, 10 * time.Second},
	} {
		if got := due(c.done, c.most); got != c.want {
			t.Errorf("%g of what takes %v is due after %v, want %v", c.done, c.most, got, c.want)
		}
	}
}

func TestBackgroundEndsInTime(t *testing.T) {
	busy := gauge{at: time.Now().Add(time.Hour)}
	idle := gauge{at: busy.at, said: true}
	for name, c := range map[string]struct {
		machine    *gauge
		interval   time.Duration
		done       float64
		background bool
	}{
		"at once":                {&idle, time.Hour, 0, true},
		"no processor is idle":   {&busy, time.Hour, 0, false},
		"there is no interval":   {&idle, 0, 0, false},
		"it is behind its time":  {&idle, time.Hour, -headStart, false},
		"there is a lot of time": {&idle, time.Hour, 0.5, true},
	} {
		t.Run(name, func(t *testing.T) {
			run := inTime(c.machine, c.interval)()
			if err := run(c.done, func() error {
				if got := stoodBack(t); got != c.background {
					t.Errorf("in the background: %v", got)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func stoodBack(t *testing.T) bool {
	t.Helper()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Error(err)
		return false
	}
	return attr.Policy == unix.SCHED_IDLE
}

func TestIdleProcessors(t *testing.T) {
	at := clocks{idle: time.Hour, all: 2 * time.Hour}
	g := gauge{last: at}
	for _, step := range []struct {
		name      string
		all, idle time.Duration
		want      bool
	}{
		{"half of the time", 20 * time.Second, 10 * time.Second, true},
		{"hardly any", 20 * time.Second, time.Second / 2, false},
		{"a little", 20 * time.Second, time.Second, true},
		{"all of it", 20 * time.Second, 20 * time.Second, true},
		{"there are no clocks", 0, 0, false},
	} {
		at.all, at.idle = at.all+step.all, at.idle+step.idle
		if g.judge(at); g.said != step.want {
			t.Errorf("%s: %v", step.name, g.said)
		}
	}
	if now := clocksNow(); now.all <= 0 || now.idle <= 0 || now.idle > now.all {
		t.Errorf("the machine's clocks are %+v", now)
	}
}
