// Command wasmill-nexmark checks the queries of examples/nexmark against the rows that
// Flink makes of the same events, measures each, and writes docs/nexmark.md.
//
// It judges and does not gate: a figure below its bar is told, and the exit code stays
// 0; rows that are wrong end it with 1. How each figure is taken is in docs/nexmark.md.
// Start with phases below.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

// phase is one kind of work on the queries that were asked for.
type phase struct {
	name string
	run  func(context.Context, *lab) error
}

// phases are in the order in which they run: latency is taken at half of the pace that
// was measured.
var phases = []phase{
	{"check", check},
	{"generator", measureGenerator},
	{"pace", measurePace},
	{"workers", measureWorkers},
	{"latency", measureLatency},
	{"memory", measureMemory},
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
	var o options
	var only, wanted string
	var names []string
	for _, p := range phases {
		names = append(names, p.name)
	}
	flag.StringVar(&only, "only", "", "expression that the whole names of the queries match; all if empty")
	flag.StringVar(&wanted, "phases", strings.Join(names, ","), "what to do")
	flag.IntVar(&o.runs, "runs", 3, "runs of each measurement; their median counts")
	flag.DurationVar(&o.atLeast, "for", 20*time.Second, "how long each run lasts at least")
	flag.DurationVar(&o.latencyFor, "latency-for", time.Minute, "how long each run lasts that latencies are taken from")
	flag.Int64Var(&o.rate, "rate", 100_000, "events per second of event time")
	flag.Int64Var(&o.memoryEvents, "memory-events", 20_000_000, "events of the runs whose memory is taken")
	flag.StringVar(&o.out, "o", "docs/nexmark.json", "where the figures go; those of another machine are dropped, others are kept")
	flag.StringVar(&o.page, "page", "docs/nexmark.md", "the page whose tables are written anew")
	flag.Parse()
	expression, err := regexp.Compile("^(" + only + ")$")
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	if only != "" {
		o.only = expression
	}
	asked := strings.Split(wanted, ",")
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return fmt.Errorf("read -phases: no phase %q (there are %s)", name, strings.Join(names, ", "))
		}
	}
	if o.runs < 1 || o.rate < 1 || o.memoryEvents < 1 || flag.NArg() > 0 {
		return fmt.Errorf("read flags: -runs, -rate and -memory-events must be 1 at least, and there are no arguments")
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	for _, p := range phases {
		if !slices.Contains(asked, p.name) {
			continue
		}
		began := time.Now()
		if err := p.run(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		l.say("%s took %v", p.name, time.Since(began).Round(time.Second))
	}
	if err := l.figures.print(os.Stdout); err != nil {
		return err
	}
	return l.wrong()
}
