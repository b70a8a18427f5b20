package host_test

import (
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/runtime/graph"
)

// TestStop: a guest that spins ends with ErrStopped long before its limit, and so does
// every later call.
func TestStop(t *testing.T) {
	for _, test := range []struct {
		name   string
		before bool // stopped before the call
		config host.Config
	}{
		{"during a call", false, host.Config{}},
		{"before a call", true, host.Config{}},
		{"interpreted", false, host.Config{Interpreter: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := open(t, as.Guest{Process: as.Forever()}.Wasm(), test.config, host.InstanceConfig{Limits: graph.Limits{CPUPerBatch: time.Hour}})
			answered := make(chan error, 1)
			if test.before {
				i.Stop()
			}
			go func() { answered <- i.Process(0, nil) }()
			if !test.before {
				select {
				case err := <-answered:
					t.Fatalf("the call ended by itself: %v", err)
				case <-time.After(20 * time.Millisecond):
				}
				i.Stop()
			}
			if err := <-answered; err != host.ErrStopped {
				t.Errorf("got %v", err)
			}
			if err := i.Flush(); err != host.ErrStopped {
				t.Errorf("a later call answers %v", err)
			}
		})
	}
}
