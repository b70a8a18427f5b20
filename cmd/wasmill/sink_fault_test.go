package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// startPiped runs a job without an end, to standard output and into a folder, and
// gives the reading end of its standard output.
func startPiped(t *testing.T, out string, args ...string) (*process, *os.File) {
	t.Helper()
	job := filepath.Join(t.TempDir(), "job.yaml")
	text := fmt.Sprintf(`
version: 1
job: piped
operators:
  in: {source: generator, with: {records: unlimited, rate: 50000}}
  rows: {sink: stdout, inputs: [in]}
  kept: {sink: file, inputs: [in], with: {path: %s}}
`, out)
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	p := &process{stderr: &watched{more: make(chan struct{}, 1)}, exited: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], append([]string{"run", job, "--quiet"}, args...)...)
	p.cmd.Env = append(os.Environ(), actAs+"=wasmill", "WASMILL_STORE="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = w, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	if _, err := r.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	return p, r
}

var inEachWay = map[string][]string{"in one process": nil, "over NATS": {"--workers", "1"}}

func TestAReaderThatGoesFailsTheJob(t *testing.T) {
	for name, args := range inEachWay {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			p, r := startPiped(t, out, args...)
			r.Close()
			if code := p.wait(t, atLongest); code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			if says := "write stdout: broken pipe (whoever read it has gone)"; !strings.Contains(p.stderr.String(), says) {
				t.Errorf("does not say %q:\n%s", says, p.stderr)
			}
			if left := append(matches(t, out, "*"), matches(t, out, ".*part*")...); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

func TestCtrlCWhileNobodyReads(t *testing.T) {
	for name, args := range inEachWay {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			p, r := startPiped(t, out, args...)
			waitUntil(t, "the pipe is full", func() bool { return !hasRoom(t, p) })
			signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
			if code := p.wait(t, atLongest); code != exitInterrupted {
				t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, p.stderr)
			}
			if left := append(matches(t, out, "*"), matches(t, out, ".*part*")...); len(left) > 0 {
				t.Errorf("left behind: %s", left)
			}
			r.Close()
		})
	}
}

// hasRoom reports whether a pipe's writer could write to it now.
func hasRoom(t *testing.T, p *process) bool {
	t.Helper()
	w, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", p.cmd.Process.Pid), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fds := []unix.PollFd{{Fd: int32(w.Fd()), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n > 0
}

func TestTwoRunsIntoOneFolder(t *testing.T) {
	out := t.TempDir()
	first := startJob(t, out)
	staged := matches(t, out, ".part-*")
	job := filepath.Join(t.TempDir(), "job.yaml")
	text := `
version: 1
job: second
operators:
  in: {source: values, with: {records: [x]}}
  out: {sink: file, inputs: [in], with: {path: ` + out + `}}
`
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	second := start(t, job, t.TempDir())
	if code := second.wait(t, atLongest); code != exitFailed {
		t.Errorf("the second ends with %d, want %d", code, exitFailed)
	}
	if says := "another run writes to this folder"; !strings.Contains(second.stderr.String(), says) {
		t.Errorf("the second does not say %q:\n%s", says, second.stderr)
	}
	for _, name := range staged {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the first lost a file: %v", err)
		}
	}
	signalTo(t, first.cmd.Process.Pid, syscall.SIGINT)
	if code := first.wait(t, atLongest); code != exitInterrupted {
		t.Errorf("the first ends with %d, want %d:\n%s", code, exitInterrupted, first.stderr)
	}
}
