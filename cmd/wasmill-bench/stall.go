package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The two flows of the job share each worker's connection. The records of held all have
// key "0", which belongs to subtask 1, so that they cross from worker 0 to worker 1;
// there their sink writes to a pipe that nobody reads for a while.
const (
	stallWarmup  = 6 * time.Second
	stallSeconds = 60
	flowSeconds  = 5      // for which the pace of the free flow is taken
	stallRate    = 50_000 // records a second of either flow
	stallRecords = stallRate * 75
)

var stallJob = fmt.Sprintf(`version: 1
job: stall
parallelism: 2
operators:
  held:
    source: generator
    parallelism: 1
    with: {records: %[1]d, rate: %[2]d, keys: 1, valueSize: 100}
  pipe:
    sink: stdout
    inputs: [{from: held, by: key}]
  free:
    source: generator
    parallelism: 1
    with: {records: %[1]d, rate: %[2]d, keys: 1, valueSize: 100}
  drain:
    sink: discard
    inputs: [{from: free, by: key}]
`, stallRecords, stallRate)

// measureStall stops reading what a job writes and watches the process that sends.
func measureStall(ctx context.Context, l *lab) error {
	file, err := l.writeFile("stall.yaml", stallJob)
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, l.wasmill, "run", file, "-o", "json", "--quiet", "--store", filepath.Join(l.scratch, "store"), "--workers=2", "--metrics="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start stalled job: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start stalled job: %w", err)
	}
	rows := &rowReader{from: bufio.NewReaderSize(out, 64<<10)}
	watchErr := rows.readFor(stallWarmup)
	if watchErr == nil {
		watchErr = l.watchStall(ctx, cmd.Process.Pid, address)
	}
	if watchErr != nil {
		_ = cmd.Process.Signal(os.Interrupt)
	}
	readErr := rows.readAll()
	waitErr := cmd.Wait()
	for _, err := range []error{watchErr, readErr, waitErr} {
		if err != nil {
			return fmt.Errorf("run stalled job: %w", err)
		}
	}
	l.add(stallArrived, float64(rows.count)/stallRecords)
	return nil
}

// watchStall takes the sender's growth and the pace of the free flow while nobody
// reads.
func (l *lab) watchStall(ctx context.Context, parent int, address string) error {
	sender, err := findEngine(parent, "w0")
	if err != nil {
		return err
	}
	before, err := residentBytes(sender)
	if err != nil {
		return err
	}
	peak, slowest := before, float64(stallRate)
	last, at, err := drained(ctx, address)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; n <= stallSeconds; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, err := residentBytes(sender)
		if err != nil {
			return err
		}
		peak = max(peak, now)
		if n%flowSeconds != 0 {
			continue
		}
		count, then, err := drained(ctx, address)
		if err != nil {
			return err
		}
		slowest = min(slowest, (count-last)/then.Sub(at).Seconds())
		last, at = count, then
	}
	l.add(stallGrowth, float64(peak-before)/(1<<20))
	l.add(stallFlow, slowest/stallRate)
	return nil
}

// rowReader counts the rows on a job's stdout; the last line is its report.
type rowReader struct {
	from  *bufio.Reader
	count int
	last  []byte
}

func (r *rowReader) readFor(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := r.line(); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
	}
	return nil
}

func (r *rowReader) readAll() error {
	for {
		switch err := r.line(); {
		case err == io.EOF:
			var report jobResult
			if err := json.Unmarshal(r.last, &report); err != nil {
				return fmt.Errorf("read report: %w", err)
			}
			r.count-- // the report itself
			return nil
		case err != nil:
			return fmt.Errorf("read rows: %w", err)
		}
	}
}

func (r *rowReader) line() error {
	line, err := r.from.ReadSlice('\n')
	if err == nil {
		r.count++
		r.last = append(r.last[:0], line...)
	}
	return err
}

// drained asks the job's metrics how many records of the free flow came to their sink.
func drained(ctx context.Context, address string) (records float64, at time.Time, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, at, fmt.Errorf("read metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, at, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, at, fmt.Errorf("read metrics: %w", err)
	}
	for line := range bytes.Lines(text) {
		name, value, _ := strings.Cut(string(line), "} ")
		if !strings.HasPrefix(name, "wasmill_records_in_total{") || !strings.Contains(name, `operator="drain"`) {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			return 0, at, fmt.Errorf("read metrics: %q: %w", line, err)
		}
		records += v
	}
	return records, time.Now(), nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
