package main

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// checked is how a query's rows compared with Flink's or, on other events, an oracle's.
type checked struct {
	At       time.Time `json:"at"`
	Trials   int       `json:"trials"`
	Failures []string  `json:"failures,omitempty"`
}

// streamEvents is how many events the longest stream has.
const streamEvents = 200_000

// trials are the ways in which a query is run: at each parallelism, in one process and
// over two, with either backend, each of these killed, too; and on other events, where it
// has more to do than to look at one.
func trials(q trial.Query, streams []*trial.Stream) (all []trial.Trial) {
	backends := []string{"memory", "disk"}
	for parallelism := 1; parallelism <= 3; parallelism++ {
		for _, workers := range []int{0, 2} {
			for _, backend := range backends {
				t := trial.Trial{Query: q, Parallelism: parallelism, Workers: workers, Backend: backend}
				all = append(all, t)
				t.Kill = true
				all = append(all, t)
			}
		}
		for i, s := range streams {
			if q.Answers() {
				all = append(all, trial.Trial{Query: q, Parallelism: parallelism, Backend: backends[(parallelism+i)%2], Of: s})
			}
		}
	}
	return all
}

func check(ctx context.Context, l *lab) error {
	streams, err := l.Streams(ctx, streamEvents)
	if err != nil {
		return err
	}
	for _, q := range l.queries {
		c := &checked{At: now()}
		for _, err := range l.tryAll(ctx, trials(q, streams)) {
			c.Trials++
			if err != nil {
				l.say("WRONG: %v", err)
				c.Failures = append(c.Failures, err.Error())
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.say("%s: %d of %d runs gave the right rows", q.Name, c.Trials-len(c.Failures), c.Trials)
		l.figures.of(q).Check = c
		if err := l.save(); err != nil {
			return err
		}
	}
	return nil
}

// tryAll runs trials, more at once than there are cores: those that are killed mostly wait
// for the clock.
func (l *lab) tryAll(ctx context.Context, all []trial.Trial) []error {
	errs := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(2 * runtime.NumCPU())
	for i, t := range all {
		group.Go(func() error {
			errs[i] = l.Run(ctx, t)
			return nil
		})
	}
	_ = group.Wait() // it has none
	return errs
}
