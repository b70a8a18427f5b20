package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// usage is what all processes of a run took from the machine.
type usage struct {
	cpuSeconds   float64
	peakRSSBytes int64 // sum of each process's own peak
}

// cpuSeconds is the CPU time of this process and of all its descendants that ended.
func cpuSeconds() float64 {
	var total float64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) == nil {
			total += float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
		}
	}
	return total
}

// peakRSS sums the peaks of processes that are still there. Where there is no /proc it
// is the peak of this process alone.
func peakRSS(pids []int) int64 {
	var total int64
	for _, pid := range pids {
		total += highWater(pid)
	}
	if total == 0 {
		var r syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
			total = r.Maxrss << 10
		}
	}
	return total
}

// childrenOf are the processes that a process has started, where /proc tells.
func childrenOf(pid int) []int {
	var all []int
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil // the pattern is right
	}
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue // the thread is gone
		}
		for _, f := range strings.Fields(string(data)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// highWater reads VmHWM of a process, in bytes; 0 if it is gone.
func highWater(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscanf(rest, "%d", &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
