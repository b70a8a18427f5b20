package main

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	only         *regexp.Regexp // nil: all queries
	phases       []string
	runs         int
	atLeast      time.Duration
	latencyFor   time.Duration
	rate         int64
	memoryEvents int64
	out, page    string
}

// shortest is how long a run has to last, that anything can be said of it.
const shortest = time.Second

func readOptions(flags *flag.FlagSet, args []string) (o options, err error) {
	var only, wanted string
	var names []string
	for _, p := range phases {
		names = append(names, p.name)
	}
	flags.StringVar(&only, "only", "", "expression that the whole names of the queries match; all if empty")
	flags.StringVar(&wanted, "phases", strings.Join(names, ","), "what to do")
	flags.IntVar(&o.runs, "runs", 3, "runs of each measurement; their median counts, of memory the greatest")
	flags.DurationVar(&o.atLeast, "for", 20*time.Second, "how long each run lasts at least")
	flags.DurationVar(&o.latencyFor, "latency-for", time.Minute, "how long each run lasts that latencies are taken from")
	flags.Int64Var(&o.rate, "rate", 100_000, "events per second of event time")
	flags.Int64Var(&o.memoryEvents, "memory-events", memoryBarEvents, "events of the runs whose memory is taken")
	flags.StringVar(&o.out, "o", "docs/nexmark.json", "where the figures go; those of another machine are dropped, others are kept")
	flags.StringVar(&o.page, "page", "docs/nexmark.md", "the page whose tables are written anew")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("read flags: %q is none", flags.Arg(0))
	}
	if only != "" {
		if o.only, err = regexp.Compile("^(" + only + ")$"); err != nil {
			return o, fmt.Errorf("read -only: %w", err)
		}
	}
	o.phases = strings.Split(wanted, ",")
	for _, name := range o.phases {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("read -phases: no phase %q (there are %s)", name, strings.Join(names, ", "))
		}
	}
	return o, o.bounds()
}

// bounds refuses what would measure nothing.
func (o *options) bounds() error {
	for _, n := range []struct {
		name  string
		given int64
	}{{"runs", int64(o.runs)}, {"rate", o.rate}, {"memory-events", o.memoryEvents}} {
		if n.given < 1 {
			return fmt.Errorf("read -%s: %d is too few: give 1 or more", n.name, n.given)
		}
	}
	for _, d := range []struct {
		name  string
		given time.Duration
	}{{"for", o.atLeast}, {"latency-for", o.latencyFor}} {
		if d.given < shortest {
			return fmt.Errorf("read -%s: %v is too short: give %v or more", d.name, d.given, shortest)
		}
	}
	return nil
}
