package main

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// checked is how a query's rows compared with Flink's.
type checked struct {
	At       time.Time `json:"at"`
	Trials   int       `json:"trials"`
	Failures []string  `json:"failures,omitempty"`
}

// trials are the ways in which a query is run: at each parallelism, in one process and
// over two, with either backend, and killed in each of these but one parallelism.
func trials(q trial.Query) (all []trial.Trial) {
	for _, workers := range []int{0, 2} {
		for _, backend := range []string{"memory", "disk"} {
			for parallelism := 1; parallelism <= 3; parallelism++ {
				all = append(all, trial.Trial{Query: q, Parallelism: parallelism, Workers: workers, Backend: backend})
			}
			all = append(all, trial.Trial{Query: q, Parallelism: 2, Workers: workers, Backend: backend, Kill: true})
		}
	}
	return all
}

func check(ctx context.Context, l *lab) error {
	for _, q := range l.queries {
		c := &checked{At: now()}
		for _, err := range l.tryAll(ctx, trials(q)) {
			c.Trials++
			if err != nil {
				l.say("WRONG: %v", err)
				c.Failures = append(c.Failures, err.Error())
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.say("%s: %d of %d runs gave Flink's rows", q.Name, c.Trials-len(c.Failures), c.Trials)
		l.figures.of(q).Check = c
		if err := l.save(); err != nil {
			return err
		}
	}
	return nil
}

// tryAll runs trials, as many at once as there are cores: those that are killed mostly
// wait for the clock.
func (l *lab) tryAll(ctx context.Context, all []trial.Trial) []error {
	errs := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, t := range all {
		group.Go(func() error {
			errs[i] = l.Run(ctx, t)
			return nil
		})
	}
	_ = group.Wait() // it has none
	return errs
}
