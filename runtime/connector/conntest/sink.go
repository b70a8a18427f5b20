package conntest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// Destination is where a two-phase sink writes to, empty at first.
type Destination struct {
	// Open opens one subtask. Restored says that the job goes on from a checkpoint.
	Open func(subtask, parallelism int, restored bool) (operator.TwoPhaseSink, error)
	// Crash takes from a sink what the system takes from a process that dies: its locks.
	Crash func(operator.TwoPhaseSink)
	// Committer is one that knows nothing but the destination.
	Committer func() (operator.Committer, error)
	// Visible is the values that a reader of the destination sees, in any order.
	Visible func() ([]string, error)
	// Staged is how many things lie there that no reader sees.
	Staged func() (int, error)
	// Appends says that a run from nothing leaves what earlier runs made visible.
	Appends bool
	// OpenWatched and Watched are Open and Committer, but call before ahead of each act on
	// the destination, and stop with its error: as a process that dies there does.
	OpenWatched func(subtask, parallelism int, restored bool, before func() error) (operator.TwoPhaseSink, error)
	Watched     func(before func() error) (operator.Committer, error)
}

// Sink makes a destination for each case. Values are text without line ends.
type Sink func(t *testing.T) Destination

// Run tests that each record is visible exactly once, and only when its checkpoint is
// committed, wherever a sink or its committer crashes (D5). A crash is a sink or a
// committer that is not used any more.
func (s Sink) Run(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(h *harness)
	}{
		{"a sink that died before any of its acts leaves nothing", (*harness).dieWritingAnywhere},
		{"a sink that died after its cut loses and doubles nothing", (*harness).diePreparingAnywhere},
		{"a commit that died before any of its acts is made up for", (*harness).dieCommittingAnywhere},
		{"an abort that died before any of its acts is made up for", (*harness).dieAbortingAnywhere},
		{"an old attempt that goes on in its commit does nothing", (*harness).stopCommittingAnywhere},
		{"nothing is visible before the commit", (*harness).beforeCommit},
		{"a sink that crashed while it wrote leaves nothing", (*harness).crashWriting},
		{"what was prepared is committed after a crash", (*harness).crashPrepared},
		{"committed any number of times it is visible once", (*harness).commitAgain},
		{"an old commit repeated takes nothing from a new one", (*harness).commitOldAgain},
		{"aborted it is never visible", (*harness).abort},
		{"a transaction may be aborted twice", (*harness).abortTwice},
		{"after an abort the next checkpoint holds only what came since", (*harness).goOnAfterAbort},
		{"a new attempt drops what the last had written", (*harness).newAttempt},
		{"a restored sink drops what was prepared and never committed", (*harness).restored},
		{"a checkpoint without records makes nothing visible", (*harness).noRecords},
		{"subtasks do not meet", (*harness).subtasks},
		{"a run from nothing replaces an earlier one", (*harness).runAgain},
		{"a smaller run from nothing replaces a larger one", (*harness).runAgainSmaller},
		{"a run without output replaces an earlier one", (*harness).runAgainEmpty},
		{"closing after a commit takes nothing back", (*harness).closeAfterCommit},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&harness{t: t, Destination: s(t), fresh: s}) })
	}
}

type harness struct {
	t     *testing.T
	fresh Sink // for cases that need several destinations
	Destination
}

func (h *harness) open(subtask, parallelism int, restored bool) operator.TwoPhaseSink {
	h.t.Helper()
	sink, err := h.Open(subtask, parallelism, restored)
	if err != nil {
		h.t.Fatalf("open subtask %d of %d: %v", subtask, parallelism, err)
	}
	return sink
}

func (h *harness) write(sink operator.TwoPhaseSink, values ...string) {
	h.t.Helper()
	var b record.Builder
	for i, v := range values { // each has a minute of its own, for sinks that look at the time
		b.Append(record.KeyAbsent, int64(i)*60_000, nil, []byte(v))
	}
	if err := errors.Join(sink.Write(b.Bytes()), sink.Flush()); err != nil {
		h.t.Fatalf("write: %v", err)
	}
}

func (h *harness) prepare(sink operator.TwoPhaseSink, checkpoint uint64) operator.Transaction {
	h.t.Helper()
	t, err := sink.Prepare(checkpoint)
	if err != nil {
		h.t.Fatalf("prepare checkpoint %d: %v", checkpoint, err)
	}
	return t
}

func (h *harness) end(act func(operator.Committer, context.Context, operator.Transaction) error, transactions ...operator.Transaction) {
	h.t.Helper()
	for _, t := range transactions {
		if t == nil {
			continue
		}
		committer, err := h.Committer()
		if err == nil {
			err = act(committer, h.t.Context(), t)
		}
		if err != nil {
			h.t.Fatalf("end transaction %s: %v", t, err)
		}
	}
}

// watched ends a transaction with a committer that is watched.
func (h *harness) watched(before func() error, act func(operator.Committer, context.Context, operator.Transaction) error, t operator.Transaction) error {
	h.t.Helper()
	committer, err := h.Watched(before)
	if err != nil {
		h.t.Fatalf("open committer: %v", err)
	}
	return act(committer, h.t.Context(), t)
}

func (h *harness) commit(t ...operator.Transaction) {
	h.t.Helper()
	h.end(operator.Committer.Commit, t...)
}

func (h *harness) drop(t ...operator.Transaction) {
	h.t.Helper()
	h.end(operator.Committer.Abort, t...)
}

func (h *harness) close(sink operator.TwoPhaseSink) {
	h.t.Helper()
	if err := sink.Close(); err != nil {
		h.t.Errorf("close: %v", err)
	}
}

// seesNew checks what a reader sees behind what earlier runs made visible.
func (h *harness) seesNew(earlier []string, want ...string) {
	h.t.Helper()
	if h.Appends {
		want = slices.Concat(earlier, want)
	}
	h.sees(want...)
}

// sees checks what a reader sees.
func (h *harness) sees(want ...string) {
	h.t.Helper()
	got, err := h.Visible()
	if err != nil {
		h.t.Fatalf("read destination: %v", err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.t.Errorf("visible are %q, want %q", got, want)
	}
}

func (h *harness) clean() {
	h.t.Helper()
	if n, err := h.Staged(); n != 0 || err != nil {
		h.t.Errorf("%d things are left staged (%v)", n, err)
	}
}

// run is a whole job: each subtask writes its name and commits at checkpoint 1.
func (h *harness) run(parallelism int, name string) {
	h.t.Helper()
	var all []operator.Transaction
	for i := range parallelism {
		sink := h.open(i, parallelism, false)
		if name != "" {
			h.write(sink, fmt.Sprintf("%s %d", name, i))
		}
		all = append(all, h.prepare(sink, 1))
		h.close(sink)
	}
	h.commit(all...)
}
