package main

import (
	"context"
	"fmt"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// memoryQueries are those with a bar: their state grows with the events.
var memoryQueries = []string{"q4", "q9", "q16", "q18", "q20"}

// backends are where state is kept, and how many bytes of memory a run may take then.
var backends = []struct {
	name string
	bar  float64
}{{"disk", 4 << 30}, {"memory", 8 << 30}}

const (
	// memoryBarEvents is how many events the bar is for.
	memoryBarEvents = 20_000_000
	// memoryInterval has checkpoints in runs that last a few seconds.
	memoryInterval = time.Second
)

// measureMemory makes runs of so many events, however long they last.
func measureMemory(ctx context.Context, l *lab) error {
	for _, q := range l.asked(memoryQueries) {
		f := l.figures.of(q)
		if f.Memory == nil {
			f.Memory = map[string]*paced{}
		}
		for _, b := range backends {
			delete(f.Memory, b.name)
			err := l.attempt(ctx, "memory of "+q.Name+" with "+b.name, func() error {
				m, err := l.memory(ctx, q, b.name)
				if err != nil {
					return err
				}
				f.Memory[b.name] = m
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) memory(ctx context.Context, q trial.Query, backend string) (*paced, error) {
	plan, err := l.Plan(ctx, q)
	if err != nil {
		return nil, err
	}
	m := &paced{taken: l.taken(memoryInterval)}
	for range l.runs {
		_, r, err := l.run(ctx, settings{
			file: l.JobFile(q), source: l.events(l.memoryEvents, 0), interval: memoryInterval,
			args: append(plan.WithDiscard(), plan.WithBackend(backend)...),
		})
		if err != nil {
			return nil, err
		}
		if r.Events != l.memoryEvents {
			return nil, fmt.Errorf("count events: %d of %d were made", r.Events, l.memoryEvents)
		}
		if err := r.checkpointed("-memory-events"); err != nil {
			return nil, err
		}
		m.Runs = append(m.Runs, *r)
	}
	l.say("%s with %s: %s", q.Name, backend, gib(m.greatestPeak()))
	return m, nil
}
