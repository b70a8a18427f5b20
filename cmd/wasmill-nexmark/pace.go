package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// paced is how fast a job was, over several runs.
type paced struct {
	taken
	Runs []run `json:"runs"`
}

func (p *paced) perSecond() float64    { return p.median(run.perSecond) }
func (p *paced) perCPUSecond() float64 { return p.median(run.perCPUSecond) }
func (p *paced) peakBytes() float64 {
	return p.median(func(r run) float64 { return float64(r.PeakRSSBytes) })
}

// leastEvents are those of the run that had the fewest.
func (p *paced) leastEvents() int64 {
	if len(p.Runs) == 0 {
		return 0
	}
	return slices.MinFunc(p.Runs, func(a, b run) int { return cmp.Compare(a.Events, b.Events) }).Events
}

// greatestPeak is what all runs had room in.
func (p *paced) greatestPeak() (bytes float64) {
	for _, r := range p.Runs {
		bytes = max(bytes, float64(r.PeakRSSBytes))
	}
	return bytes
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

// pace runs a job several times, with so many events that each run lasts long enough.
// It begins with so many of them as known would last for share of that.
func (l *lab) pace(ctx context.Context, what string, s settings, known *paced, share float64, runs int) (*paced, error) {
	s.interval = intervalFor(l.atLeast)
	p := &paced{taken: l.taken(s.interval)}
	var err error
	first := int64(firstEvents)
	if known != nil {
		first = max(first, int64(share*known.perSecond()*l.atLeast.Seconds()))
	}
	p.Runs, err = repeat(first, runs, l.atLeast, func(n int64) (*run, error) {
		s.source = l.events(n, s.rate)
		_, r, err := l.run(ctx, s)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	l.say("%s: %.0f k events/s, %.0f k per core", what, p.perSecond()/1e3, p.perCPUSecond()/1e3)
	return p, nil
}

const (
	// firstEvents is how many events the run has that finds out how many are needed, where
	// nothing is known.
	firstEvents = 500_000
	// tooShort is how many runs may end early: each has more events than the one before.
	tooShort = 10
)

// repeat collects runs that last long enough and wrote checkpoints meanwhile.
func repeat(first int64, runs int, atLeast time.Duration, runOf func(events int64) (*run, error)) (all []run, err error) {
	n, early := first, 0
	for len(all) < runs {
		r, err := runOf(n)
		if err != nil {
			return nil, err
		}
		if r.Events != n {
			return nil, fmt.Errorf("count events: %d of %d were made", r.Events, n)
		}
		if short := atLeast.Seconds() / r.Seconds; short > 1 {
			if early++; early > tooShort {
				return nil, fmt.Errorf("find number of events: run %d has %d, and is over in %.1f s", early, n, r.Seconds)
			}
			n = int64(float64(n) * min(1.2*short, 40))
			continue
		}
		if err := r.checkpointed("-for"); err != nil {
			return nil, err
		}
		all = append(all, *r)
		if long := r.Seconds / atLeast.Seconds(); long > 1.4 {
			n = int64(float64(n) * 1.2 / long) // what was known was of something faster
		}
	}
	return all, nil
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
	return l.attempt(ctx, "the generator", func() (err error) {
		known := l.figures.Generator
		l.figures.Generator = nil
		file, err := l.writeJob("generator.yaml", generatorJob)
		if err != nil {
			return err
		}
		l.figures.Generator, err = l.pace(ctx, "generator", settings{file: file}, known, 1.1, l.runs)
		return err
	})
}

func (l *lab) writeJob(name, text string) (path string, err error) {
	path = filepath.Join(l.Scratch, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write job: %w", err)
	}
	return path, nil
}

func measurePace(ctx context.Context, l *lab) error {
	return l.each(ctx, 0, "", func(f *queryFigures) **paced { return &f.Pace })
}

// measureWorkers does the same over two worker processes and NATS.
func measureWorkers(ctx context.Context, l *lab) error {
	return l.each(ctx, 2, " over NATS", func(f *queryFigures) **paced { return &f.Workers })
}

// each keeps nil of a query that can't be measured: an earlier figure is not its own.
func (l *lab) each(ctx context.Context, workers int, how string, of func(*queryFigures) **paced) error {
	for _, q := range l.queries {
		what := q.Name + how
		err := l.attempt(ctx, what, func() error {
			f := l.figures.of(q)
			figure := of(f)
			known, share := *figure, 1.1
			if known == nil {
				known, share = f.Pace, 0.95 // over NATS it is slower
			}
			*figure = nil
			s, err := l.of(ctx, q, workers)
			if err == nil {
				*figure, err = l.pace(ctx, what, s, known, share, l.runs)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
