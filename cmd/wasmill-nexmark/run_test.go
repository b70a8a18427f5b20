package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadReport(t *testing.T) {
	broken := errors.New("exit status 1")
	for _, c := range []struct {
		name  string
		text  string
		exit  error
		until time.Duration
		err   string // empty: it is taken
	}{
		{"finished", `{"state": "finished", "seconds": 2, "operators": {"in": {"recordsOut": 3}}}`, nil, 0, ""},
		{"interrupted", `{"state": "canceled", "seconds": 2}`, errors.New("exit status 130"), time.Second, ""},
		{"no report", "", broken, 0, "exit status 1"},
		{"half a report", `{"state": "finis`, nil, 0, "read report"},
		{"failed", `{"state": "failed", "seconds": 2}`, broken, 0, "it is failed, not finished"},
		{"interrupted by somebody else", `{"state": "canceled", "seconds": 2}`, nil, 0, "it is canceled, not finished"},
		{"over before it was interrupted", `{"state": "finished", "seconds": 2}`, nil, time.Second, "it is finished, not canceled"},
		{"finished, and failed", `{"state": "finished", "seconds": 2}`, broken, 0, "exit status 1"},
		{"late", `{"state": "finished", "seconds": 2, "operators": {"max": {"late": 4}}}`, nil, 0, "4 records came too late for max"},
		{"no time", `{"state": "finished"}`, nil, 0, "says no time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := settings{until: c.until}.read([]byte(c.text), c.exit)
			switch {
			case c.err == "" && (err != nil || r.Seconds != 2):
				t.Errorf("it is read as %+v, %v", r, err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("the error is %v, want %q", err, c.err)
			}
		})
	}
}

// The final checkpoint is none that the clock asked for.
func TestReadCheckpoints(t *testing.T) {
	for text, want := range map[string][]float64{
		`{"checkpoints": []}`:                              nil,
		`{"checkpoints": [{"seconds": 3, "final": true}]}`: nil,
		`{"checkpoints": [{"seconds": 1}, {"seconds": 2}, {"seconds": 3, "final": true}]}`: {1, 2},
	} {
		got, err := readCheckpoints([]byte(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
		if err := (run{CheckpointSeconds: got}).checkpointed("-x"); (err != nil) != (want == nil) {
			t.Errorf("with %v the error is %v", got, err)
		}
	}
	if _, err := readCheckpoints([]byte("no")); err == nil {
		t.Error("what is no list is read")
	}
}
