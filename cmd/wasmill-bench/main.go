// Command wasmill-bench measures what wasmill promises: it runs the benchmarks of the
// packages and whole jobs with the built binary, writes the figures beside their bars
// as JSON and prints what falls short.
//
// It judges, it does not gate: a noisy machine must not fail a build, so that a missed
// bar is told and the exit code stays 0. How each figure is taken is in
// docs/performance.md. Start with bars.go, then measurements below.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
)

// measurement fills some bars with values.
type measurement struct {
	name string
	run  func(context.Context, *lab) error
}

var measurements = []measurement{
	{"record", measureRecord},
	{"host", measureHost},
	{"chain", measureChains},
	{"queue", measureQueues},
	{"nats", measureNATS},
	{"stall", measureStall},
	{"neighbour", measureNeighbour},
	{"state-count", measureStateCount},
	{"state-window", measureStateWindows},
	{"state-disk", measureStateDisk},
	{"state-checkpoint", measureStateCheckpoints},
	{"state-delta", measureStateDelta},
	{"state-restore", measureStateRestore},
	{"state-strike", measureStateStrike},
	{"state-key", measureStateKey},
	{"state-store", measureStateStore},
	{"heap-pause", measureHeapPause},
	{"heap-large", measureHeapLarge},
	{"heap-throughput", measureHeapThroughput},
	{"heap-restore", measureHeapRestore},
	{"nexmark-generator", measureNexmark},
	{"jetstream", measureJetStream},
	{"start", measureStart},
	{"binary", measureBinary},
	{"fresh", measureFresh},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := execute(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func execute(ctx context.Context) error {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		return role(ctx)
	}
	out := flag.String("o", "bench.json", "where the figures go")
	only := flag.String("only", "", "expression that the names of the measurements to run match")
	runs := flag.Int("runs", 7, "runs of each job; their median counts")
	state := flag.Int64("state", defaultStateBytes, "bytes of state of jobs that have much; with fewer their figures say nothing of the bars")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	if *runs < 1 || *state < minStateBytes {
		return fmt.Errorf("read flags: -runs must be 1 at least, -state %d", minStateBytes)
	}
	l, err := newLab(*runs, *state)
	if err != nil {
		return err
	}
	defer l.close()
	if note := busyNote(); note != "" {
		fmt.Fprintln(os.Stderr, note)
	}
	for _, m := range measurements {
		if !wanted.MatchString(m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", m.name)
		if err := m.run(ctx, l); err != nil {
			// The bars it leaves open are reported as not measured.
			fmt.Fprintf(os.Stderr, "measure %s: %v\n", m.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	figures := l.figures()
	if *only != "" {
		figures = slices.DeleteFunc(figures, func(f figure) bool { return f.Runs == 0 })
	}
	if err := writeJSON(*out, figures); err != nil {
		return err
	}
	printTable(os.Stdout, figures)
	return nil
}
