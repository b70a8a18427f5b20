package state

import "slices"

// Chain decides when a subtask's snapshot is full: it knows the runs that confirmed
// snapshots consist of. A checkpoint's state is a base and the deltas on it; a base is
// written again when what was written since outweighs it. The zero value is a chain
// without a base.
type Chain struct {
	confirmed [][]RunInfo // what checkpoints consist of that others may build on, ascending; the last is the newest
	written   [][]RunInfo // of checkpoints that are not confirmed yet, ascending
}

// Figures of the policy: a restore reads at most 1 + DeltaShare times the base, or
// MaxDeltas deltas on it; on average a checkpoint writes what changed and, of the base,
// as much again.
const (
	// DeltaShare is the sum of the deltas, as a share of the base, at which a base is
	// written.
	DeltaShare = 1.0
	// MaxDeltas is how many deltas lie on a base at most.
	MaxDeltas = 50
)

// NewChain goes on from the runs that a subtask was restored from, oldest first: a base
// and deltas that hold its groups and no others.
func NewChain(runs []RunInfo) *Chain {
	c := &Chain{}
	if len(runs) > 0 {
		c.confirmed = [][]RunInfo{slices.Clone(runs)}
	}
	return c
}

// Full tells whether the next snapshot should be full.
func (c *Chain) Full() bool {
	if len(c.confirmed) == 0 {
		return true
	}
	runs := c.confirmed[len(c.confirmed)-1]
	deltas := int64(0)
	for _, r := range runs[1:] {
		deltas += r.Bytes
	}
	return len(runs) > MaxDeltas || float64(deltas) > DeltaShare*float64(runs[0].Bytes)
}

// Written adds the run of a snapshot and returns the runs that its checkpoint consists
// of, oldest first; ok is false if it builds on one that is not known.
func (c *Chain) Written(run RunInfo) (runs []RunInfo, ok bool) {
	runs = []RunInfo{run}
	if run.Since != 0 {
		at := find(c.confirmed, run.Since)
		if at < 0 {
			return nil, false
		}
		runs = append(slices.Clone(c.confirmed[at]), run)
	}
	c.written = append(c.written, runs)
	return slices.Clone(runs), true
}

// Runs are those that a confirmed checkpoint consists of, oldest first; nil if it is not
// known.
func (c *Chain) Runs(checkpoint uint64) []RunInfo {
	if at := find(c.confirmed, checkpoint); at >= 0 {
		return slices.Clone(c.confirmed[at])
	}
	return nil
}

// Confirm tells that a checkpoint completed; unknown ones are ignored.
func (c *Chain) Confirm(checkpoint uint64) {
	at := find(c.written, checkpoint)
	if at < 0 {
		return
	}
	runs := c.written[at]
	c.written = slices.Delete(c.written, 0, at+1)
	// Snapshots that were taken before this was confirmed, and behind it, build on what
	// it builds on or on something later. Those behind a full one that do not are full,
	// or build on what was confirmed last.
	least := runs[len(runs)-1].Since
	if n := len(c.confirmed); least == 0 && n > 0 {
		least = number(c.confirmed[n-1])
	}
	c.confirmed = slices.DeleteFunc(c.confirmed, func(older []RunInfo) bool { return number(older) < least })
	c.confirmed = append(c.confirmed, runs)
}

// Needs tells whether the run of a checkpoint may still be among those of a later one.
func (c *Chain) Needs(checkpoint uint64) bool {
	for _, lists := range [][][]RunInfo{c.confirmed, c.written} {
		for _, runs := range lists {
			if slices.ContainsFunc(runs, func(r RunInfo) bool { return r.Checkpoint == checkpoint }) {
				return true
			}
		}
	}
	return false
}

func find(lists [][]RunInfo, checkpoint uint64) int {
	return slices.IndexFunc(lists, func(runs []RunInfo) bool { return number(runs) == checkpoint })
}

// number is the checkpoint that consists of the runs.
func number(runs []RunInfo) uint64 { return runs[len(runs)-1].Checkpoint }
