package main

import (
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A second Ctrl-C does not wait for what the first one waits for: here, an engine that
// stands still.
func TestASecondCtrlCEndsAtOnce(t *testing.T) {
	p := startJob(t, t.TempDir(), "--workers", "2")
	supervisors, engines := p.family(t)
	signalTo(t, engines[0], syscall.SIGSTOP)
	signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
	p.stderr.waitFor(t, "to=canceling")
	signalTo(t, p.cmd.Process.Pid, syscall.SIGINT)
	// In order it would take 5s.
	if code := p.wait(t, 4*time.Second); code != exitInterrupted {
		t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, p.stderr)
	}
	for _, pid := range append(supervisors, engines...) {
		waitUntil(t, "no process is left", func() bool { return gone(pid) })
	}
}

// The embedded server is gone when its workers are.
func TestTheEmbeddedServerClosesItsPort(t *testing.T) {
	s, address, err := startNATS()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(u.Host, "127.0.0.1:") {
		t.Errorf("it listens at %s, for others to find", u.Host)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	(&workers{server: s}).stop()
	if c, err := net.Dial("tcp", u.Host); err == nil {
		c.Close()
		t.Error("it still answers")
	}
}
