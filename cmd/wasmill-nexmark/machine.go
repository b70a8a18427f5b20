package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// machine is what figures depend on. /proc tells most of it: on Linux.
type machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	MemoryGiB int64  `json:"memoryGiB"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
}

func thisMachine() machine {
	m := machine{Processor: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Go: strings.TrimPrefix(runtime.Version(), "go")}
	var kib int64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.MemoryGiB = kib >> 20
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(text)), "-")
	}
	return m
}

// field is what stands behind the first "name:" of a file; "" if nothing does.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores of %s, %d GiB of memory, Linux %s, Go %s", m.Cores, m.Processor, m.MemoryGiB, m.Kernel, m.Go)
}

// revisionOf is the short name of a tree's commit, with a mark if anything but its
// documentation was changed since; empty if git can't tell.
func revisionOf(ctx context.Context, tree string) string {
	commit, err := exec.CommandContext(ctx, "git", "-C", tree, "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return ""
	}
	changes, err := exec.CommandContext(ctx, "git", "-C", tree, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs").Output()
	if err != nil {
		return ""
	}
	revision := string(bytes.TrimSpace(commit))
	if len(changes) > 0 {
		revision += "+dirty"
	}
	return revision
}

// onDisk refuses a folder in memory: what is written there costs next to nothing, and
// takes memory from what is measured.
func onDisk(folder string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return fmt.Errorf("find file system of %s: %w", folder, err)
	}
	if inMemory(uint32(fs.Type)) {
		return fmt.Errorf("use %s: it is in memory: set TMPDIR to a folder on a disk", folder)
	}
	return nil
}

// inMemory knows the kernel's numbers of tmpfs and ramfs.
func inMemory(fileSystem uint32) bool { return fileSystem == 0x01021994 || fileSystem == 0x858458f6 }
