package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// killBehind is how many checkpoints are complete when a run is killed.
const killBehind = 5

// errOver: there was nothing left to kill.
var errOver = errors.New("it was over before it was killed")

// killed has the events come by the clock, kills the run behind a few checkpoints, and
// has it go on to its end. On a machine that is too slow for this pace it tries a slower
// one.
func (l Lab) killed(ctx context.Context, args []string, store string, t Trial) error {
	plan, err := l.Plan(ctx, t.Query)
	if err != nil {
		return err
	}
	midway := func() error { return l.midway(ctx, plan.Job, store) }
	strike := func(args []string) error { return l.killRun(ctx, args, t.Parallelism%3+1, midway) }
	if t.Workers > 0 {
		strike = func(args []string) error { return l.killEngine(ctx, args, midway) }
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
func (l Lab) killRun(ctx context.Context, args []string, parallelism int, midway func() error) error {
	text, err := l.watch(ctx, args, func(p *os.Process) error { return p.Kill() })
	if err == nil {
		return errOver
	}
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		return fmt.Errorf("%w: %s", err, text)
	}
	if err := midway(); err != nil {
		return err
	}
	_, err = l.command(ctx, append(args, "--from", "latest", "--parallelism", fmt.Sprint(parallelism))...)
	return err
}

// killEngine kills the engine of a worker; the job goes on by itself, from the newest
// checkpoint that there is at that moment, if not from an older one.
func (l Lab) killEngine(ctx context.Context, args []string, midway func() error) error {
	args = append(args, "--set", "restart={fixed: {attempts: 3, delay: 100ms}}")
	var over error
	text, err := l.watch(ctx, args, func(p *os.Process) error {
		err := killEngineOf(p.Pid, "w1")
		if err == nil {
			over = midway()
		}
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, text)
	case !strings.Contains(text, "from=restarting"):
		return errOver
	}
	return over
}

// midway is errOver if the newest checkpoint of a job has nothing left to be read.
func (l Lab) midway(ctx context.Context, job, store string) error {
	text, err := l.command(ctx, "checkpoint", "show", job+"/latest", "--store", store, "-o", "json")
	if err != nil {
		return fmt.Errorf("look at what was killed: %w", err)
	}
	var newest struct {
		Parts []struct {
			Operator string
			Subtasks []struct {
				Finished bool
				Splits   []struct{ Done bool }
			}
		}
	}
	if err := json.Unmarshal(text, &newest); err != nil {
		return fmt.Errorf("look at what was killed: %w", err)
	}
	for _, part := range newest.Parts {
		for _, subtask := range part.Subtasks {
			for _, split := range subtask.Splits {
				if part.Operator == "in" && !subtask.Finished && !split.Done {
					return nil
				}
			}
		}
	}
	return errOver
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
