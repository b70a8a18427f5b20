package state_test

import (
	"errors"
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

func TestSnapshotIsWrittenInPieces(t *testing.T) {
	failed := errors.New("there is no background")
	pieces := 0
	m, err := state.NewMemory(state.Options{Tables: []state.Table{{Name: "a", Scope: state.ScopeKey}}, End: 8, Background: func() state.Runner {
		before := 0.0
		return func(done float64, piece func() error) error {
			if done < before || done >= 1 {
				t.Errorf("%g is done, behind %g", done, before)
			}
			before = done
			if pieces++; pieces == 20 {
				return failed
			}
			return piece()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for group := range 8 {
		if err := m.Put(group, 0, []byte("key"), nil, []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	for checkpoint, want := range []error{nil, nil, failed} {
		s, err := m.Snapshot(uint64(checkpoint+1), true)
		if err != nil {
			t.Fatal(err)
		}
		before := pieces
		if _, err := s.Write(io.Discard); !errors.Is(err, want) {
			t.Errorf("snapshot %d: %v", checkpoint+1, err)
		}
		if n := pieces - before; want == nil && n != 8 {
			t.Errorf("snapshot %d came in %d pieces", checkpoint+1, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
