package state_test

import (
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
)

func TestChain(t *testing.T) {
	run := func(checkpoint, since uint64, bytes int64) state.RunInfo {
		return state.RunInfo{Checkpoint: checkpoint, Since: since, Bytes: bytes}
	}
	for _, c := range []struct {
		name string
		play func(c *state.Chain)
		last state.RunInfo
		runs string // of the last; "" if it builds on nothing known
		full bool   // the next one
	}{
		{"a base", func(*state.Chain) {}, run(1, 0, 100), "[1]", false},
		{"deltas lie on it", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
			c.Confirm(2)
		}, run(3, 2, 10), "[1 2 3]", false},
		{"an aborted delta is left out", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
		}, run(3, 1, 20), "[1 3]", false},
		{"a delta taken before the one below it was confirmed", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
			c.Written(run(3, 1, 20))
			c.Confirm(2)
		}, run(4, 2, 10), "[1 2 4]", false},
		{"a delta on one that another, taken earlier, has replaced", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
			c.Written(run(3, 1, 20)) // taken before 2 was confirmed
			c.Confirm(2)
			c.Written(run(4, 2, 10)) // taken before 3 was confirmed
			c.Confirm(3)
			c.Confirm(4)
		}, run(5, 4, 10), "[1 2 4 5]", false},
		{"two under way at a time", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
			c.Confirm(2)
			c.Written(run(3, 1, 10)) // taken before 2 was confirmed, written after
			c.Confirm(3)
		}, run(4, 2, 10), "[1 2 4]", false},
		{"a delta on a base that was written again meanwhile", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Written(run(2, 0, 100)) // taken before 1 was confirmed
			c.Confirm(1)
			c.Confirm(2)
		}, run(3, 1, 10), "[1 3]", false},
		{"a delta on what no snapshot can build on any more", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 10))
			c.Confirm(2)
			c.Written(run(3, 2, 10))
			c.Confirm(3)
		}, run(4, 1, 10), "", false},
		{"deltas that outweigh the base", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 60))
			c.Confirm(2)
		}, run(3, 2, 60), "[1 2 3]", true},
		{"a new base", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Written(run(2, 1, 600))
			c.Confirm(2)
		}, run(3, 0, 110), "[3]", false},
		{"a delta on what is not known", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
		}, run(2, 1, 5), "", true},
		{"confirmed twice, and never heard of", func(c *state.Chain) {
			c.Written(run(1, 0, 100))
			c.Confirm(1)
			c.Confirm(1)
			c.Confirm(7)
		}, run(2, 1, 5), "[1 2]", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var chain state.Chain
			c.play(&chain)
			runs, ok := chain.Written(c.last)
			var names []uint64
			for _, r := range runs {
				names = append(names, r.Checkpoint)
			}
			if got := fmt.Sprint(names); ok != (c.runs != "") || ok && got != c.runs {
				t.Errorf("runs %s, %t; want %s", got, ok, c.runs)
			}
			chain.Confirm(c.last.Checkpoint)
			if got := chain.Full(); got != c.full {
				t.Errorf("the next one is full: %t, want %t", got, c.full)
			}
		})
	}
	if !new(state.Chain).Full() {
		t.Error("the first snapshot is not full")
	}
	long := state.NewChain([]state.RunInfo{run(1, 0, 1e9)})
	for i := range uint64(state.MaxDeltas) {
		if long.Full() {
			t.Fatalf("full after %d small deltas", i)
		}
		long.Written(run(2+i, 1+i, 1))
		long.Confirm(2 + i)
	}
	if !long.Full() {
		t.Error("not full after many deltas")
	}
}
