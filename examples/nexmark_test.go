package examples

import (
	"slices"
	"testing"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// Every query gives the rows that Flink makes of the given events.
func TestNexmark(t *testing.T) {
	for _, q := range trial.Queries {
		for _, parallelism := range []int{1, 3} {
			nexmark(t, trial.Trial{Query: q, Parallelism: parallelism})
		}
	}
}

// Some of them have worker processes, or state on disk; `make nexmark` does it to all.
func TestNexmarkOtherwise(t *testing.T) {
	for _, c := range []struct {
		query string
		trial trial.Trial
	}{
		{"q4", trial.Trial{Parallelism: 2, Workers: 2}},
		{"q5", trial.Trial{Parallelism: 2, Workers: 2}},
		{"q9", trial.Trial{Parallelism: 3, Backend: "disk"}},
		{"q7", trial.Trial{Parallelism: 3, Backend: "disk"}},
	} {
		i := slices.IndexFunc(trial.Queries, func(q trial.Query) bool { return q.Name == c.query })
		c.trial.Query = trial.Queries[i]
		nexmark(t, c.trial)
	}
}

func nexmark(t *testing.T, c trial.Trial) {
	t.Run(c.String(), func(t *testing.T) {
		lab := trial.Lab{Wasmill: wasmill, Examples: "nexmark", Scratch: t.TempDir()}
		if err := lab.Run(t.Context(), c); err != nil {
			t.Errorf("%v (are the modules built? make guests)", err)
		}
	})
}
