package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// measureStart takes the time from the start of the process to the first row on its
// stdout, with a Go guest between.
func measureStart(ctx context.Context, l *lab) error {
	file, err := l.writeFile("start.yaml", fmt.Sprintf(`version: 1
job: start
parallelism: 1
operators:
  in: {source: values, with: {records: [first]}}
  pass: {module: %s, inputs: [in]}
  out: {sink: stdout, inputs: [pass]}
`, filepath.Join(l.root, moduleGo)))
	if err != nil {
		return err
	}
	if _, err := l.firstRow(ctx, file); err != nil { // fills the cache
		return err
	}
	for range 2 * l.runs {
		took, err := l.firstRow(ctx, file)
		if err != nil {
			return err
		}
		l.add(firstRecord, float64(took.Microseconds())/1000)
	}
	return nil
}

func (l *lab) firstRow(ctx context.Context, file string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, l.wasmill, "run", file, "--quiet", "--store", filepath.Join(l.scratch, "store"), "--cache-dir", filepath.Join(l.scratch, "cache"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", file, err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", file, err)
	}
	rows := bufio.NewScanner(out)
	rows.Scan()
	took := time.Since(started)
	if rows.Text() != "first" {
		return 0, fmt.Errorf("run %s: the first row is %q", file, rows.Text())
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		return 0, fmt.Errorf("run %s: %w", file, err)
	}
	return took, cmd.Wait()
}

func measureBinary(_ context.Context, l *lab) error {
	info, err := os.Stat(l.wasmill)
	if err != nil {
		return fmt.Errorf("measure binary: %w", err)
	}
	l.add(binarySize, float64(info.Size())/1e6)
	return nil
}

// jobTook finds how long a job took in what wasmill run prints at the end.
var jobTook = regexp.MustCompile(`(?m)^quakes: finished in (\S+),`)

// measureFresh clones the tree and makes run there, with a home that is empty: nothing
// is downloaded, compiled or cached.
func measureFresh(ctx context.Context, l *lab) error {
	tree, home := filepath.Join(l.scratch, "fresh"), filepath.Join(l.scratch, "home")
	if out, err := exec.CommandContext(ctx, "git", "clone", "--quiet", l.root, tree).CombinedOutput(); err != nil {
		return fmt.Errorf("clone the tree: %w: %s", err, out)
	}
	if err := os.Mkdir(home, 0o755); err != nil {
		return fmt.Errorf("make home: %w", err)
	}
	cmd := exec.CommandContext(ctx, "make", "run")
	cmd.Dir = tree
	// GOFLAGS lets the module cache be removed afterwards.
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME=", "GOPATH=", "GOMODCACHE=", "GOCACHE=", "GOFLAGS=-modcacherw")
	started := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(started)
	if err != nil {
		return fmt.Errorf("make run: %w: %s", err, out)
	}
	found := jobTook.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("make run does not say how long the job took: %s", strconv.Quote(string(out)))
	}
	inJob, err := time.ParseDuration(string(found[1]))
	if err != nil {
		return fmt.Errorf("read how long the job took: %w", err)
	}
	l.add(freshJob, inJob.Seconds())
	l.add(freshRest, (took - inJob).Seconds())
	return nil
}
