package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// lab is where measurements are taken: the tree, the built binary, a folder for what
// is written by the way, and the values so far.
type lab struct {
	root    string
	wasmill string
	scratch string
	runs    int
	values  map[string][]float64 // by name of the bar

	stateBytes int64        // of jobs with much state
	full       *filledStore // nil until somebody needs it
}

func newLab(runs int, stateBytes int64) (*lab, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find tree: %w", err)
	}
	l := &lab{root: root, wasmill: filepath.Join(root, "bin", "wasmill"), runs: runs, values: map[string][]float64{}, stateBytes: stateBytes}
	if _, err := os.Stat(l.wasmill); err != nil {
		return nil, errors.New("find bin/wasmill: run make bench in the root of the tree")
	}
	l.scratch, err = os.MkdirTemp("", "wasmill-bench-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.scratch) }

func (l *lab) add(name string, value float64) { l.values[name] = append(l.values[name], value) }

// figures holds the values against the bars.
func (l *lab) figures() []figure {
	all := make([]figure, 0, len(bars))
	for _, b := range bars {
		all = append(all, newFigure(b, l.values[b.name]))
	}
	return all
}

// figure is one line of the report. Without runs nothing was measured.
type figure struct {
	Name   string  `json:"name"`
	Bound  bound   `json:"bound"` // of the bar; empty if there is none
	Bar    float64 `json:"bar"`
	Unit   string  `json:"unit"`
	Figure float64 `json:"figure"` // the median
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
	Met    bool    `json:"met"`
}

func newFigure(b bar, values []float64) figure {
	f := figure{Name: b.name, Bound: b.bound, Bar: b.limit, Unit: b.unit, Runs: len(values)}
	if len(values) == 0 {
		f.Met = b.bound == noBar
		return f
	}
	f.Figure, f.Min, f.Max = median(values), slices.Min(values), slices.Max(values)
	switch b.bound {
	case atMost:
		f.Met = f.Figure <= b.limit
	case atLeast:
		f.Met = f.Figure >= b.limit
	case noBar:
		f.Met = true
	}
	return f
}

// median is the middle of the values, or the mean of the two in the middle.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}
