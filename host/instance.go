package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
)

// InstanceConfig is what an instance is made of, beside its module.
type InstanceConfig struct {
	Subtask        id.Subtask
	Parallelism    int
	MaxParallelism int
	Config         json.RawMessage   // reaches the guest by wasmill_open; empty is {}
	Env            map[string]string // granted to the guest; nothing else is
	Limits         graph.Limits      // zero fields take DefaultLimits
	Collector      operator.Collector
	Logger         *slog.Logger                               // takes the guest's log lines; nil is slog.Default
	Metric         func(kind int, name string, value float64) // kind is an abi.Metric constant; nil drops
	Seed           uint64                                     // of the guest's random numbers
	Now            func() int64                               // ms since 1970; nil is the wall clock
}

// DefaultLimits hold for fields that are zero in InstanceConfig.Limits.
func DefaultLimits() graph.Limits {
	return graph.Limits{Memory: 256 << 20, TableEntries: 1 << 16, StackDepth: 10_000, CPUPerBatch: time.Second, EmitPerBatch: 64 << 20}
}

// Instance is a module at work for one subtask. It is used by one goroutine. After a
// fault every call returns that fault.
type Instance struct{}

var _ operator.Function = (*Instance)(nil)

var errNotBuilt = errors.New("not built yet")

// Instantiate makes an instance and runs its start function and _initialize.
func (m *Module) Instantiate(ctx context.Context, c InstanceConfig) (*Instance, error) {
	return nil, errNotBuilt
}

// Open gives the guest its configuration; restored says that it continues.
func (i *Instance) Open(restored bool) error { return errNotBuilt }

// Process hands the guest a valid batch from an input.
func (i *Instance) Process(input int, batch []byte) error { return errNotBuilt }

// Poll asks a guest of shape source for about max records at most.
func (i *Instance) Poll(max int) (operator.Status, error) { return 0, errNotBuilt }

// Flush asks the guest to give out what it holds back.
func (i *Instance) Flush() error { return errNotBuilt }

// End tells the guest that all inputs have ended.
func (i *Instance) End() error { return errNotBuilt }

// Close releases the instance.
func (i *Instance) Close() error { return nil }

// GuestTime is the CPU time spent in the guest so far.
func (i *Instance) GuestTime() time.Duration { return 0 }
