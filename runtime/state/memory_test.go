package state_test

import (
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
