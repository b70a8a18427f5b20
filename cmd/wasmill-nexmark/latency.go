package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// latency is how long after it could be known a row came to the sink.
type latency struct {
	taken
	Rate          int64         `json:"rate"`                    // events per second: half of what was reached
	BufferTimeout string        `json:"bufferTimeout,omitempty"` // as the job file says
	Runs          []percentiles `json:"runs"`
}

// percentiles are of all rows of a run, in ms.
type percentiles struct {
	Rows uint64  `json:"rows"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// fewRows have no percentile 99: it is the greatest.
const fewRows = 100

func (p percentiles) tail() float64 {
	if p.Rows < fewRows {
		return p.Max
	}
	return p.P99
}

func (l *latency) p99() float64 { return l.median(percentiles.tail) }

// leastRows are those of the run that has the fewest.
func (l *latency) leastRows() uint64 {
	least := uint64(math.MaxUint64)
	for _, r := range l.Runs {
		least = min(least, r.Rows)
	}
	return least
}

func (l *latency) median(of func(percentiles) float64) float64 {
	var all []float64
	for _, r := range l.Runs {
		all = append(all, of(r))
	}
	return median(all)
}

// latencyQueries are those that have a bar.
var latencyQueries = []string{"q0", "q5", "q7", "q11"}

// measureLatency takes latencies at half of the pace, that of events whose time is that of
// the clock: a window or a session of ten seconds then holds many times what it does
// at the usual rate. It is taken just before, since a shared machine is not as fast at all
// times.
func measureLatency(ctx context.Context, l *lab) error {
	for _, q := range l.asked(latencyQueries) {
		f := l.figures.of(q)
		f.Latency, f.WorkersLatency = nil, nil
		err := l.attempt(ctx, "latency of "+q.Name, func() (err error) {
			if f.Pace == nil {
				return errors.New("its pace is not known: measure that before")
			}
			f.Latency, err = l.latency(ctx, q, 0, f.Pace)
			return err
		})
		if err != nil {
			return err
		}
		if f.Workers == nil {
			continue
		}
		err = l.attempt(ctx, "latency of "+q.Name+" over NATS", func() (err error) {
			f.WorkersLatency, err = l.latency(ctx, q, 2, f.Workers)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// asked are those of the queries that were asked for.
func (l *lab) asked(names []string) []trial.Query {
	return slices.DeleteFunc(slices.Clone(l.queries), func(q trial.Query) bool { return !slices.Contains(names, q.Name) })
}

// latency interrupts its runs: at the end of the input all windows close at once, long
// before their time.
func (l *lab) latency(ctx context.Context, q trial.Query, workers int, pace *paced) (*latency, error) {
	s, err := l.of(ctx, q, workers)
	if err != nil {
		return nil, err
	}
	s.rate = int64(pace.perSecond())
	before, err := l.pace(ctx, q.Name+" in real time", s, pace, 1.1, 1)
	if err != nil {
		return nil, err
	}
	s.interval = intervalFor(l.latencyFor)
	all := &latency{taken: l.taken(s.interval), Rate: int64(before.perSecond() / 2)}
	if all.BufferTimeout, err = bufferTimeoutOf(s.file); err != nil {
		return nil, err
	}
	s.source, s.until = fmt.Sprintf("{speed: scheduled, rate: %d}", all.Rate), l.latencyFor
	for range l.runs {
		r, took, err := l.run(ctx, s)
		if err != nil {
			return nil, err
		}
		if r.LatencyMs == nil {
			return nil, errors.New("the report of its job has no latency: raise -latency-for")
		}
		if err := took.checkpointed("-latency-for"); err != nil {
			return nil, err
		}
		all.Runs = append(all.Runs, percentiles{Rows: took.RowsOut, P50: r.LatencyMs.P50, P99: r.LatencyMs.P99, Max: r.LatencyMs.Max})
	}
	l.say("%s, %d workers, %d k events/s: p99 %.1f ms", q.Name, workers, all.Rate/1000, all.p99())
	return all, nil
}

// bufferTimeoutOf reads how long a job file says that batches wait.
func bufferTimeoutOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read job: %w", err)
	}
	var job struct {
		BufferTimeout string `yaml:"bufferTimeout"`
	}
	if err := yaml.Unmarshal(text, &job); err != nil {
		return "", fmt.Errorf("read job %s: %w", file, err)
	}
	return cmp.Or(job.BufferTimeout, "the default"), nil
}
