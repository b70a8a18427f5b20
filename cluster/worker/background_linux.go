package worker

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stepBack has the kernel prefer other threads to that of the calling goroutine, which is
// its own from now on. Unlike a low priority, this policy lets a task that wakes up run at
// once. At worst the thread stays as it is.
func stepBack() {
	runtime.LockOSThread()
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
}

// roomBehindTasks has Go run more threads at once than there are processors. Otherwise it
// would hold tasks back while there is work in the background, whatever the kernel prefers.
func roomBehindTasks() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) }

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
		if i == 4 || i == 5 { // idle, and idle while a disk works
			c.idle += took
		}
	}
	return c
}
