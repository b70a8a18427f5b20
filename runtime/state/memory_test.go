package state_test

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/state/statetest"
)

func openMemory(t testing.TB, options state.Options) state.Backend {
	t.Helper()
	m, err := state.NewMemory(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// histories is how many random histories a backend plays: WASMILL_SOAK=1 plays many.
func histories(usual int) int {
	if os.Getenv("WASMILL_SOAK") != "" {
		return 50 * usual
	}
	return usual
}

func TestMemory(t *testing.T) { statetest.Run(t, openMemory, histories(25)) }

// Whoever writes a snapshot says often how far it is, and may be held up there.
func TestSnapshotIsWrittenAtAPace(t *testing.T) {
	const groups, entries = 8, 1000
	rests, asked, before := 0, 0, 0.0
	m := openMemory(t, state.Options{Tables: []state.Table{{Name: "a", Scope: state.ScopeKey}}, End: groups, Pace: func() state.Pacer {
		asked++
		before = 0
		return func(done float64) {
			if done < before || done >= 1 {
				t.Errorf("%g is done, behind %g", done, before)
			}
			before = done
			rests++
		}
	}})
	defer m.Close()
	for i := range entries {
		if err := m.Put(i%groups, 0, fmt.Appendf(nil, "%d", i), nil, []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	for checkpoint := range 2 {
		rests = 0
		s, err := m.Snapshot(uint64(checkpoint+1), false)
		if err != nil {
			t.Fatal(err)
		}
		if asked != checkpoint+1 {
			t.Errorf("%d snapshots asked when %d were taken", asked, checkpoint+1)
		}
		if _, err := s.Write(io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if before < 0.5 {
			t.Errorf("it was last asked when %g was done", before)
		}
		if least := entries / 100; rests < least {
			t.Errorf("%d rests for %d entries, want %d at least", rests, entries, least)
		}
	}
}
