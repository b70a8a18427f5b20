package main

import (
	"context"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// memory is a run whose memory counts.
type memory struct {
	At  time.Time `json:"at"`
	Run run       `json:"run"`
}

// memoryQueries are those with a bar: their state grows with the events.
var memoryQueries = []string{"q4", "q9", "q16", "q18", "q20"}

// backends are where state is kept, and how many bytes of memory a run may take then.
var backends = []struct {
	name string
	bar  float64
}{{"disk", 4 << 30}, {"memory", 8 << 30}}

func measureMemory(ctx context.Context, l *lab) error {
	asked := slices.DeleteFunc(slices.Clone(l.queries), func(q trial.Query) bool { return !slices.Contains(memoryQueries, q.Name) })
	return l.eachQuery(ctx, asked, func(q trial.Query, f *queryFigures) error {
		plan, err := l.Plan(ctx, q)
		if err != nil {
			return err
		}
		for _, b := range backends {
			s := settings{file: l.JobFile(q), source: l.events(l.memoryEvents), args: append(plan.WithDiscard(), plan.WithBackend(b.name)...)}
			_, r, err := l.run(ctx, s)
			if err != nil {
				return err
			}
			if f.Memory == nil {
				f.Memory = map[string]*memory{}
			}
			f.Memory[b.name] = &memory{At: now(), Run: *r}
			l.say("%s with %s: %.2f GiB, %.0f s", q.Name, b.name, float64(r.PeakRSSBytes)/(1<<30), r.Seconds)
		}
		return nil
	})
}
