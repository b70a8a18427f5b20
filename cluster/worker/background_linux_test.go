package worker

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBackgroundStepsBack(t *testing.T) {
	failed := errors.New("it failed")
	var nice int
	if err := inBackground(func() error { nice = niceHere(t); return failed }); !errors.Is(err, failed) {
		t.Errorf("it returned %v", err)
	}
	if nice != behindTasks {
		t.Errorf("work in the background is at %d, not %d", nice, behindTasks)
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
			if n := niceHere(t); n == behindTasks {
				t.Error("a thread for tasks is in the background")
			}
		})
	}
	ended.Wait()
}

func TestBackgroundUsesThreadsAgain(t *testing.T) {
	const jobs = 8
	for range 100 {
		var all, ended sync.WaitGroup
		all.Add(jobs)
		for range jobs {
			ended.Go(func() {
				_ = inBackground(func() error { all.Done(); all.Wait(); return nil })
			})
		}
		ended.Wait()
	}
	if n := len(threads.idle); n > jobs {
		t.Errorf("there are %d threads for %d pieces at a time", n, jobs)
	}
}

func niceHere(t *testing.T) int {
	t.Helper()
	below20, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Error(err)
	}
	return 20 - below20
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
		{"hardly any", 20 * time.Second, time.Second, false},
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
