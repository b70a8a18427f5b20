package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A worker is two processes: an engine, which runs guests, and a supervisor outside of
// it. The engine writes a line for every beat of its worker; the supervisor kills it
// when none comes. The supervisor writes a line now and then; the engine ends when none
// comes, so that neither outlives the other for long. An empty line is a beat, any
// other says what is stuck.
const (
	pingEvery  = 500 * time.Millisecond
	silenceMax = 3 * time.Second
	// Files of the engine, behind the standard three.
	beatFile = 3
	pingFile = 4
)

// Supervise starts an engine and watches it until it ends or ctx does. The error says
// why the engine did not end by itself.
func Supervise(ctx context.Context, engine *exec.Cmd) error {
	beats, beatEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("supervise engine: %w", err)
	}
	defer beats.Close()
	pingEnd, pings, err := os.Pipe()
	if err != nil {
		beatEnd.Close()
		return fmt.Errorf("supervise engine: %w", err)
	}
	defer pings.Close()
	engine.ExtraFiles = []*os.File{beatEnd, pingEnd}
	// Where the kernel can tie the engine's life to its supervisor's, it does so to the
	// thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dieWithParent(engine)
	err = engine.Start()
	beatEnd.Close()
	pingEnd.Close()
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- engine.Wait() }()
	listening, stop := context.WithCancel(ctx)
	defer stop()
	cause := watch(ctx, lines(listening, beats), exited, func() error { _, err := pings.WriteString("\n"); return err })
	var left *exec.ExitError
	switch {
	case cause == nil:
		return nil
	case errors.As(cause, &left):
		return fmt.Errorf("engine ended: %w", cause)
	}
	// It may be stopped or spinning: nothing softer reaches it for certain.
	if err := engine.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill engine: %w", err)
	}
	<-exited
	return cause
}

// watch returns nil when the engine ended well, its exit error, or why to kill it.
func watch(ctx context.Context, beats <-chan string, exited <-chan error, ping func() error) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	// The first beat may take as long as a process needs to start on a busy machine.
	last := time.Now()
	deadline := last.Add(10 * silenceMax)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-exited:
			return err
		case stuck, open := <-beats:
			if !open {
				beats = nil // it is about to end
				continue
			}
			if stuck != "" {
				return fmt.Errorf("engine killed: %s", stuck)
			}
			deadline = time.Now().Add(silenceMax)
		case now := <-tick.C:
			deadline = deadline.Add(stoodStill(now, &last))
			if now.After(deadline) {
				return fmt.Errorf("engine killed: it made no progress for %s", silenceMax)
			}
			if err := ping(); err != nil && !errors.Is(err, os.ErrClosed) {
				// The engine has closed its end: its exit status comes next.
				continue
			}
		}
	}
}

// lines gives each line of r; it closes the channel at the end of either.
func lines(ctx context.Context, r io.Reader) <-chan string {
	c := make(chan string)
	go func() {
		defer close(c)
		for s := bufio.NewScanner(r); s.Scan(); {
			select {
			case c <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// Supervised is the engine's side: it returns a Beat for Config and a context that
// ends when the supervisor is gone or silent.
func Supervised(parent context.Context) (context.Context, func(stuck error)) {
	ctx, cancel := context.WithCancelCause(parent)
	beats := os.NewFile(beatFile, "beats")
	pings := lines(parent, os.NewFile(pingFile, "pings"))
	go func() { cancel(heed(parent, pings)) }()
	return ctx, func(stuck error) {
		line := "\n"
		if stuck != nil {
			line = stuck.Error() + "\n"
		}
		// A failed write means that the supervisor is gone; the pings say so, too.
		beats.WriteString(line)
	}
}

// heed returns why an engine must end: its pings have ended, or none comes.
func heed(ctx context.Context, pings <-chan string) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	last := time.Now()
	deadline := last.Add(silenceMax)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case _, open := <-pings:
			if !open {
				return errors.New("supervisor is gone")
			}
			deadline = time.Now().Add(silenceMax)
		case now := <-tick.C:
			deadline = deadline.Add(stoodStill(now, &last))
			if now.After(deadline) {
				return fmt.Errorf("supervisor was silent for %s", silenceMax)
			}
		}
	}
}

// stoodStill is for how long a watcher did not run itself, by its own ticks: whoever
// stops all processes, as a terminal does, does not make one of them late.
func stoodStill(now time.Time, last *time.Time) time.Duration {
	gap := now.Sub(*last)
	*last = now
	if gap < 2*pingEvery {
		return 0
	}
	return gap
}
