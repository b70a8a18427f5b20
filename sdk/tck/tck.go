// Package tck is the conformance suite of the guest interface: Run tests a module of
// any language that does what README.md says. It tests through package host, so it
// shows that host and guest agree with sdk/abi.md and each other.
//
// Start with Run. The guests of the SDKs are in guests/.
package tck

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/sdk/abi"
)

// Run tests a module. Its description says which of the guests it is.
func Run(t *testing.T, h *host.Host, wasm []byte) {
	module, err := h.Load(t.Context(), wasm)
	if err != nil {
		t.Fatalf("load module: %v", err)
	}
	defer module.Close()
	s := suite{module: module}
	switch d := module.Description(); {
	case d.Shape == abi.ShapeProcess && len(d.Tables) > 0:
		s.state(t)
	case d.Shape == abi.ShapeProcess:
		s.process(t)
	case d.Shape == abi.ShapeSource:
		s.source(t)
	case d.Shape == abi.ShapeAggregate:
		s.aggregate(t)
	case d.Shape == abi.ShapeApply:
		s.apply(t)
	default:
		t.Fatalf("there is no suite for shape %q", d.Shape)
	}
}

// suite runs against one module.
type suite struct{ module *host.Module }

// settings is how one instance differs from the others.
type settings struct {
	config      string
	subtask     int
	parallelism int
	restored    bool
	stateLimit  int64
}

const now = 1_700_000_000_123

func (s settings) instance(g *gathered) host.InstanceConfig {
	if s.config == "" {
		s.config = "{}"
	}
	return host.InstanceConfig{
		Subtask:        id.Subtask{Operator: "op", Index: s.subtask},
		Parallelism:    max(s.parallelism, 1),
		MaxParallelism: 128,
		Config:         json.RawMessage(s.config),
		Collector:      g,
		Logger:         g.logger(),
		Metric:         g.metric,
		Seed:           1,
		Now:            func() int64 { return now },
		Limits:         graph.Limits{CPUPerBatch: time.Minute}, // speed is not what is tested
	}
}

// open makes an opened instance, and what gathers all that it gives out.
func (s suite) open(t *testing.T, with settings) (*host.Instance, *gathered) {
	t.Helper()
	g := &gathered{}
	i, err := s.module.Instantiate(t.Context(), with.instance(g))
	if err != nil {
		t.Fatalf("instantiate: %v", err)
	}
	t.Cleanup(func() { i.Close() })
	if err := i.Open(with.restored); err != nil {
		t.Fatalf("open: %v", err)
	}
	return i, g
}
