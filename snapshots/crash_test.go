package snapshots_test

import (
	"context"
	"errors"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// life is what a coordinator does with a store: it takes the job over, checkpoints,
// forgets, deletes, trims, and makes a savepoint. Acked is told of every checkpoint that
// it takes for complete.
func life(ctx context.Context, s snapshots.Store, writer string, rounds int, acked func(uint64)) error {
	l := newLog(s, writer)
	state, err := begin(ctx, l)
	if err != nil {
		return err
	}
	choice, err := snapshots.Pick(ctx, &state, folderOf(s), snapshots.Full, nil)
	if err != nil {
		return err
	}
	attempt := id.Attempt{Term: state.Term, Number: 1}
	base := choice.Checkpoint
	for round := range rounds {
		if round%3 == 2 {
			base = nil // a base is rewritten
		}
		n := state.NextCheckpoint()
		if state, err = complete(ctx, l, state, attempt, n, base, 2); err != nil {
			return err
		}
		acked(n)
		base = state.Newest()
		if _, err = snapshots.Collect(ctx, l, attempt, false); err != nil {
			return err
		}
		if round%2 == 1 {
			if state, err = l.Trim(ctx, state.Term, noon); err != nil {
				return err
			}
		}
	}
	target := snapshots.Folder{Store: s, Path: snapshots.SavepointFolder(quakes, writer)}
	return folderOf(s).CopyTo(ctx, target, base.Manifest, false)
}

// sound checks what must hold of a store at any moment.
func sound(t *testing.T, s *storetest.Memory, least uint64) {
	t.Helper()
	state, err := newLog(s, "").Read(t.Context())
	if err != nil {
		t.Errorf("read log: %v", err)
		return
	}
	if state.Last < least || len(state.Unreadable) > 0 {
		t.Errorf("the log ends with checkpoint %d, %d was complete; unreadable: %v", state.Last, least, state.Unreadable)
	}
	for _, c := range state.Checkpoints {
		if err := folderOf(s).Check(t.Context(), &c.Manifest, snapshots.Full); err != nil {
			t.Errorf("checkpoint %d: %v", c.Manifest.Checkpoint, err)
		}
	}
	for _, writer := range []string{"first", "second"} {
		f := snapshots.Folder{Store: s, Path: snapshots.SavepointFolder(quakes, writer)}
		m, err := f.ReadManifest(t.Context())
		if errors.Is(err, snapshots.ErrNotFound) {
			continue
		}
		if err == nil {
			err = f.Check(t.Context(), &m, snapshots.Full)
		}
		if err != nil {
			t.Errorf("savepoint: %v", err)
		}
	}
}

// D3, D4: a crash at the k-th operation of the store, before or after it is done, for
// every k until there is no k-th: what was complete is there, whole; the next life goes
// on from it, and in the end nothing is left over.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, what := range []storetest.Fault{storetest.Crash, storetest.CrashAfter} {
		for k := 1; ; k++ {
			memory := new(storetest.Memory)
			var last uint64
			acked := func(n uint64) { last = n }
			store := &storetest.Faulty{Store: memory, Decide: storetest.At(k, what)}
			err := life(t.Context(), store, "first", 6, acked)
			crashed := store.Ops() >= k
			if crashed != (err != nil) && what == storetest.Crash {
				t.Fatalf("operation %d: %v", k, err)
			}
			sound(t, memory, last)
			if err := life(t.Context(), memory, "second", 6, acked); err != nil {
				t.Fatalf("after a crash at operation %d: %v", k, err)
			}
			sound(t, memory, last)
			bounded(t, memory)
			if t.Failed() {
				t.Fatalf("crash at operation %d, after it: %v", k, what == storetest.CrashAfter)
			}
			if !crashed {
				t.Logf("%d operations", k-1)
				break
			}
		}
	}
}

