package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// paced is how fast a job was, over several runs.
type paced struct {
	At   time.Time `json:"at"`
	Runs []run     `json:"runs"`
}

func (p *paced) perSecond() float64    { return p.median(run.perSecond) }
func (p *paced) perCPUSecond() float64 { return p.median(run.perCPUSecond) }
func (p *paced) peakBytes() float64 {
	return p.median(func(r run) float64 { return float64(r.PeakRSSBytes) })
}

func (p *paced) median(of func(run) float64) float64 {
	var all []float64
	for _, r := range p.Runs {
		all = append(all, of(r))
	}
	return median(all)
}

// checkpointSeconds is the median of all runs' checkpoints.
func (p *paced) checkpointSeconds() (seconds float64, any bool) {
	var all []float64
	for _, r := range p.Runs {
		all = append(all, r.CheckpointSeconds...)
	}
	return median(all), len(all) > 0
}

// firstEvents is how many events the run has that finds out how many are needed.
const firstEvents = 500_000

// pace runs a job several times, with so many events that each run lasts long enough.
func (l *lab) pace(ctx context.Context, what string, s settings) (*paced, error) {
	p := &paced{At: now()}
	for n := int64(firstEvents); len(p.Runs) < l.runs; {
		s.source = l.events(n)
		_, r, err := l.run(ctx, s)
		if err != nil {
			return nil, err
		}
		if r.Events != n {
			return nil, fmt.Errorf("run %s: %d of %d events were made", what, r.Events, n)
		}
		if short := l.atLeast.Seconds() / r.Seconds; short > 1 {
			n = int64(float64(n) * min(1.2*short, 40))
			continue
		}
		p.Runs = append(p.Runs, *r)
	}
	l.say("%s: %.0f k events/s, %.0f k per core", what, p.perSecond()/1e3, p.perCPUSecond()/1e3)
	return p, nil
}

// generatorJob drops events where they are made. Its sink is chained to its source.
const generatorJob = `version: 1
job: nexmark-generator
parallelism: 2
checkpoint: {interval: 10s}
operators:
  in: {source: nexmark, with: {}, watermark: {outOfOrder: 0s}}
  out: {sink: discard, inputs: [in]}
`

func measureGenerator(ctx context.Context, l *lab) error {
	file, err := l.writeJob("generator.yaml", generatorJob)
	if err != nil {
		return err
	}
	p, err := l.pace(ctx, "generator", settings{file: file})
	if err != nil {
		return err
	}
	l.figures.Generator = p
	return l.save()
}

func (l *lab) writeJob(name, text string) (path string, err error) {
	path = filepath.Join(l.Scratch, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write job: %w", err)
	}
	return path, nil
}

func measurePace(ctx context.Context, l *lab) error {
	return l.each(ctx, 0, "", func(f *queryFigures, p *paced) { f.Pace = p })
}

// measureWorkers does the same over two worker processes and NATS.
func measureWorkers(ctx context.Context, l *lab) error {
	return l.each(ctx, 2, " over NATS", func(f *queryFigures, p *paced) { f.Workers = p })
}

func (l *lab) each(ctx context.Context, workers int, how string, keep func(*queryFigures, *paced)) error {
	return l.eachQuery(ctx, l.queries, func(q trial.Query, f *queryFigures) error {
		s, err := l.of(ctx, q, workers)
		if err != nil {
			return err
		}
		p, err := l.pace(ctx, q.Name+how, s)
		if err != nil {
			return err
		}
		keep(f, p)
		return nil
	})
}

// eachQuery measures queries one by one. One that can't be measured is told of, and the
// next ones are.
func (l *lab) eachQuery(ctx context.Context, queries []trial.Query, measure func(trial.Query, *queryFigures) error) error {
	for _, q := range queries {
		if err := measure(q, l.figures.of(q)); err != nil {
			l.say("measure %s: %v", q.Name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.save(); err != nil {
			return err
		}
	}
	return nil
}
