package state

import "slices"

// Chain decides when a subtask's snapshot is full: it knows the runs that confirmed
// snapshots consist of. A checkpoint's state is a base and the deltas on it; a base is
// written again when what was written since outweighs it. The zero value is a chain
// without a base.
type Chain struct {
	runs    []RunInfo // of the last confirmed checkpoint, oldest first
	written []RunInfo // not confirmed yet, ascending
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
func NewChain(runs []RunInfo) *Chain { return &Chain{runs: slices.Clone(runs)} }

// Full tells whether the next snapshot should be full.
func (c *Chain) Full() bool {
	if len(c.runs) == 0 {
		return true
	}
	deltas := int64(0)
	for _, r := range c.runs[1:] {
		deltas += r.Bytes
	}
	return len(c.runs) > MaxDeltas || float64(deltas) > DeltaShare*float64(c.runs[0].Bytes)
}

// Written adds the run of a snapshot and returns the runs that its checkpoint consists
// of, oldest first; ok is false if it builds on one that is not known.
func (c *Chain) Written(run RunInfo) (runs []RunInfo, ok bool) {
	if runs, ok = c.below(run); ok {
		c.written = append(c.written, run)
	}
	return runs, ok
}

// Confirm tells that a checkpoint completed; unknown ones are ignored.
func (c *Chain) Confirm(checkpoint uint64) {
	at := slices.IndexFunc(c.written, func(r RunInfo) bool { return r.Checkpoint == checkpoint })
	if at < 0 {
		return
	}
	if runs, ok := c.below(c.written[at]); ok {
		c.runs = runs
	}
	// A snapshot taken before this was confirmed builds on an earlier run of the chain.
	c.written = slices.Delete(c.written, 0, at+1)
}

// below lists the runs that a run builds on, and the run.
func (c *Chain) below(run RunInfo) (runs []RunInfo, ok bool) {
	if run.Since == 0 {
		return []RunInfo{run}, true
	}
	at := slices.IndexFunc(c.runs, func(r RunInfo) bool { return r.Checkpoint == run.Since })
	if at < 0 {
		return nil, false
	}
	return append(slices.Clone(c.runs[:at+1]), run), true
}
