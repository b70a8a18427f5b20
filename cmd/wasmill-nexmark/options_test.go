package main

import (
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func optionsOf(args ...string) (options, error) {
	flags := flag.NewFlagSet("wasmill-nexmark", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return readOptions(flags, args)
}

func TestOptions(t *testing.T) {
	o, err := optionsOf()
	if err != nil || o.only != nil || o.runs != 3 || o.atLeast != 20*time.Second || o.latencyFor != time.Minute || o.memoryEvents != memoryBarEvents || len(o.phases) != len(phases) {
		t.Errorf("without flags they are %+v, %v", o, err)
	}
	o, err = optionsOf("-only", "q5|q7", "-phases", "pace,check", "-for", "1s", "-runs", "1")
	if err != nil || o.atLeast != time.Second || o.runs != 1 || !slices.Equal(o.phases, []string{"pace", "check"}) {
		t.Fatalf("they are %+v, %v", o, err)
	}
	for name, want := range map[string]bool{"q5": true, "q7": true, "q5-go": false, "q": false} {
		if o.only.MatchString(name) != want {
			t.Errorf("whether %s is meant is %v", name, !want)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	for _, c := range []struct{ args, err string }{
		{"-runs 0", "read -runs: 0 is too few: give 1 or more"},
		{"-rate 0", "read -rate: 0 is too few"},
		{"-memory-events -1", "read -memory-events: -1 is too few"},
		{"-for 0s", "read -for: 0s is too short: give 1s or more"},
		{"-for 999ms", "read -for: 999ms is too short"},
		{"-latency-for 0s", "read -latency-for: 0s is too short"},
		{"-latency-for -1m", "read -latency-for: -1m0s is too short"},
		{"-for twenty", "invalid value"},
		{"-only (", "read -only: "},
		{"-phases pace,speed", `read -phases: no phase "speed" (there are check, generator, pace, workers, latency, memory)`},
		{"-phases=", `read -phases: no phase ""`},
		{"q5", `read flags: "q5" is none`},
	} {
		if _, err := optionsOf(strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s gives %v, want %q", c.args, err, c.err)
		}
	}
}
