package main

import (
	"runtime"
	"testing"
)

func TestTasksThatShareProcessorsGetAThreadMore(t *testing.T) {
	t.Cleanup(runtime.SetDefaultGOMAXPROCS)
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	processors := runtime.GOMAXPROCS(0)
	for _, c := range []struct{ tasks, threads int }{
		{1, processors}, {processors, processors}, {processors + 1, processors + 1}, {10 * processors, processors + 1}, {processors, processors},
	} {
		shareProcessors(c.tasks)
		if got := runtime.GOMAXPROCS(0); got != c.threads {
			t.Errorf("%d tasks on %d processors: %d threads, want %d", c.tasks, processors, got, c.threads)
		}
	}
	t.Setenv("GOMAXPROCS", "7")
	shareProcessors(processors + 1)
	if got := runtime.GOMAXPROCS(0); got != processors {
		t.Errorf("%d threads though the environment says how many", got)
	}
}
