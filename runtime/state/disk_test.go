package state_test

import (
	"path/filepath"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/state/statetest"
)

func openDisk(t testing.TB, options state.Options) state.Backend {
	t.Helper()
	options.Dir = filepath.Join(t.TempDir(), "state")
	if options.Cache == 0 {
		options.Cache = 8 << 20
	}
	d, err := state.NewDisk(options)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDisk(t *testing.T) { statetest.Run(t, openDisk, histories(6)) }
