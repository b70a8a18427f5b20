package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
)

// actAs makes this test binary another process: the command itself, if it is "wasmill".
const actAs = "WASMILL_TEST_ACT_AS"

func actAsAnother() {
	natstest.Main()
	if os.Getenv(actAs) == "wasmill" {
		main()
	}
}

// process is a running wasmill.
type process struct {
	cmd    *exec.Cmd
	stderr *watched
	exited chan error
}

// watched is output that a test waits for.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	select {
	case w.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *watched) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(atLongest)
	for !strings.Contains(w.String(), text) {
		select {
		case <-w.more:
		case <-deadline:
			t.Fatalf("no %q within %s in:\n%s", text, atLongest, w)
		}
	}
}

// startJob runs a job that never ends by itself, into a folder, and returns when its
// records flow.
func startJob(t *testing.T, out string, args ...string) *process {
	t.Helper()
	job := filepath.Join(t.TempDir(), "job.yaml")
	text := `
version: 1
job: endless
parallelism: 2
operators:
  in: {source: generator, with: {records: unlimited, rate: 20000, keys: 100, valueSize: 50}}
  out: {sink: file, inputs: [{from: in, by: key}], with: {path: ` + out + `}}
`
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &process{stderr: &watched{more: make(chan struct{}, 1)}, exited: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], append([]string{"run", job, "--log-level", "info"}, args...)...)
	// A race-detecting binary sleeps a second at its end unless told not to.
	p.cmd.Env = append(os.Environ(), actAs+"=wasmill", "WASMILL_STORE="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	p.stderr.waitFor(t, "to=running")
	waitUntil(t, "something is staged", func() bool { return len(matches(t, out, ".part-*")) == 2 })
	return p
}

// wait returns the exit code.
func (p *process) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case err := <-p.exited:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("still there after %s:\n%s", within, p.stderr)
		return 0
	}
}

// atLongest is how long anything may take that comes at some time, on a machine however busy.
const atLongest = 3 * time.Minute

func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(atLongest)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", atLongest, what)
		}
	}
}

func matches(t *testing.T, dir, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// children are the programs that a process has started. Go forks itself once to see what
// the kernel can, and before it becomes another program: such are none.
func children(t *testing.T, pid int) []int {
	t.Helper()
	var all []int
	own := commandLine(pid)
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue // the thread is gone
		}
		for _, f := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			if line := commandLine(child); line != "" && line != own {
				all = append(all, child)
			}
		}
	}
	return all
}

// commandLine is "" when the process is gone.
func commandLine(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(line)
}

// family is the supervisors of a run and their engines.
func (p *process) family(t *testing.T) (supervisors, engines []int) {
	t.Helper()
	waitUntil(t, "two workers", func() bool {
		supervisors, engines = children(t, p.cmd.Process.Pid), nil
		for _, s := range supervisors {
			engines = append(engines, children(t, s)...)
		}
		return len(supervisors) == 2 && len(engines) == 2
	})
	return supervisors, engines
}

func gone(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(state, []byte(") Z "))
}

func TestFaultsOfWorkersEndTheJob(t *testing.T) {
	for name, test := range map[string]struct {
		strike func(t *testing.T, supervisor, engine int)
		says   string
	}{
		"engine killed":  {func(t *testing.T, _, e int) { signalTo(t, e, syscall.SIGKILL) }, "is lost: engine ended: signal: killed"},
		"engine stopped": {func(t *testing.T, _, e int) { signalTo(t, e, syscall.SIGSTOP) }, "is lost: engine killed: it made no progress for 3s"},
		// Whoever notices first says so: who started it ("ended: signal: killed") or its engine ("is gone").
		"supervisor killed":  {func(t *testing.T, s, _ int) { signalTo(t, s, syscall.SIGKILL) }, "is lost: supervisor "},
		"supervisor stopped": {func(t *testing.T, s, _ int) { signalTo(t, s, syscall.SIGSTOP) }, "is lost: supervisor was silent for 3s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is silence
			out := t.TempDir()
			p := startJob(t, out, "--workers", "2")
			supervisors, engines := p.family(t)
			test.strike(t, supervisors[1], engines[1])
			if code := p.wait(t, atLongest); code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			if !strings.Contains(p.stderr.String(), test.says) {
				t.Errorf("does not say %q:\n%s", test.says, p.stderr)
			}
			if shown := matches(t, out, "part-*"); len(shown) > 0 {
				t.Errorf("partial results are visible: %s", shown)
			}
			for _, pid := range append(supervisors, engines...) {
				waitUntil(t, "no process is left", func() bool { return gone(pid) })
			}
		})
	}
}

func signalTo(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// A job that has no checkpoint to go on from ends with its server.
func TestAKilledNATSServerEndsTheJob(t *testing.T) {
	nats := natstest.Start(t, "")
	out := t.TempDir()
	p := startJob(t, out, "--workers", "2", "--nats", nats.URL)
	supervisors, engines := p.family(t)
	nats.Kill()
	if code := p.wait(t, atLongest); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(p.stderr.String(), "connection to NATS lost") {
		t.Errorf("does not name NATS:\n%s", p.stderr)
	}
	if shown := matches(t, out, "part-*"); len(shown) > 0 {
		t.Errorf("partial results are visible: %s", shown)
	}
	for _, pid := range append(supervisors, engines...) {
		waitUntil(t, "no process is left", func() bool { return gone(pid) })
	}
}

func TestAnUnreachableNATSServerIsNamed(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "nats://" + free.Addr().String()
	free.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0], "run", "testdata/endless.yaml", "--workers", "1", "--nats", address)
	cmd.Env = append(os.Environ(), actAs+"=wasmill", "WASMILL_STORE="+t.TempDir())
	cmd.Stderr = &stderr
	err = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitUnreachable {
		t.Errorf("exit code %d (%v), want %d", code, err, exitUnreachable)
	}
	if !strings.Contains(stderr.String(), address) {
		t.Errorf("does not name the address:\n%s", &stderr)
	}
}

// A guest that would run for minutes does not hold up the end of its job.
func TestCtrlCEndsAGuestsCall(t *testing.T) {
	for name, workers := range map[string]string{"in one process": "0", "over NATS": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "loop.wasm"), guests["loop.wasm"], 0o644); err != nil {
				t.Fatal(err)
			}
			out, job := filepath.Join(dir, "out"), filepath.Join(dir, "job.yaml")
			text := `
version: 1
job: looping
operators:
  in: {source: values, with: {records: [a]}}
  loop: {module: loop.wasm, inputs: [in], limits: {cpuPerBatch: 10m}}
  out: {sink: file, inputs: [loop], with: {path: out}}
`
			if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			p := start(t, job, t.TempDir(), "--workers", workers)
			p.stderr.waitFor(t, "to=running")
			signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
			if code := p.wait(t, atLongest); code != exitInterrupted {
				t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, p.stderr)
			}
			if left := append(matches(t, out, "*"), matches(t, out, ".part*")...); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

func TestCtrlCLeavesNothingBehind(t *testing.T) {
	for name, args := range map[string][]string{"in one process": nil, "over NATS": {"--workers", "2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			p := startJob(t, out, args...)
			var all []int
			if args != nil {
				supervisors, engines := p.family(t)
				all = append(supervisors, engines...)
			}
			signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
			if code := p.wait(t, atLongest); code != exitInterrupted {
				t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, p.stderr)
			}
			if left := append(matches(t, out, "*"), matches(t, out, ".*part*")...); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
			for _, pid := range all {
				if !gone(pid) {
					t.Errorf("process %d is left", pid)
				}
			}
		})
	}
}
