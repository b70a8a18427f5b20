package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// testTimeout is how long a case may take by the clock of the machine.
const testTimeout = time.Minute

func testCommand() *cobra.Command {
	var output outputFlag
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "test JOB.test.yaml...",
		Short: "Test a job: records in, expected records out, with virtual time",
		Long: `Run the cases of test files: each gives records to the sources of a job and compares
what comes to its sinks.

The job runs in this process as it would with run, but for its sources and sinks, whose
files and servers are not touched. Its clock is the test's: now(), timers of processing
time, early results, idleness and expiry follow it, so that the same test has the same
result again. docs/testing.md says what a test file can say.`,
		Example:           "  wasmill test examples/quakes/stats.test.yaml",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeFiles("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usagef("--timeout %s: must be above 0", timeout)
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			h, err := host.New(ctx, hostConfig(cmd))
			if err != nil {
				return err
			}
			defer h.Close()
			s := &testSession{cmd: cmd, modules: worker.NewModules(h), timeout: timeout, text: cmd.OutOrStdout()}
			if output != "table" {
				s.text = io.Discard
			}
			s.Results = []testResult{}
			err = s.run(ctx, args)
			if code := exitCode(err); code == exitInvalid || code == exitInterrupted || code == exitUsage {
				return err
			}
			return errors.Join(output.print(cmd.OutOrStdout(), s, s.summary), err)
		},
	}
	output.add(c)
	c.Flags().DurationVar(&timeout, "timeout", testTimeout, "how long a case may take, by the clock of the machine")
	return c
}

// testSession runs test files one after another.
type testSession struct {
	cmd     *cobra.Command
	modules *worker.Modules
	timeout time.Duration
	text    io.Writer

	Results []testResult `json:"cases"`
}

// testResult is how a case ended.
type testResult struct {
	File        string       `json:"file"`
	Name        string       `json:"name,omitempty"`
	Parallelism int          `json:"parallelism"`
	OK          bool         `json:"ok"`
	Seconds     float64      `json:"seconds"`
	Error       string       `json:"error,omitempty"`
	Differences []difference `json:"differences,omitempty"`
}

// errDiffers is the error of tests that ran and found something.
var errDiffers = errors.New("tests failed")

// testRun is a case at one parallelism.
type testRun struct {
	test        *jobTest
	of          *testCase
	parallelism int
	plan        *graph.Plan
}

// run runs every case of every file. A file that is no test ends it before anything runs.
func (s *testSession) run(ctx context.Context, files []string) error {
	var runs []testRun
	var problems graph.Problems
	for _, file := range files {
		of, err := s.load(ctx, file)
		if more := (graph.Problems)(nil); errors.As(err, &more) {
			problems = append(problems, more...)
		} else if err != nil {
			return err
		}
		runs = append(runs, of...)
	}
	if len(problems) > 0 {
		return problems
	}
	var guest error
	failed := false
	for i := range runs {
		r, err := s.rehearse(ctx, &runs[i])
		if exitCode(err) == exitInvalid || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if failed = failed || !r.OK; errors.Is(err, fault.ErrGuest) {
			guest = err
		}
	}
	switch {
	case guest != nil:
		return &testsFailed{guest}
	case failed:
		return &testsFailed{errDiffers}
	}
	return nil
}

// testsFailed has been told about; what is left to say is the exit code.
type testsFailed struct{ cause error }

func (e *testsFailed) Error() string { return errDiffers.Error() }
func (e *testsFailed) Unwrap() error { return e.cause }

// load reads a test file and lays out its job for each run.
func (s *testSession) load(ctx context.Context, file string) ([]testRun, error) {
	data, err := readJobFile("test file", file)
	if err != nil {
		return nil, invalid(err)
	}
	t, err := readJobTest(file, data)
	if err != nil {
		return nil, err
	}
	job := t.job
	if !filepath.IsAbs(job) {
		job = filepath.Join(filepath.Dir(file), job)
	}
	if data, err = readJobFile("job file", job); err != nil {
		return nil, invalid(fmt.Errorf("%s: job: %w", file, err))
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("find folder of %s: %w", file, err)
	}
	var runs []testRun
	for i := range t.cases {
		c := &t.cases[i]
		for _, p := range c.parallelism {
			options := graph.Options{Lookup: os.LookupEnv, Set: c.set, WorkDir: folder, Parallelism: p}
			plan, err := layOut(t.job, data, options, func(wasm []byte) (*host.Module, error) { return s.modules.Add(ctx, wasm) })
			if err != nil {
				return nil, err
			}
			if problems := t.check(c, plan); len(problems) > 0 {
				return nil, problems
			}
			if len(runs) == 0 {
				warn(s.cmd, plan)
			}
			forTests(plan)
			runs = append(runs, testRun{t, c, p, plan})
		}
	}
	return runs, nil
}

// rehearse runs one case and tells how it went.
func (s *testSession) rehearse(ctx context.Context, run *testRun) (testResult, error) {
	began := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("it is not done after %s", s.timeout))
	defer cancel()
	differences, err := run.rehearse(limited, s.cmd, s.modules)
	r := testResult{
		File: run.test.file, Name: run.of.name, Parallelism: run.parallelism, OK: err == nil && len(differences) == 0,
		Seconds: time.Since(began).Seconds(), Differences: differences,
	}
	if err != nil {
		r.Error = err.Error()
	}
	s.Results = append(s.Results, r)
	s.tell(&r)
	return r, err
}

// maxTold is how many lines of a difference are shown.
const maxTold = 60

func (s *testSession) tell(r *testResult) {
	verdict, name := "ok  ", r.File
	if !r.OK {
		verdict = "FAIL"
	}
	if r.Name != "" {
		name += ": " + r.Name
	}
	fmt.Fprintf(s.text, "%s  %s (parallelism %d, %.2fs)\n", verdict, name, r.Parallelism, r.Seconds)
	for _, d := range r.Differences {
		fmt.Fprintf(s.text, "      %s: %s: %d expected (-), %d came (+)\n", d.Place, d.Sink, len(d.Expected), len(d.Got))
		for i, line := range d.Lines {
			if i == maxTold {
				fmt.Fprintf(s.text, "        … and %d more lines\n", len(d.Lines)-i)
				break
			}
			fmt.Fprintln(s.text, "        "+line)
		}
	}
	if r.Error != "" {
		fmt.Fprintln(s.text, "      "+r.Error)
	}
}

func (s *testSession) summary(w io.Writer) error {
	failed := 0
	for _, r := range s.Results {
		if !r.OK {
			failed++
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", len(s.Results)-failed, failed)
	return err
}
