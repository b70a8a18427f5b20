package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
)

// paced is a job whose output is the same however often it is struck: 60,000 records in
// three seconds, keyed, into files.
func paced(t *testing.T, out string) string {
	t.Helper()
	job := filepath.Join(t.TempDir(), "job.yaml")
	text := `
version: 1
job: paced
parallelism: 2
checkpoint: {interval: 100ms}
restart: {fixed: {delay: 10ms, attempts: 1000}}
operators:
  in: {source: generator, with: {records: 60000, rate: 20000, keys: 100, valueSize: 20}}
  out: {sink: file, inputs: [{from: in, by: key}], with: {path: ` + out + `}}
`
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return job
}

// rows are the lines of the visible result files, sorted.
func rows(t *testing.T, out string) []string {
	t.Helper()
	var all []string
	for _, file := range matches(t, out, "part-*") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
	}
	slices.Sort(all)
	return all
}

func start(t *testing.T, job, store string, args ...string) *process {
	t.Helper()
	p := &process{stderr: &watched{more: make(chan struct{}, 1)}, exited: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], append([]string{"run", job, "--log-level", "info", "--store", store}, args...)...)
	p.cmd.Env = append(os.Environ(), actAs+"=wasmill")
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// oracle is the output of the same job without faults.
func oracle(t *testing.T) []string {
	t.Helper()
	out := t.TempDir()
	p := start(t, paced(t, out), t.TempDir())
	if code := p.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, p.stderr)
	}
	all := rows(t, out)
	if len(all) != 60000 {
		t.Fatalf("%d rows", len(all))
	}
	return all
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d, as without faults", len(got), len(want))
	}
}

// completed counts the checkpoints that a run has told of.
func (p *process) completed() int { return strings.Count(p.stderr.String(), "checkpoint completed") }

// Rows 1 and 4 of the faults: workers die and stop again and again; nothing is lost,
// nothing comes twice.
func TestStruckWorkersLoseAndDoubleNothing(t *testing.T) {
	want := oracle(t)
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			out := t.TempDir()
			p := start(t, paced(t, out), t.TempDir(), "--workers", "2")
			for range 4 {
				before := p.completed()
				waitUntil(t, "a checkpoint completes", func() bool { return p.completed() > before || p.over() })
				if p.over() {
					break
				}
				supervisors, engines := p.family(t)
				victims := append(engines, supervisors...)
				signalTo(t, victims[r.IntN(len(victims))], syscall.SIGKILL)
				attempts := strings.Count(p.stderr.String(), "to=running")
				waitUntil(t, "the job goes on", func() bool { return strings.Count(p.stderr.String(), "to=running") > attempts || p.over() })
			}
			if code := p.wait(t, time.Minute); code != exitDone {
				t.Fatalf("exit code %d:\n%s", code, p.stderr)
			}
			if !strings.Contains(p.stderr.String(), "to=restarting") {
				t.Error("the job was never struck: the test shows nothing")
			}
			compare(t, rows(t, out), want)
			if left := matches(t, out, ".part-*"); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// Row 6 of the faults: the NATS server dies under load and comes back; the job goes on
// from its latest checkpoint.
func TestAKilledNATSServerLosesNothing(t *testing.T) {
	want := oracle(t)
	nats := natstest.Start(t, "")
	out := t.TempDir()
	p := start(t, paced(t, out), t.TempDir(), "--workers", "2", "--nats", nats.URL)
	for range 2 {
		before := p.completed()
		waitUntil(t, "a checkpoint completes", func() bool { return p.completed() > before || p.over() })
		if p.over() {
			break
		}
		attempts := strings.Count(p.stderr.String(), "to=running")
		nats.Kill()
		p.stderr.waitFor(t, "the job goes on when it is back")
		nats.Again(t)
		waitUntil(t, "the job goes on", func() bool { return strings.Count(p.stderr.String(), "to=running") > attempts || p.over() })
	}
	if code := p.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, p.stderr)
	}
	compare(t, rows(t, out), want)
}

func (p *process) over() bool {
	select {
	case err := <-p.exited:
		p.exited <- err
		return true
	default:
		return false
	}
}

// Everything dies; the next run goes on from the latest checkpoint.
func TestARunGoesOnFromTheLatestCheckpoint(t *testing.T) {
	want := oracle(t)
	out, store := t.TempDir(), t.TempDir()
	job := paced(t, out)
	p := start(t, job, store, "--workers", "2")
	waitUntil(t, "three checkpoints complete", func() bool { return p.completed() >= 3 })
	signalTo(t, p.cmd.Process.Pid, syscall.SIGKILL)
	p.wait(t, atLongest)

	refused := start(t, job, store)
	if code := refused.wait(t, atLongest); code != exitRefused || !strings.Contains(refused.stderr.String(), "say --from latest") {
		t.Errorf("exit code %d, want %d:\n%s", code, exitRefused, refused.stderr)
	}
	again := start(t, job, store, "--from", "latest")
	if code := again.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, again.stderr)
	}
	compare(t, rows(t, out), want)
	if left := matches(t, out, ".part-*"); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

// Two runs of one job on one store: the second takes over, and what the first still
// does has no effect (C1), whenever it wakes up.
func TestADeposedRunHasNoEffect(t *testing.T) {
	want := oracle(t)
	out, store := t.TempDir(), t.TempDir()
	job := paced(t, out)
	first := start(t, job, store)
	waitUntil(t, "three checkpoints complete", func() bool { return first.completed() >= 3 })
	signalTo(t, first.cmd.Process.Pid, syscall.SIGSTOP)
	second := start(t, job, store, "--from", "latest")
	waitUntil(t, "the second completes one", func() bool { return second.completed() >= 1 })
	signalTo(t, first.cmd.Process.Pid, syscall.SIGCONT)
	if code := first.wait(t, time.Minute); code != exitLostRace {
		t.Errorf("the first ends with %d, want %d:\n%s", code, exitLostRace, first.stderr)
	}
	if code := second.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, second.stderr)
	}
	compare(t, rows(t, out), want)
}
