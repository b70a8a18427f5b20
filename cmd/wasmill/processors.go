package main

import (
	"os"
	"runtime"
)

// spareThread has Go run one thread more than there are processors, unless it was told how
// many. Go lets a goroutine run for 10 ms, and then has it wait behind all others that are
// ready; a kernel that has a choice deals out a processor in shorter slices, and to who
// waited longest. Tasks that share processors are then held up for less long. A limit of
// processors that changes while the process runs is not followed.
func spareThread() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
