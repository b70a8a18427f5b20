package snapshots_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func newLog(s snapshots.Store, writer string) *snapshots.Log {
	return &snapshots.Log{Store: s, Job: quakes, Writer: writer}
}

// C1: of many that take a log over with the same term, one has it.
func TestOneTakesOver(t *testing.T) {
	store := new(storetest.Memory)
	var mu sync.Mutex
	taken := map[uint64]string{}
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			l := newLog(store, fmt.Sprint(w))
			for range 4 {
				state, err := l.Read(t.Context())
				if err != nil {
					t.Error(err)
				}
				term := state.NextTerm()
				_, err = l.Fence(t.Context(), term, noon)
				if errors.Is(err, fault.ErrFenced) {
					continue
				}
				mu.Lock()
				if other, ok := taken[term]; ok || err != nil {
					t.Errorf("%s and %d have term %d: %v", other, w, term, err)
				}
				taken[term] = fmt.Sprint(w)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(taken) == 0 {
		t.Error("nobody took it")
	}
}

// C1: a term is taken once, and never under a higher one.
func TestTermsOnlyGrow(t *testing.T) {
	store := new(storetest.Memory)
	a, b := newLog(store, "a"), newLog(store, "b")
	if _, err := a.Fence(t.Context(), 4, noon); err != nil {
		t.Fatal(err)
	}
	for _, term := range []uint64{0, 3, 4} {
		for _, l := range []*snapshots.Log{a, b} {
			if _, err := l.Fence(t.Context(), term, noon); !errors.Is(err, fault.ErrFenced) {
				t.Errorf("term %d by %s: %v", term, l.Writer, err)
			}
		}
	}
	if _, err := b.Fence(t.Context(), 5, noon); err != nil {
		t.Error(err)
	}
}

// C1: what a deposed writer still does has no effect, though it knows nothing of it.
func TestDeposedWriterHasNoEffect(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries int // that the new writer writes before the old one wakes up
	}{{"at once", 0}, {"later", 3}, {"after a trim", snapshots.TrimAfter}, {"after its place was trimmed away", 4 * snapshots.TrimAfter}} {
		t.Run(c.name, func(t *testing.T) {
			store := new(storetest.Memory)
			old, next := newLog(store, "old"), newLog(store, "next")
			state := mustBegin(t, old)
			state = mustComplete(t, old, state, nil, 3)
			asleep := state
			// All acks are in hand; then it is stopped.
			late, err := takeCheckpoint(t.Context(), store, 2, id.Attempt{Term: state.Term}, nil)
			if err != nil {
				t.Fatal(err)
			}
			state = mustBegin(t, next)
			for range c.entries {
				state = mustComplete(t, next, state, nil, 3)
				if state.TrimDue() {
					if state, err = next.Trim(t.Context(), state.Term, noon); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := store.Names("")
			if _, err := old.Append(t.Context(), snapshots.Entry{Checkpoint: late, Time: noon}, asleep.Term); !errors.Is(err, fault.ErrFenced) {
				t.Errorf("append: %v", err)
			}
			if _, err := old.Append(t.Context(), snapshots.Entry{End: &snapshots.End{}, Time: noon}, asleep.Term); !errors.Is(err, fault.ErrFenced) {
				t.Errorf("append again: %v", err)
			}
			if _, err := snapshots.Collect(t.Context(), old, id.Attempt{Term: asleep.Term, Number: 1}, false); !errors.Is(err, fault.ErrFenced) {
				t.Errorf("collect: %v", err)
			}
			for _, name := range before {
				if store.Bytes(name) == nil {
					t.Errorf("%s is gone", name)
				}
			}
			got, err := newLog(store, "").Read(t.Context())
			if err != nil || got.Term != state.Term || got.Last != state.Last || got.End != nil {
				t.Errorf("the log says %+v, %v", got, err)
			}
			if _, err := next.Read(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// C1: two deposed writers in places that were trimmed away do not take each other's
// remains for a log.
func TestDeposedWritersDoNotMeet(t *testing.T) {
	store := new(storetest.Memory)
	first, second, third := newLog(store, "first"), newLog(store, "second"), newLog(store, "third")
	state := mustBegin(t, first)
	mustBegin(t, second) // its fence is where the first will write
	state2, err := second.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state3 := mustBegin(t, third)
	for range 4 {
		if state3, err = third.Trim(t.Context(), state3.Term, noon); err != nil {
			t.Fatal(err)
		}
	}
	end := snapshots.Entry{End: &snapshots.End{}, Time: noon}
	for _, c := range []struct {
		l    *snapshots.Log
		term uint64
	}{{first, state.Term}, {second, state2.Term}} {
		if _, err := c.l.Append(t.Context(), end, c.term); !errors.Is(err, fault.ErrFenced) {
			t.Errorf("%s: %v", c.l.Writer, err)
		}
	}
	if got, err := newLog(store, "").Read(t.Context()); err != nil || got.End != nil || got.Term != state3.Term {
		t.Errorf("%+v, %v", got, err)
	}
}

// An entry is in the log once, whatever happens to the request that creates it.
func TestAppendSurvivesFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		what storetest.Fault
		once bool // the first try succeeds
	}{
		{"unavailable", storetest.Unavailable, false},
		{"reset", storetest.Reset, false},
		{"lost reply after the write", storetest.LostReply, true},
		{"done long after the error", storetest.Late, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := new(storetest.Memory)
			creates := 0
			store := &storetest.Faulty{Store: memory, Decide: func(op storetest.Op) storetest.Fault {
				if op.Verb != "PutIfAbsent" {
					return storetest.None
				}
				if creates++; creates == 3 {
					return c.what
				}
				return storetest.None
			}}
			l := newLog(store, "a")
			state := mustBegin(t, l)
			m, err := takeCheckpoint(t.Context(), store, 1, id.Attempt{Term: 1}, nil)
			if err != nil {
				t.Fatal(err)
			}
			entry := snapshots.Entry{Checkpoint: m, Time: noon}
			_, err = l.Append(t.Context(), entry, state.Term)
			if (err == nil) != c.once || err != nil && !errors.Is(err, fault.ErrTransient) {
				t.Fatalf("first try: %v", err)
			}
			// Something else is written; it settles what became of the first.
			if _, err = l.Append(t.Context(), snapshots.Entry{Spec: &snapshots.Spec{Plan: []byte(`"again"`)}, Time: noon}, state.Term); err != nil {
				t.Fatal(err)
			}
			state, err = l.Append(t.Context(), entry, state.Term)
			if err != nil || len(state.Checkpoints) != 1 {
				t.Fatalf("%+v, %v", state, err)
			}
			got, err := newLog(memory, "").Read(t.Context())
			if err != nil || len(got.Checkpoints) != 1 || string(got.Spec.Plan) != `"again"` || !reflect.DeepEqual(got, state) {
				t.Errorf("the log says %+v, %v, the writer thought %+v", got, err, state)
			}
			// A second try that comes after something else is one more entry, without effect.
			want := 5
			if c.what == storetest.Unavailable || c.what == storetest.Reset {
				want = 4
			}
			if entries := memory.Names("default/jobs/quakes/log/"); len(entries) != want {
				t.Errorf("%d entries, want %d", len(entries), want)
			}
		})
	}
}

// Who has not fenced does not write.
func TestWhoHasNotFencedDoesNotWrite(t *testing.T) {
	store := new(storetest.Memory)
	if _, err := newLog(store, "a").Append(t.Context(), snapshots.Entry{End: &snapshots.End{}, Time: noon}, 1); !errors.Is(err, fault.ErrFenced) {
		t.Errorf("into an empty log: %v", err)
	}
	mustBegin(t, newLog(store, "a"))
	if _, err := newLog(store, "b").Append(t.Context(), snapshots.Entry{End: &snapshots.End{}, Time: noon}, 1); !errors.Is(err, fault.ErrFenced) {
		t.Errorf("under another's term: %v", err)
	}
	if _, err := newLog(store, "").Fence(t.Context(), 9, noon); err == nil {
		t.Error("without a name")
	}
	if _, err := newLog(store, "a").Fence(t.Context(), 9, noon.AddDate(-3000, 0, 0)); err == nil {
		t.Error("without a time that can be written")
	}
}

// D4: a manifest that builds on what may be deleted is refused.
func TestDanglingManifestIsRefused(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustComplete(t, l, mustBegin(t, l), nil, 1)
	first := state.Checkpoints[0]
	state = mustComplete(t, l, state, nil, 1)
	state = mustComplete(t, l, state, nil, 1)
	_, err := complete(t.Context(), l, state, id.Attempt{Term: 1, Number: 1}, 4, &first, 1)
	var dangling *snapshots.DanglingError
	if !errors.As(err, &dangling) || len(dangling.Packs) != 2 || !strings.Contains(err.Error(), "packs/00000000000000000001-1.1-0-0.pack") {
		t.Errorf("%v", err)
	}
}

// Every single byte of every entry: flipped, it is noticed, and named.
func TestDamagedLog(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustBegin(t, l)
	state = mustComplete(t, l, state, nil, 3)
	mustComplete(t, l, state, nil, 3)
	for _, name := range store.Names("default/jobs/quakes/log/") {
		whole := store.Bytes(name)
		for i := range whole {
			flipped := append([]byte(nil), whole...)
			flipped[i] ^= 1 << (i % 8)
			damagedEntry(t, store, name, flipped, fmt.Sprintf("byte %d", i))
		}
		for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			damagedEntry(t, store, name, whole[:n], fmt.Sprintf("cut at %d", n))
		}
		store.Damage(name, whole)
	}
}

func damagedEntry(t *testing.T, store *storetest.Memory, name string, data []byte, what string) {
	store.Damage(name, data)
	state, err := newLog(store, "").Read(t.Context())
	if err != nil || len(state.Unreadable) != 1 || !errors.Is(state.Unreadable[0].Err, fault.ErrCorrupt) || !strings.Contains(state.Unreadable[0].Err.Error(), name) {
		t.Errorf("%s, %s: %+v, %v", name, what, state.Unreadable, err)
	}
}

// A log with a hole is no log; one that was trimmed says the same as before.
func TestMissingEntries(t *testing.T) {
	store := new(storetest.Memory)
	l := newLog(store, "a")
	state := mustBegin(t, l)
	for range 5 {
		state = mustComplete(t, l, state, nil, 3)
	}
	entries := store.Names("default/jobs/quakes/log/")
	for i, name := range entries[:len(entries)-1] {
		damaged := store.Clone()
		if err := damaged.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := newLog(damaged, "").Read(t.Context()); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("without entry %d: %v", i+1, err)
		}
	}
	want := state
	for range 2 {
		if state, _ = l.Trim(t.Context(), state.Term, noon); len(state.Checkpoints) != 3 {
			t.Fatal("trim loses checkpoints")
		}
	}
	if got := store.Names("default/jobs/quakes/log/"); len(got) != 2 {
		t.Errorf("after two trims there is %v", got)
	}
	got, err := newLog(store, "").Read(t.Context())
	if err != nil || !reflect.DeepEqual(got.Checkpoints, want.Checkpoints) || !reflect.DeepEqual(got.Spec, want.Spec) || got.Term != want.Term || got.Last != want.Last {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
