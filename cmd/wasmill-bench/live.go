package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// live is a job that runs until the measurement has seen enough of it.
type live struct {
	name       string
	cmd        *exec.Cmd
	address    string // of its metrics
	out        bytes.Buffer
	complaints bytes.Buffer
	ended      chan struct{} // closed when the process has ended
	err        error         // how; of ended
}

// liveOptions are what a measurement may change of a job and its process.
type liveOptions struct {
	args   []string  // after the common ones
	env    []string  // beside the environment
	cgroup *cgroup   // nil: none of its own
	stdout io.Writer // nil: where the report goes
	role   string    // of this binary, which becomes the process; "": none
}

// start runs a job. Its store is a folder or a URL.
func (l *lab) start(ctx context.Context, name, text, store string, o liveOptions) (*live, error) {
	file, err := l.writeFile(name+".yaml", text)
	if err != nil {
		return nil, err
	}
	j := &live{name: name, ended: make(chan struct{})}
	if j.address, err = freeAddress(); err != nil {
		return nil, err
	}
	args := append([]string{"run", file, "-o", "json", "--quiet", "--store", store, "--data-dir", l.scratch + "/data", "--metrics", j.address}, o.args...)
	j.cmd = exec.CommandContext(ctx, l.wasmill, args...)
	if o.role != "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find own binary: %w", err)
		}
		j.cmd = exec.CommandContext(ctx, self, append([]string{l.wasmill}, args...)...)
		o.env = append(o.env, roleVariable+"="+o.role)
	}
	if o.cgroup != nil {
		o.cgroup.enter(j.cmd)
	}
	j.cmd.Env = append(os.Environ(), o.env...)
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.complaints
	if o.stdout != nil {
		j.cmd.Stdout = o.stdout
	}
	if err := j.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start job %s: %w", name, err)
	}
	go func() {
		j.err = j.cmd.Wait()
		close(j.ended)
	}()
	return j, nil
}

// patience is how long a job may take to come to a state that a measurement waits for.
const patience = 3 * time.Minute

// wait polls until a condition holds, the job ends or patience does.
func (j *live) wait(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := holds(); err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-j.ended:
			return fmt.Errorf("wait for job %s to %s: it ended: %w: %s", j.name, what, j.err, strings.TrimSpace(j.complaints.String()))
		case <-ctx.Done():
			return fmt.Errorf("wait for job %s to %s: %w", j.name, what, ctx.Err())
		}
	}
}

// took waits until an operator has taken in so many records.
func (j *live) took(ctx context.Context, operator string, records float64) error {
	return j.wait(ctx, fmt.Sprintf("take in %.0f records", records), func() (bool, error) {
		c, err := j.counters(ctx)
		return c.recordsIn[operator] >= records, err
	})
}

// counters are what a job's metrics say of its operators, over all subtasks.
type counters struct {
	recordsIn, busy map[string]float64
}

// counters reads the metrics; before the job serves them there are none.
func (j *live) counters(ctx context.Context) (c counters, err error) {
	c = counters{recordsIn: map[string]float64{}, busy: map[string]float64{}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.address+"/metrics", nil)
	if err != nil {
		return c, fmt.Errorf("read metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return c, fmt.Errorf("read metrics: %w", err)
	}
	return c, c.read(text)
}

// read adds what Prometheus' text format says.
func (c *counters) read(text []byte) error {
	of := map[string]map[string]float64{"wasmill_records_in_total": c.recordsIn, "wasmill_busy_seconds_total": c.busy}
	for line := range bytes.Lines(text) {
		name, rest, _ := strings.Cut(string(line), "{")
		to := of[name]
		if to == nil {
			continue
		}
		labels, value, _ := strings.Cut(rest, "} ")
		_, operator, _ := strings.Cut(labels, `operator="`)
		operator, _, _ = strings.Cut(operator, `"`)
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return fmt.Errorf("read metrics: %q: %w", line, err)
		}
		to[operator] += v
	}
	return nil
}

// sample is what a job did in a while.
type sample struct {
	counters
	at  time.Time
	cpu float64 // seconds of the process
}

// progress is how a job went between two samples.
type progress struct {
	perSecond    float64 // records that the operator took in
	perCPUSecond float64 // of the whole process
	busy         map[string]float64
}

// sample waits for the operator's counter to move, which it does twice a second, so that
// the time is that of the figures.
func (j *live) sample(ctx context.Context, operator string) (s sample, err error) {
	first := -1.0
	err = j.wait(ctx, "tell of its progress", func() (bool, error) {
		c, err := j.counters(ctx)
		if first < 0 {
			first = c.recordsIn[operator]
		}
		s.counters, s.at = c, time.Now()
		return c.recordsIn[operator] > first, err
	})
	if err != nil {
		return s, err
	}
	s.cpu, err = cpuOf(j.cmd.Process.Pid)
	return s, err
}

// pace watches an operator for a while.
func (j *live) pace(ctx context.Context, operator string, d time.Duration) (p progress, err error) {
	a, err := j.sample(ctx, operator)
	if err != nil {
		return p, err
	}
	if err := j.rest(ctx, d); err != nil {
		return p, err
	}
	b, err := j.sample(ctx, operator)
	if err != nil {
		return p, err
	}
	records, seconds := b.recordsIn[operator]-a.recordsIn[operator], b.at.Sub(a.at).Seconds()
	p = progress{perSecond: records / seconds, perCPUSecond: records / (b.cpu - a.cpu), busy: map[string]float64{}}
	for name := range b.busy {
		p.busy[name] = (b.busy[name] - a.busy[name]) / seconds
	}
	return p, nil
}

// rest lets the job run.
func (j *live) rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-j.ended:
		return fmt.Errorf("watch job %s: it ended: %w: %s", j.name, j.err, strings.TrimSpace(j.complaints.String()))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cancel ends the job in order and reads its report.
func (j *live) cancel() (*jobResult, error) {
	_ = j.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-j.ended:
	case <-time.After(time.Minute):
		j.kill()
		return nil, fmt.Errorf("cancel job %s: it did not end within a minute", j.name)
	}
	var r jobResult
	if err := json.Unmarshal(j.out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("read report of %s: %w: %s", j.name, err, strings.TrimSpace(j.complaints.String()))
	}
	if r.State != "canceled" {
		return nil, fmt.Errorf("run job %s: it is %s: %s", j.name, r.State, strings.TrimSpace(j.complaints.String()))
	}
	return &r, nil
}

// kill ends the process at once, and is harmless after its end.
func (j *live) kill() {
	_ = j.cmd.Process.Kill()
	<-j.ended
}
