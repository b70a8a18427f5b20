package main

import (
	"os"
	"runtime"
)

// shareProcessors has Go run one thread more than there are processors when that many tasks
// have to share them, unless the environment says how many. Go lets a goroutine run for
// 10 ms, and then has it wait behind all others that are ready; a kernel that has a choice
// deals out a processor in shorter slices, and to who waited longest. Tasks with a processor
// each would only be moved about by it.
func shareProcessors(tasks int) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	if processors := runtime.GOMAXPROCS(0); tasks > processors {
		runtime.GOMAXPROCS(processors + 1)
	}
}
