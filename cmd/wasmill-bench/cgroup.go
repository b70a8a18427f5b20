package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroup is a group of processes with a limit on their memory, the page cache of the
// files they use included.
type cgroup struct{ path string }

// errNoCgroup: this machine, or this user, can't make one.
var errNoCgroup = errors.New("no memory cgroup can be made")

// newCgroup makes a group below that of this process, of version 2 or 1.
func newCgroup(limit int64) (*cgroup, error) {
	for _, v := range []struct{ root, controller, file string }{
		{"/sys/fs/cgroup", "", "memory.max"},
		{"/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes"},
	} {
		own, err := ownCgroup(v.controller)
		if err != nil {
			continue
		}
		// In a container the path is often that of the host, and the root is its own.
		for _, parent := range []string{filepath.Join(v.root, own), v.root} {
			path := filepath.Join(parent, fmt.Sprintf("wasmill-bench-%d", os.Getpid()))
			if os.Mkdir(path, 0o755) != nil {
				continue
			}
			if limitMemory(filepath.Join(path, v.file), limit) == nil {
				return &cgroup{path}, nil
			}
			_ = os.Remove(path)
		}
	}
	return nil, errNoCgroup
}

// limitMemory writes a limit to a file that the kernel made: without it the folder is
// none of a cgroup.
func limitMemory(file string, limit int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(limit, 10))
	return errors.Join(err, f.Close())
}

// ownCgroup is the path of this process' group in the hierarchy of a controller, ""
// being that of version 2.
func ownCgroup(controller string) (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find own cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && f[1] == controller {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("find own cgroup: none of controller %q", controller)
}

// enter makes a command, not yet started, one of the group from its first instruction.
func (g *cgroup) enter(cmd *exec.Cmd) {
	script := `echo $$ > "$0" && exec "$@"`
	cmd.Args = append([]string{"/bin/sh", "-c", script, filepath.Join(g.path, "cgroup.procs"), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// remove removes the group, whose processes have ended.
func (g *cgroup) remove() error {
	if err := os.Remove(g.path); err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}
