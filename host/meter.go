package host

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"

	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/runtime/fault"
)

const (
	// sliceTime is the CPU time between two safepoints that reach the host. The Go
	// scheduler and collector wait for that long at most.
	sliceTime = 150 * time.Microsecond
	// yieldEvery is after how many slices other goroutines get a turn. The scheduler
	// and the collector need no invitation: they stop a guest at any entry of the host.
	// An unasked-for turn wakes an idle thread, which takes the guest to its own core.
	yieldEvery = 4
	// A slice in fuel, whatever was measured.
	minSlice, maxSlice = 10_000, 4_000_000
	// The time a unit of fuel takes, in ns: the first guess, and the least believed.
	firstGuess = 0.5
	minGuess   = 0.01
	// bytesPerFuel is what the host charges for bytes it handles on a guest's behalf.
	bytesPerFuel = 4
)

// meter limits and measures the CPU time of an instance. Guest code counts down fuel;
// only when a slice of it is used up the guest asks here, so short calls cost nothing.
type meter struct {
	global api.MutableGlobal // nil without safepoints
	limit  time.Duration     // of one call
	given  int32             // fuel at the last refill
	nsPer  float64           // measured time of a unit of fuel
	total  time.Duration     // of all calls, up to the last refill

	used      time.Duration // in this call, as far as measured
	measuring bool          // since and thread belong to this call
	since     time.Duration // CPU time of the thread at the last refill
	at        time.Time     // of the last refill
	thread    int
	slices    uint // refilled so far

	stopped atomic.Bool // set by other goroutines
}

func (m *meter) start(global api.MutableGlobal, limit time.Duration, depth int64) {
	m.global, m.limit, m.nsPer = global, limit, firstGuess
	m.given = m.slice()
	global.Set(rewrite.Meter(int32(min(depth, 1<<30)), m.given))
}

func (m *meter) slice() int32 {
	return int32(max(minSlice, min(maxSlice, float64(sliceTime)/m.nsPer)))
}

// begin starts the account of a call. The time before its first refill is less than
// a slice and goes free.
func (m *meter) begin() { m.used, m.measuring = 0, false }

// refill is what a safepoint calls: it measures, yields to the scheduler now and then and answers
// with new fuel, or an error that ends the guest.
func (m *meter) refill(value uint64, depthLimit int64) (uint64, error) {
	depth := rewrite.Depth(value)
	if depth < 0 {
		return 0, fault.Guestf("limit stackDepth %d exceeded", depthLimit)
	}
	if m.stopped.Load() {
		return 0, ErrStopped
	}
	elapsed := m.elapsed(max(1, float64(m.given-rewrite.Fuel(value))))
	if m.measuring {
		m.used += elapsed
	}
	m.total += elapsed
	if m.used > m.limit {
		return 0, fault.Guestf("limit cpuPerBatch %s exceeded", m.limit)
	}
	if m.slices++; m.slices%yieldEvery == 0 {
		runtime.Gosched()
	}
	m.measuring, m.thread, m.since, m.at = true, unix.Gettid(), threadTime(), time.Now()
	m.given = m.slice()
	return rewrite.Meter(depth, m.given), nil
}

// elapsed is the CPU time since the last refill. Within a call it is measured. Over
// several, the thread did other work between them: its time is an upper bound to what
// the fuel says. On another thread only fuel says anything. The scheduler may move the
// goroutine just between the two questions, whose answers are of two threads then: no
// more CPU time has passed than time.
func (m *meter) elapsed(consumed float64) time.Duration {
	estimate := time.Duration(consumed * m.nsPer)
	if unix.Gettid() != m.thread {
		return estimate
	}
	passed := max(0, min(threadTime()-m.since, time.Since(m.at)))
	switch {
	case m.measuring:
		estimate = passed
		m.nsPer += (float64(passed)/consumed - m.nsPer) / 4
	case passed < estimate:
		estimate = passed
		m.nsPer = float64(passed) / consumed
	}
	m.nsPer = max(m.nsPer, minGuess)
	return estimate
}

// time is the CPU time of all calls; what was not measured is estimated by fuel.
func (m *meter) time() time.Duration {
	if m.global == nil {
		return 0
	}
	return m.total + time.Duration(float64(m.given-rewrite.Fuel(m.global.Get()))*m.nsPer)
}

// threadTime is the CPU time this thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// safepoint is the function that rewritten code imports.
var safepoint = hostFunc{rewrite.HookName, signature{"I", "I"}, func(i *Instance, s []uint64) {
	value, err := i.meter.refill(s[0], i.limits.StackDepth)
	if err != nil {
		i.stop(err)
	}
	s[0] = value
}}

// charge lets the guest pay for bytes that the host handles for it.
func (i *Instance) charge(bytes int64) {
	if i.meter.global == nil || bytes < bytesPerFuel {
		return
	}
	value := i.meter.global.Get() - uint64(min(bytes/bytesPerFuel, 1<<30))
	if rewrite.Fuel(value) < 0 {
		var err error
		if value, err = i.meter.refill(value, i.limits.StackDepth); err != nil {
			i.stop(err)
		}
	}
	i.meter.global.Set(value)
}
