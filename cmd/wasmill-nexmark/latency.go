package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// latency is how long after it could be known a row came to the sink.
type latency struct {
	At   time.Time     `json:"at"`
	Rate int64         `json:"rate"` // events per second: half of what was reached
	Runs []percentiles `json:"runs"`
}

// percentiles are of all rows of a run, in ms.
type percentiles struct {
	Rows uint64  `json:"rows"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func (l *latency) p99() float64 { return l.median(func(r percentiles) float64 { return r.P99 }) }

func (l *latency) median(of func(percentiles) float64) float64 {
	var all []float64
	for _, r := range l.Runs {
		all = append(all, of(r))
	}
	return median(all)
}

// latencyQueries are those that have a bar.
var latencyQueries = []string{"q0", "q5", "q7", "q11"}

// measureLatency takes latencies at half of the pace that was measured before.
func measureLatency(ctx context.Context, l *lab) error {
	asked := slices.DeleteFunc(slices.Clone(l.queries), func(q trial.Query) bool { return !slices.Contains(latencyQueries, q.Name) })
	return l.eachQuery(ctx, asked, func(q trial.Query, f *queryFigures) error {
		var err error
		if f.Pace == nil {
			return errors.New("its pace is not known: measure that before")
		}
		if f.Latency, err = l.latency(ctx, q, 0, f.Pace); err != nil {
			return err
		}
		if f.Workers != nil {
			f.WorkersLatency, err = l.latency(ctx, q, 2, f.Workers)
		}
		return err
	})
}

// latency interrupts its runs: at the end of the input all windows close at once, long
// before their time.
func (l *lab) latency(ctx context.Context, q trial.Query, workers int, pace *paced) (*latency, error) {
	s, err := l.of(ctx, q, workers)
	if err != nil {
		return nil, err
	}
	all := &latency{At: now(), Rate: int64(pace.perSecond() / 2)}
	s.source, s.until = fmt.Sprintf("{speed: scheduled, rate: %d}", all.Rate), l.latencyFor
	for range l.runs {
		r, _, err := l.run(ctx, s)
		if err != nil {
			return nil, err
		}
		if r.LatencyMs == nil {
			return nil, errors.New("the report of its job has no latency")
		}
		all.Runs = append(all.Runs, percentiles{Rows: r.Operators["out"].RecordsIn, P50: r.LatencyMs.P50, P99: r.LatencyMs.P99, Max: r.LatencyMs.Max})
	}
	l.say("%s, %d workers, %d k events/s: p99 %.1f ms", q.Name, workers, all.Rate/1000, all.p99())
	return all, nil
}
