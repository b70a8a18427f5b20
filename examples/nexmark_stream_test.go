package examples

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// Queries that remember something give the rows of an oracle on events of other seeds,
// rates and proportions, many of them in one ms, at the edges of windows too, and at
// midnight.
func TestNexmarkStreams(t *testing.T) {
	lab := trial.Lab{Wasmill: wasmill, Examples: "nexmark", Scratch: t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), trialTime)
	defer cancel()
	events := 120_000
	if os.Getenv("WASMILL_SOAK") != "" {
		events = 1_000_000 // so that state on disk has many pages
	}
	streams, err := lab.Streams(ctx, events)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range trial.Queries {
		if !q.Answers() {
			continue
		}
		for i, s := range streams {
			nexmark(t, trial.Trial{Query: q, Parallelism: 3, Backend: []string{"disk", "memory"}[i%2], Of: s})
		}
		for _, s := range []*trial.Stream{streams[0], streams[len(streams)-1]} {
			nexmark(t, trial.Trial{Query: q, Parallelism: 1, Of: s})
		}
	}
}

// An oracle that others are held against agrees with Flink on the given events.
func TestNexmarkOracle(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), trialTime)
	defer cancel()
	file, err := filepath.Abs("nexmark/events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	lab := trial.Lab{Wasmill: wasmill, Scratch: t.TempDir()}
	given, err := lab.Generate(ctx, "given events", "{file: "+file+"}")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range trial.Queries {
		if !q.Answers() || q.Rows != q.Name {
			continue
		}
		want, err := trial.ReadRows(filepath.Join("nexmark", "testdata", q.Rows+".ndjson.gz"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := given.Rows(q.Rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := trial.Compare(got, want); err != nil {
			t.Errorf("%s: %v", q.Name, err)
		}
	}
}

// trialTime is how long a trial may take, on a machine that does other things, too.
const trialTime = 5 * time.Minute
