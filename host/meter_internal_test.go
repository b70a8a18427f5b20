package host

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A goroutine that is moved while it asks for its thread and that one's time gets the time
// of another thread.
func TestMeterBelievesNoMoreThanTheClock(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		began := time.Now()
		m := meter{measuring: true, nsPer: firstGuess, thread: unix.Gettid(), since: threadTime() + off, at: began}
		elapsed := m.elapsed(1000)
		if passed := time.Since(began); elapsed < 0 || elapsed > passed {
			t.Errorf("%s off: %s in %s", off, elapsed, passed)
		}
		if m.nsPer < minGuess {
			t.Errorf("%s off: a unit of fuel takes %f ns", off, m.nsPer)
		}
	}
}
