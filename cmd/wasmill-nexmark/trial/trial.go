package trial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Lab is where trials run.
type Lab struct {
	Wasmill  string // the binary
	Examples string // the folder of the queries
	Scratch  string // for what runs write; what a trial wrote is gone behind it
}

// Trial is one way to run a query.
type Trial struct {
	Query       Query
	Parallelism int
	Workers     int     // processes; 0: in one
	Backend     string  // of state; empty: as the job file says
	Of          *Stream // nil: of the given events
	// Kill the run in the middle, once. One in one process then goes on at the next higher
	// parallelism. What is killed runs on the given events: others have a pace of their own.
	Kill bool
}

func (t Trial) String() string {
	text := fmt.Sprintf("%s at %d", t.Query.Name, t.Parallelism)
	if t.Workers > 0 {
		text += fmt.Sprintf(" over %d workers", t.Workers)
	}
	if t.Backend != "" {
		text += " with " + t.Backend
	}
	if t.Kill {
		text += ", killed"
	}
	if t.Of != nil {
		text += " on " + t.Of.Name
	}
	return text
}

// Run runs the query and compares its rows: nil if they are as expected.
func (l Lab) Run(ctx context.Context, t Trial) error {
	dir, err := os.MkdirTemp(l.Scratch, t.Query.Name+"-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out")
	args := []string{"run", l.JobFile(t.Query), "--quiet", "--store", filepath.Join(dir, "store"), "--data-dir", filepath.Join(dir, "data"),
		"--parallelism", fmt.Sprint(t.Parallelism), "--workers", fmt.Sprint(t.Workers), "--set", "operators.out.with.path=" + out}
	if t.Of != nil {
		args = append(append(args, "--set", "operators.in.with="+t.Of.with), t.Of.args...)
	}
	if t.Backend != "" {
		plan, err := l.Plan(ctx, t.Query)
		if err != nil {
			return err
		}
		args = append(args, plan.WithBackend(t.Backend)...)
	}
	if t.Kill {
		err = l.killed(ctx, args, t)
	} else {
		_, err = l.command(ctx, args...)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", t, err)
	}
	if err := l.compare(out, t); err != nil {
		return fmt.Errorf("run %s: %w", t, err)
	}
	if !t.Query.Files {
		return nil
	}
	if err := checkFolders(out); err != nil {
		return fmt.Errorf("run %s: %w", t, err)
	}
	return nil
}

func (l Lab) compare(out string, t Trial) error {
	got, err := ReadRows(out)
	if err != nil {
		return err
	}
	want, err := l.expected(t)
	if err != nil {
		return err
	}
	if t.Query.fold != nil {
		if got, err = t.Query.fold(got); err != nil {
			return err
		}
		if want, err = t.Query.fold(want); err != nil {
			return err
		}
	}
	return Compare(got, want)
}

// expected are the rows that Flink gave or, of other events, an oracle gives.
func (l Lab) expected(t Trial) (Rows, error) {
	if t.Of != nil {
		return t.Of.Rows(t.Query.Rows)
	}
	return ReadRows(filepath.Join(l.Examples, "testdata", t.Query.Rows+".ndjson.gz"))
}

// JobFile is the path of a query.
func (l Lab) JobFile(q Query) string { return filepath.Join(l.Examples, q.Name+".yaml") }

// command runs the binary and returns what it printed.
func (l Lab) command(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, l.Wasmill, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// killBehind is how many checkpoints are complete when a run is killed.
const killBehind = 5

// errOver: there was nothing left to kill.
var errOver = errors.New("it was over before it was killed")

// killed has the events come by the clock, kills the run behind a few checkpoints, and
// has it go on to its end. On a machine that is too slow for this pace it tries a slower
// one.
func (l Lab) killed(ctx context.Context, args []string, t Trial) (err error) {
	strike := func(args []string) error { return l.killRun(ctx, args, t.Parallelism+1) }
	if t.Workers > 0 {
		strike = func(args []string) error { return l.killEngine(ctx, args) }
	}
	for _, rate := range []int{5000, 1000, 200} {
		paced := append(args[:len(args):len(args)], "--log-level", "info", "--set", "checkpoint.interval=100ms",
			"--set", "operators.in.with.speed=scheduled", "--set", fmt.Sprint("operators.in.with.rate=", rate))
		if err = strike(append(paced, "--from", "none")); !errors.Is(err, errOver) {
			break
		}
	}
	return err
}

// killRun kills the process of the job, and runs it again from its last checkpoint, at
// that parallelism.
func (l Lab) killRun(ctx context.Context, args []string, parallelism int) error {
	text, err := l.watch(ctx, args, func(p *os.Process) error { return p.Kill() })
	if err == nil {
		return errOver
	}
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		return fmt.Errorf("%w: %s", err, text)
	}
	_, err = l.command(ctx, append(args, "--from", "latest", "--parallelism", fmt.Sprint(parallelism))...)
	return err
}

// killEngine kills the engine of a worker; the job goes on by itself.
func (l Lab) killEngine(ctx context.Context, args []string) error {
	args = append(args, "--set", "restart={fixed: {attempts: 3, delay: 100ms}}")
	text, err := l.watch(ctx, args, func(p *os.Process) error { return killEngineOf(p.Pid, "w1") })
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, text)
	case !strings.Contains(text, "from=restarting"):
		return errOver
	}
	return nil
}

// watch runs the binary and strikes once, when enough checkpoints are complete. It
// returns what the run logged, and how it ended.
func (l Lab) watch(ctx context.Context, args []string, strike func(*os.Process) error) (text string, err error) {
	c := exec.CommandContext(ctx, l.Wasmill, args...)
	stderr, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return "", err
	}
	var log strings.Builder
	var struck error
	completed := 0
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "checkpoint completed") {
			if completed++; completed == killBehind {
				struck = strike(c.Process)
			}
		}
	}
	return log.String(), errors.Join(struck, c.Wait())
}
