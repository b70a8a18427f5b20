package conntest

import (
	"errors"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
)

var errDied = errors.New("died")

// dying lets all acts happen before the n-th, and none from it on.
func dying(n int) (before func() error, acts *int) {
	acts = new(int)
	return func() error {
		if *acts++; *acts >= n {
			return errDied
		}
		return nil
	}, acts
}

// everyAct runs a case with n = 1, 2, … until it says that there were fewer acts than n.
// Each has a destination of its own.
func (h *harness) everyAct(run func(h *harness, n int) (died bool)) {
	for n := 1; ; n++ {
		own := &harness{t: h.t, Destination: h.fresh(h.t), fresh: h.fresh}
		if died := run(own, n); h.t.Failed() {
			h.t.Fatalf("dying before act %d", n)
		} else if !died {
			if n == 1 {
				h.t.Error("there is no act: the case shows nothing")
			}
			return
		}
	}
}

func (h *harness) openWatched(restored bool, before func() error) operator.TwoPhaseSink {
	h.t.Helper()
	sink, err := h.OpenWatched(0, 1, restored, before)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	return sink
}

func mustDie(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, errDied) {
		t.Fatalf("got error %v, want its death", err)
	}
}

// A run that died before its first checkpoint completed begins from nothing again.
func (h *harness) dieWritingAnywhere() {
	h.everyAct(func(h *harness, n int) bool {
		before, acts := dying(n)
		sink := h.openWatched(false, before)
		h.write(sink, "a")
		if t, err := sink.Prepare(1); err == nil {
			h.commit(t)
			h.close(sink)
			h.sees("a")
			return *acts >= n
		} else {
			mustDie(h.t, err)
		}
		h.Crash(sink)
		sink = h.open(0, 1, false)
		h.write(sink, "a")
		h.commit(h.prepare(sink, 2))
		h.close(sink)
		h.sees("a")
		h.clean()
		return true
	})
}

// One that died later goes on from the checkpoint before.
func (h *harness) diePreparingAnywhere() {
	h.everyAct(func(h *harness, n int) bool {
		sink := h.open(0, 1, false)
		h.write(sink, "a")
		first := h.prepare(sink, 1)
		h.close(sink)
		h.commit(first)
		before, acts := dying(n)
		sink = h.openWatched(true, before)
		h.write(sink, "b")
		if t, err := sink.Prepare(2); err == nil {
			h.commit(first, t)
			h.close(sink)
			h.sees("a", "b")
			return *acts >= n
		} else {
			mustDie(h.t, err)
		}
		h.Crash(sink)
		h.commit(first)
		sink = h.open(0, 1, true)
		h.write(sink, "b")
		h.commit(h.prepare(sink, 3))
		h.close(sink)
		h.sees("a", "b")
		h.clean()
		return true
	})
}

func (h *harness) dieCommittingAnywhere() {
	h.everyAct(func(h *harness, n int) bool {
		h.run(1, "earlier")
		sink := h.open(0, 1, false)
		h.write(sink, "a", "b", "c")
		t := h.prepare(sink, 1)
		before, _ := dying(n)
		err := h.watched(before, operator.Committer.Commit, t)
		if err == nil {
			h.close(sink)
			return false
		}
		mustDie(h.t, err)
		h.write(sink, "after the cut")
		h.Crash(sink)
		h.commit(t)
		sink = h.open(0, 1, true)
		h.write(sink, "d")
		second := h.prepare(sink, 2)
		h.commit(t, second, t)
		h.close(sink)
		h.seesNew([]string{"earlier 0"}, "a", "b", "c", "d")
		h.clean()
		return true
	})
}

func (h *harness) dieAbortingAnywhere() {
	h.everyAct(func(h *harness, n int) bool {
		sink := h.open(0, 1, false)
		h.write(sink, "a")
		t := h.prepare(sink, 1)
		h.close(sink)
		before, _ := dying(n)
		err := h.watched(before, operator.Committer.Abort, t)
		if err == nil {
			return false
		}
		mustDie(h.t, err)
		h.drop(t)
		h.sees()
		h.clean()
		return true
	})
}

// The old attempt stands still before an act of its commit while the next one commits
// the same, and more.
func (h *harness) stopCommittingAnywhere() {
	h.everyAct(func(h *harness, n int) bool {
		sink := h.open(0, 1, false)
		h.write(sink, "a", "b")
		first := h.prepare(sink, 1)
		h.close(sink)
		acts := 0
		err := h.watched(func() error {
			if acts++; acts != n {
				return nil
			}
			h.commit(first)
			next := h.open(0, 1, true)
			h.write(next, "c")
			h.commit(h.prepare(next, 2))
			h.write(next, "d")
			h.commit(h.prepare(next, 3))
			h.close(next)
			return nil
		}, operator.Committer.Commit, first)
		if err != nil {
			h.t.Fatalf("the old attempt's commit: %v", err)
		}
		if acts < n {
			h.sees("a", "b")
			return false
		}
		h.sees("a", "b", "c", "d")
		h.clean()
		return true
	})
}
