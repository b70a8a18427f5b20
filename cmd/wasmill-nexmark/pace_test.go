package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// machineOf runs so many events a second.
func machineOf(perSecond float64) func(int64) (*run, error) {
	return func(n int64) (*run, error) {
		return &run{Events: n, Seconds: float64(n) / perSecond, CheckpointSeconds: []float64{0.1}}, nil
	}
}

// A run counts if it is long enough, and there are as many as were asked for.
func TestRepeat(t *testing.T) {
	const million = 1_000_000
	for _, c := range []struct {
		name string
		run  func(n int64) (*run, error)
		want []int64 // events of the runs, one behind the other
		last int     // how many of them count
		err  string
	}{
		{"the first is long enough", machineOf(20_000), []int64{million / 2, million / 2, million / 2}, 3, ""},
		{"the first is too long", machineOf(10_000), []int64{million / 2, 240_000, 240_000}, 3, ""},
		{"by so much more", machineOf(100_000), []int64{million / 2, 2_400_000, 2_400_000, 2_400_000}, 3, ""},
		{"not by more than 40 times", machineOf(20 * million), []int64{million / 2, 20 * million, 480 * million, 480 * million, 480 * million}, 3, ""},
		{"one is faster than those before", faster(machineOf(100_000), 3), []int64{million / 2, 2_400_000, 2_400_000, 2_400_000, 3_031_578}, 3, ""},
		{"it never lasts", func(n int64) (*run, error) { return &run{Events: n, Seconds: 19}, nil }, nil, 0, "is over in 19.0 s"},
		{"it fails", func(int64) (*run, error) { return nil, errors.New("broken") }, []int64{million / 2}, 0, "broken"},
		{"not all events are made", func(n int64) (*run, error) { return &run{Events: n - 1, Seconds: 30}, nil }, []int64{million / 2}, 0, "499999 of 500000 were made"},
		{"no checkpoint", func(n int64) (*run, error) { return &run{Events: n, Seconds: 30}, nil }, []int64{million / 2}, 0, "raise -for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []int64
			all, err := repeat(firstEvents, 3, 20*time.Second, func(n int64) (*run, error) {
				asked = append(asked, n)
				return c.run(n)
			})
			if c.want != nil && !slices.Equal(asked, c.want) {
				t.Errorf("runs are of %d events, want %d", asked, c.want)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || all != nil {
					t.Errorf("there are %d runs and the error %v, want %q", len(all), err, c.err)
				}
				return
			}
			if err != nil || len(all) != c.last {
				t.Fatalf("there are %d runs and the error %v", len(all), err)
			}
			for _, r := range all {
				if r.Seconds < 20 {
					t.Errorf("a run of %.1f s counts", r.Seconds)
				}
			}
		})
	}
}

// faster makes run number n, counted from 0, a second too short.
func faster(runOf func(int64) (*run, error), n int) func(int64) (*run, error) {
	i := 0
	return func(events int64) (*run, error) {
		r, err := runOf(events)
		if i == n {
			r.Seconds = 19
		}
		i++
		return r, err
	}
}

func TestIntervalFor(t *testing.T) {
	for lasts, want := range map[time.Duration]time.Duration{
		time.Minute:                         10 * time.Second,
		20 * time.Second:                    10 * time.Second,
		20*time.Second - 3*time.Millisecond: 6666 * time.Millisecond,
		2 * time.Second:                     667 * time.Millisecond,
	} {
		if got := intervalFor(lasts); got != want {
			t.Errorf("in runs of %v there is a checkpoint every %v, want %v", lasts, got, want)
		}
	}
}
