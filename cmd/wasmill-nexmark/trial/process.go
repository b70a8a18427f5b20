package trial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// killEngineOf kills the engine of a worker among the descendants of a process, which
// /proc tells: on Linux. There is none any more when the run is over.
func killEngineOf(parent int, worker string) error {
	pid, err := findEngine(parent, worker)
	if err != nil {
		return err
	}
	if pid == 0 {
		return errOver
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return errOver
}

// findEngine returns 0 if there is none.
func findEngine(parent int, worker string) (int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		return 0, fmt.Errorf("list children of process %d: %w", parent, err)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread is gone
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("read %s: %w", list, err)
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err != nil {
				continue // so is the process
			}
			if args := strings.Split(string(line), "\x00"); len(args) > 2 && args[1] == "engine" && args[2] == worker {
				return child, nil
			}
			if pid, err := findEngine(child, worker); err != nil || pid != 0 {
				return pid, err
			}
		}
	}
	return 0, nil
}
