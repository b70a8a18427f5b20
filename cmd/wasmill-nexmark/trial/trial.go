package trial

import (
	"bytes"
	"context"
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
	// Kill the run in the middle, once. One in one process then goes on at another
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
	out, store := filepath.Join(dir, "out"), filepath.Join(dir, "store")
	args := []string{"run", l.JobFile(t.Query), "--quiet", "--store", store, "--data-dir", filepath.Join(dir, "data"),
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
		err = l.killed(ctx, args, store, t)
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
