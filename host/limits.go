package host

import (
	"fmt"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

// DefaultLimits hold for the fields that are zero in InstanceConfig.Limits.
func DefaultLimits() graph.Limits {
	return graph.Limits{
		Memory:       256 << 20,
		TableEntries: 1 << 20,
		StackDepth:   20_000,
		CPUPerBatch:  time.Second,
		EmitPerBatch: 64 << 20,
	}
}

func withDefaults(l graph.Limits) graph.Limits {
	d := DefaultLimits()
	if l.Memory > 0 {
		d.Memory = l.Memory
	}
	if l.TableEntries > 0 {
		d.TableEntries = l.TableEntries
	}
	if l.StackDepth > 0 {
		d.StackDepth = l.StackDepth
	}
	if l.CPUPerBatch > 0 {
		d.CPUPerBatch = l.CPUPerBatch
	}
	if l.EmitPerBatch > 0 {
		d.EmitPerBatch = l.EmitPerBatch
	}
	d.Memory = min(d.Memory, maxMemory)
	d.TableEntries = min(d.TableEntries, 1<<27)
	return d
}

// maxMemory stays a page below 4 GiB, so that addresses of pieces of bulk operations
// can't wrap around into memory.
const maxMemory = 1<<32 - wasmPage

// bytesText writes a size as the job file does.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