// bounded checks that nothing is left that nobody needs.
func bounded(t *testing.T, s *storetest.Memory) {
	t.Helper()
	state, err := newLog(s, "").Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]bool{}
	for _, c := range state.Checkpoints {
		for _, name := range c.Packs() {
			live[name] = true
		}
	}
	if got := s.Names("default/jobs/quakes/packs/"); len(got) != len(live) {
		t.Errorf("%d packs for %d: %v", len(got), len(live), got)
	}
	if got := s.Names("default/jobs/quakes/log/"); len(got) > 8 {
		t.Errorf("the log was not trimmed: %v", got)
	}
}

// A single fault at the k-th operation, for every k: whoever tries again gets through,
// and nothing is lost or left over.
func TestFaultAtEveryOperation(t *testing.T) {
	for name, what := range map[string]storetest.Fault{
		"unavailable": storetest.Unavailable, "reset": storetest.Reset, "lost reply": storetest.LostReply, "late": storetest.Late, "torn": storetest.Torn,
	} {
		t.Run(name, func(t *testing.T) {
			for k := 1; ; k++ {
				memory := new(storetest.Memory)
				var last uint64
				acked := func(n uint64) { last = n }
				store := &storetest.Faulty{Store: memory, Decide: storetest.At(k, what)}
				err := life(t.Context(), store, "first", 4, acked)
				if err != nil && !errors.Is(err, fault.ErrTransient) && !errors.Is(err, fault.ErrFenced) {
					t.Fatalf("fault at operation %d: %v", k, err)
				}
				if store.Ops() < k {
					break
				}
				sound(t, memory, last)
				if err := life(t.Context(), store, "second", 4, acked); err != nil {
					t.Fatalf("fault at operation %d, next life: %v", k, err)
				}
				sound(t, memory, last)
				bounded(t, memory)
				if t.Failed() {
					t.Fatalf("fault at operation %d", k)
				}
			}
		})
	}
}

// The same in a store that stalls: whoever waits no longer than it wants goes on.
func TestStall(t *testing.T) {
	memory := new(storetest.Memory)
	ctx, cancel := context.WithCancel(t.Context())
	store := &storetest.Faulty{Store: memory, Decide: func(op storetest.Op) storetest.Fault {
		if op.Number == 9 {
			cancel() // its timeout comes while the store stalls
			return storetest.Stall
		}
		return storetest.None
	}}
	var last uint64
	if err := life(ctx, store, "first", 4, func(n uint64) { last = n }); err == nil {
		t.Error("it did not notice")
	}
	sound(t, memory, last)
	if err := life(t.Context(), store, "second", 4, func(n uint64) { last = n }); err != nil {
		t.Error(err)
	}
	sound(t, memory, last)
}

// C1, D4: a writer is stopped before its k-th operation until another has taken over,
// gone on, deleted and trimmed; then it goes on as if nothing had been. For every k.
func TestStoppedAtEveryOperation(t *testing.T) {
	for k := 1; ; k++ {
		memory := new(storetest.Memory)
		var last uint64
		stopped, overtaken := false, false
		store := &storetest.Faulty{Store: memory, Decide: func(op storetest.Op) storetest.Fault {
			if op.Number == k {
				stopped, overtaken = true, led(t, memory, "first")
				if err := life(t.Context(), memory, "second", 9, func(n uint64) { last = n }); err != nil {
					t.Fatalf("stopped at operation %d: %v", k, err)
				}
			}
			return storetest.None
		}}
		err := life(t.Context(), store, "first", 6, func(n uint64) {
			if overtaken {
				t.Errorf("the one that was overtaken completed checkpoint %d", n)
			}
			if stopped && n <= last {
				t.Errorf("checkpoint %d is complete a second time", n)
			}
			last = n
		})
		if !stopped {
			t.Logf("%d operations: %v", k-1, err)
			return
		}
		sound(t, memory, last)
		if err := life(t.Context(), memory, "third", 4, func(n uint64) { last = n }); err != nil {
			t.Errorf("third: %v", err)
		}
		sound(t, memory, last)
		bounded(t, memory)
		if t.Failed() {
			t.Fatalf("stopped at operation %d, then: %v", k, err)
		}
	}
}

func led(t *testing.T, s *storetest.Memory, writer string) bool {
	state, err := newLog(s, "").Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state.Writer == writer
}
