package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
)

// Rows 1 and 6 of the faults, over jobs with all that state is: processes are killed at
// random moments and at such that a checkpoint is in a certain phase, each time after
// three more checkpoints. The output is that of the same job without faults.
func TestFaultMatrix(t *testing.T) {
	soak := os.Getenv("WASMILL_SOAK") != ""
	p, seeds := pace{seconds: 4, rate: 10_000, kills: 4}, []uint64{1}
	if soak {
		p, seeds = pace{seconds: 20, rate: 5_000, kills: 12}, []uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()}
	}
	strikeAll(t, struckJobs, p, seeds)
}

// strikeAll strikes every job with every seed, and every victim at least once.
func strikeAll(t *testing.T, jobs []struckJob, p pace, seeds []uint64) {
	t.Helper()
	var kills tally
	t.Run("jobs", func(t *testing.T) {
		for n, job := range jobs {
			t.Run(job.name, func(t *testing.T) {
				t.Parallel()
				p := p.of(job)
				want := job.oracle(t, p)
				for _, seed := range seeds {
					t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
						compare(t, struck(t, job, p, rand.New(rand.NewPCG(seed, uint64(n))), &kills), want)
					})
				}
			})
		}
	})
	t.Logf("kills: %s", &kills)
	for _, victim := range victims {
		if kills.of(victim) == 0 {
			t.Errorf("the victim was never %s: the test shows too little", victim)
		}
	}
}

// victims are what is killed: an engine or a supervisor, the NATS server, which comes back,
// or both and the coordinating process.
var victims = []string{"worker", "worker", "nats", "all"}

// struck is the output of a job that is struck until it ends.
func struck(t *testing.T, job struckJob, p pace, r *rand.Rand, tally *tally) []string {
	t.Helper()
	out, store := t.TempDir(), t.TempDir()
	file, disk := job.file(t, p, out), newDisk(store, job.name, out)
	nats := natstest.Start(t, "")
	run := start(t, file, store, "--workers", "2", "--nats", nats.URL)
	order := r.Perm(len(victims))
	for n := range p.kills {
		before := run.completed()
		waitUntil(t, "three checkpoints complete", func() bool { return run.completed() >= before+3 || run.over() })
		victim, target := victims[order[n%len(order)]], phases[r.IntN(len(phases))]
		if !aim(t, run, disk, target, time.Duration(r.Int64N(int64(100*time.Millisecond)))) {
			break
		}
		tally.add(victim, disk.phase(t))
		starts := run.starts()
		switch victim {
		case "worker":
			run.killOne(t, r)
		case "nats":
			waits := run.waits()
			nats.Kill()
			waitUntil(t, "the run waits for NATS", func() bool { return run.waits() > waits || run.over() })
			nats.Again(t)
		case "all":
			nats.Kill()
			run.killAll(t)
			nats.Again(t)
			run, starts = start(t, file, store, "--workers", "2", "--nats", nats.URL, "--from", "latest"), 0
		}
		waitUntil(t, "the job goes on", func() bool { return run.starts() > starts || run.over() })
	}
	if code := run.wait(t, patience(p)); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, run.stderr)
	}
	if left := matches(t, out, ".part-*"); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	return rows(t, out)
}

// starts is how often a run's job began to run.
func (p *process) starts() int { return strings.Count(p.stderr.String(), "to=running") }

// waits is how often a run lost its NATS server and waits for it.
func (p *process) waits() int {
	return strings.Count(p.stderr.String(), "the job goes on when it is back")
}

// aim waits until a checkpoint is in a phase, if it comes to be seen in it within three
// intervals; after some time for none. False: the job is over.
func aim(t *testing.T, run *process, disk *diskOf, target phase, after time.Duration) bool {
	t.Helper()
	within := 300 * time.Millisecond
	if target == none {
		within = after
	}
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for deadline := time.After(within); ; {
		select {
		case <-deadline:
			return !run.over()
		case <-tick.C:
			if run.over() || target != none && disk.phase(t) == target {
				return !run.over()
			}
		}
	}
}

// killOne kills an engine or a supervisor, if there is one.
func (p *process) killOne(t *testing.T, r *rand.Rand) {
	t.Helper()
	var all []int
	for _, supervisor := range children(t, p.cmd.Process.Pid) {
		all = append(append(all, supervisor), children(t, supervisor)...)
	}
	if len(all) > 0 {
		kill(t, all[r.IntN(len(all))])
	}
}

// kill kills a process that may be gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		t.Fatal(err)
	}
}

// killAll kills a run with all its processes.
func (p *process) killAll(t *testing.T) {
	t.Helper()
	all := []int{p.cmd.Process.Pid}
	for _, supervisor := range children(t, p.cmd.Process.Pid) {
		all = append(append(all, supervisor), children(t, supervisor)...)
	}
	for _, pid := range all {
		kill(t, pid)
	}
	p.wait(t, atLongest)
	for _, pid := range all[1:] {
		waitUntil(t, "no process is left", func() bool { return gone(pid) })
	}
}

// patience is how long a job may take, on a machine that does other things, too.
func patience(p pace) time.Duration { return time.Duration(p.seconds)*3*time.Second + time.Minute }

// tally counts kills by victim and phase.
type tally struct {
	mu sync.Mutex
	n  map[string]int // guarded by mu
}

func (c *tally) add(victim string, at phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[victim+" "+string(at)]++
}

// of is how often a victim was killed.
func (c *tally) of(victim string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := 0
	for name, n := range c.n {
		if strings.HasPrefix(name, victim+" ") {
			sum += n
		}
	}
	return sum
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var text []string
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(c.n)) {
		text = append(text, fmt.Sprintf("%s %d", name, c.n[name]))
		sum += c.n[name]
	}
	return fmt.Sprintf("%d: %s", sum, strings.Join(text, ", "))
}
