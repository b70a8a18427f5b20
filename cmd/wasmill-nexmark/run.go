package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// run is one run of a job, as `wasmill run` tells of it.
type run struct {
	Events       int64   `json:"events"`
	Seconds      float64 `json:"seconds"`
	CPUSeconds   float64 `json:"cpuSeconds"` // of all processes
	PeakRSSBytes int64   `json:"peakRSSBytes"`
	RowsOut      uint64  `json:"rowsOut"` // that came to the sink
	// CheckpointSeconds are those of the checkpoints that were retained, but for the
	// last: that is taken at the end.
	CheckpointSeconds []float64 `json:"checkpointSeconds,omitempty"`
}

func (r run) perSecond() float64    { return float64(r.Events) / r.Seconds }
func (r run) perCPUSecond() float64 { return float64(r.Events) / r.CPUSeconds }

// report is what `wasmill run -o json` prints, as far as it matters here.
type report struct {
	Job          string  `json:"job"`
	State        string  `json:"state"`
	Seconds      float64 `json:"seconds"`
	PeakRSSBytes int64   `json:"peakRSSBytes"`
	Operators    map[string]struct {
		RecordsIn  uint64 `json:"recordsIn"`
		RecordsOut uint64 `json:"recordsOut"`
		Late       uint64 `json:"late"`
	} `json:"operators"`
	LatencyMs *struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
		Max float64 `json:"max"`
	} `json:"latencyMs"`
}

// settings are what a measurement says of a run.
type settings struct {
	file    string // of the job
	source  string // `with` of the source
	rate    int64  // events per second of their time, if not the usual one
	args    []string
	files   bool // it writes files, which are gone behind it
	workers int
	// interval of the checkpoints, whatever the job file says.
	interval time.Duration
	until    time.Duration // after which it is interrupted; 0: it ends by itself
}

// usualInterval is that of the job files.
const usualInterval = 10 * time.Second

// intervalFor is the interval that has checkpoints in each run that lasts so long: in a
// short one they come more often.
func intervalFor(lasts time.Duration) time.Duration {
	if lasts >= 2*usualInterval {
		return usualInterval
	}
	return (lasts / 3).Round(time.Millisecond)
}

// checkpointed refuses a run that was over before any checkpoint was written.
func (r run) checkpointed(raise string) error {
	if len(r.CheckpointSeconds) > 0 {
		return nil
	}
	return fmt.Errorf("find checkpoints: only the final one was complete in %.1f s: raise %s", r.Seconds, raise)
}

// run runs a job from nothing, and once: one that goes on after a failure says nothing of
// its speed. The CPU time is what the kernel says of the process and of all that it waited
// for.
func (l *lab) run(ctx context.Context, s settings) (*report, *run, error) {
	dir, err := os.MkdirTemp(l.Scratch, "run-")
	if err != nil {
		return nil, nil, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	store := filepath.Join(dir, "store")
	args := append([]string{"run", s.file, "-o", "json", "--quiet", "--store", store, "--data-dir", filepath.Join(dir, "data"),
		"--parallelism", fmt.Sprint(parallelism), "--workers", fmt.Sprint(s.workers), "--set", "operators.in.with=" + s.source,
		"--set", "checkpoint.interval=" + s.interval.String(), "--set", "restart=none"}, s.args...)
	if s.files {
		args = append(args, "--set", "operators.out.with.path="+filepath.Join(dir, "out"))
	}
	c := exec.CommandContext(ctx, l.Wasmill, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", s.file, err)
	}
	if s.until > 0 {
		interrupt := time.AfterFunc(s.until, func() { _ = c.Process.Signal(os.Interrupt) })
		defer interrupt.Stop()
	}
	waitErr := c.Wait()
	r, err := s.read(stdout.Bytes(), waitErr)
	if err != nil {
		return nil, nil, fmt.Errorf("run %s: %w: %s", s.file, err, strings.TrimSpace(stderr.String()))
	}
	took := &run{
		Events: int64(r.Operators["in"].RecordsOut), Seconds: r.Seconds, PeakRSSBytes: r.PeakRSSBytes, RowsOut: r.Operators["out"].RecordsIn,
		CPUSeconds: (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(),
	}
	took.CheckpointSeconds, err = l.checkpoints(ctx, r.Job, store)
	return r, took, err
}

// read reads the report of a run that ended so, and refuses one that says nothing of the
// job's speed.
func (s settings) read(stdout []byte, exit error) (*report, error) {
	var r report
	if err := json.Unmarshal(stdout, &r); err != nil {
		return nil, errors.Join(exit, fmt.Errorf("read report: %w", err))
	}
	if want := map[bool]string{true: "canceled", false: "finished"}[s.until > 0]; r.State != want {
		return nil, fmt.Errorf("it is %s, not %s", r.State, want)
	}
	if exit != nil && s.until == 0 {
		return nil, exit
	}
	if r.Seconds <= 0 {
		return nil, errors.New("its report says no time")
	}
	for name, o := range r.Operators {
		if o.Late > 0 {
			return nil, fmt.Errorf("%d records came too late for %s", o.Late, name)
		}
	}
	return &r, nil
}

// checkpoints asks how long those took that are retained.
func (l *lab) checkpoints(ctx context.Context, job, store string) (seconds []float64, err error) {
	text, err := exec.CommandContext(ctx, l.Wasmill, "checkpoint", "list", job, "--store", store, "-o", "json").Output()
	if err != nil {
		return nil, fmt.Errorf("list checkpoints of %s: %w", job, err)
	}
	if seconds, err = readCheckpoints(text); err != nil {
		return nil, fmt.Errorf("list checkpoints of %s: %w", job, err)
	}
	return seconds, nil
}

// readCheckpoints leaves the final one out.
func readCheckpoints(list []byte) (seconds []float64, err error) {
	var l struct {
		Checkpoints []struct {
			Seconds float64 `json:"seconds"`
			Final   bool    `json:"final"`
		} `json:"checkpoints"`
	}
	if err := json.Unmarshal(list, &l); err != nil {
		return nil, err
	}
	for _, c := range l.Checkpoints {
		if !c.Final {
			seconds = append(seconds, c.Seconds)
		}
	}
	return seconds, nil
}

// parallelism of what is measured.
const parallelism = 2

// events is `with` of a source that gives out so many as fast as it can.
func (l *lab) events(n, rate int64) string {
	return fmt.Sprintf("{events: %d, rate: %d}", n, cmp.Or(rate, l.rate))
}

// of are the settings of a query whose rows go nowhere; but those of q10, which is about
// files, go into some.
func (l *lab) of(ctx context.Context, q trial.Query, workers int) (settings, error) {
	s := settings{file: l.JobFile(q), files: q.Files, workers: workers}
	if q.Files {
		return s, nil
	}
	plan, err := l.Plan(ctx, q)
	s.args = plan.WithDiscard()
	return s, err
}
