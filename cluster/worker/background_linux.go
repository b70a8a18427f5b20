package worker

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// behindTasks is how far a thread in the background steps back, as in nice(1): so far that
// it hardly keeps a task from running, and still runs when all processors are busy, since
// the collector waits for every thread.
const behindTasks = 10

// stepBack has the kernel prefer other threads to that of the calling goroutine, which is
// its own from now on. At worst it stays as it is.
func stepBack() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, behindTasks)
}

// roomBehindTasks has the runtime run more threads at once than there are processors.
// Otherwise it would hold tasks back while there is work in the background, whatever the
// kernel prefers.
var roomBehindTasks = sync.OnceFunc(func() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) })

// clocksNow returns none where they can't be read: then no processor counts as idle.
func clocksNow() (c clocks) {
	file, err := os.Open("/proc/stat")
	if err != nil {
		return clocks{}
	}
	defer file.Close()
	line, _ := bufio.NewReader(file).ReadString('\n')
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil || i > 8 { // "cpu", and what is part of others
			continue
		}
		took := time.Duration(ticks) * (time.Second / 100)
		c.all += took
		if i == 2 || i == 4 || i == 5 { // nice, idle, and idle while a disk works
			c.idle += took
		}
	}
	return c
}
