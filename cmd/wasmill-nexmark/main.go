// Command wasmill-nexmark checks the queries of examples/nexmark against the rows that
// Flink makes of the same events, measures each, and writes docs/nexmark.md.
//
// It judges and does not gate: a figure below its bar is told, and the exit code stays
// 0; rows that are wrong, and what could not be measured, end it with 1. How each figure
// is taken is in docs/nexmark.md. Start with phases below.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// phase is one kind of work on the queries that were asked for.
type phase struct {
	name string
	run  func(context.Context, *lab) error
}

// phases are in the order in which they run: latency is taken at half of the pace, and begins
// with what is known of that.
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
	o, err := readOptions(flag.NewFlagSet("wasmill-nexmark", flag.ExitOnError), os.Args[1:])
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	for _, p := range phases {
		if !slices.Contains(o.phases, p.name) {
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
	return errors.Join(l.wrong(), l.failure())
}
