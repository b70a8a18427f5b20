package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
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
