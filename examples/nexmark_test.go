package examples

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// Every query gives the rows that Flink makes of the given events.
func TestNexmark(t *testing.T) {
	files, err := filepath.Glob("nexmark/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !slices.ContainsFunc(trial.Queries, func(q trial.Query) bool { return q.Name == name }) {
			t.Errorf("%s is not among the queries that are tried", file)
		}
	}
	for _, q := range trial.Queries {
		for _, parallelism := range []int{1, 3} {
			nexmark(t, trial.Trial{Query: q, Parallelism: parallelism})
		}
	}
}

// Some of them are killed in the middle, have worker processes, or state on disk; `make
// nexmark` does it to all of them.
func TestNexmarkUnderFaults(t *testing.T) {
	for _, c := range []struct {
		query string
		trial trial.Trial
	}{
		{"q4", trial.Trial{Parallelism: 2, Workers: 2}},
		{"q7", trial.Trial{Parallelism: 3, Backend: "disk"}},
		{"q9", trial.Trial{Parallelism: 3, Kill: true}},
		{"q10", trial.Trial{Parallelism: 1, Kill: true}},
		{"q11", trial.Trial{Parallelism: 2, Backend: "disk", Kill: true}},
		{"q5", trial.Trial{Parallelism: 2, Workers: 2, Kill: true}},
	} {
		i := slices.IndexFunc(trial.Queries, func(q trial.Query) bool { return q.Name == c.query })
		c.trial.Query = trial.Queries[i]
		nexmark(t, c.trial)
	}
}

func nexmark(t *testing.T, c trial.Trial) {
	t.Run(c.String(), func(t *testing.T) {
		t.Parallel()
		lab := trial.Lab{Wasmill: wasmill, Examples: "nexmark", Scratch: t.TempDir()}
		ctx, cancel := context.WithTimeout(t.Context(), trialTime)
		defer cancel()
		if err := lab.Run(ctx, c); err != nil {
			t.Errorf("%v (are the modules built? make guests)", err)
		}
	})
}
