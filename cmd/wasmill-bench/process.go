package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// What is known of other processes comes from /proc: the stall is measured on Linux.

// findEngine finds the engine of a worker among the descendants of a process.
func findEngine(parent int, worker string) (pid int, err error) {
	children, err := childrenOf(parent)
	if err != nil {
		return 0, err
	}
	for _, c := range children {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c))
		if err != nil {
			return 0, fmt.Errorf("find engine of %s: %w", worker, err)
		}
		if args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"); len(args) > 2 && args[1] == "engine" && args[2] == worker {
			return c, nil
		}
		if pid, err := findEngine(c, worker); err == nil {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("find engine of %s below process %d: there is none", worker, parent)
}

func childrenOf(parent int) ([]int, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		return nil, fmt.Errorf("list children of process %d: %w", parent, err)
	}
	var all []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread is gone
		}
		for _, field := range bytes.Fields(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all, nil
}

// residentBytes is the memory a process has in use.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// busyNote warns when others use the machine; "" if not, or if nobody can tell.
func busyNote() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil || load < float64(runtime.NumCPU()) {
		return ""
	}
	return fmt.Sprintf("The machine is busy: a load of %.1f on %d processors. Figures will be low.", load, runtime.NumCPU())
}

// cpuOf is the CPU time that a process took so far, in seconds.
func cpuOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time of process %d: %q", pid, text)
	}
	var ticks float64
	for _, f := range fields[11:13] { // user, system
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
		}
		ticks += n
	}
	return ticks / clockTicks, nil
}

// clockTicks a second is what Linux tells programs on every architecture Go knows.
const clockTicks = 100

// peakBytes is the most memory that a process had in use at once.
func peakBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return kib << 10, nil
}
