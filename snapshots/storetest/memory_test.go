package storetest

import (
	"testing"

	"github.com/wasmill/wasmill/snapshots"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) snapshots.Store { return new(Memory) })
}

// A store that may fail but does not is as good as the one behind it.
func TestFaultyWithoutFaults(t *testing.T) {
	Run(t, func(*testing.T) snapshots.Store { return &Faulty{Store: new(Memory)} })
}
