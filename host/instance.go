package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/sdk/abi"
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
	State          *state.Tables                              // as the module describes them; nil: it has none
	Timers         *state.Timers                              // nil: it can't set any
	Watermark      func() int64                               // ms since 1970; nil: there is none yet
}

// Instance is a module at work for one subtask. It is used by one goroutine, but for Stop. After a
// fault every call returns that fault. Its methods return guest faults
// (fault.ErrGuest), ErrStopped or what the Collector answered.
type Instance struct {
	module    *Module
	config    InstanceConfig
	limits    graph.Limits
	collector operator.Collector
	logger    *slog.Logger

	context context.Context // a callContext, made once
	guest   api.Module
	memory  *memory
	exports exports
	meter   meter
	stack   [4]uint64 // arguments and result of the call in progress

	fault        error  // why the instance is unusable
	message      string // from fail, during this call
	mayEmit      bool
	emitted      int64 // bytes, during this call
	input        []byte
	inputRecords int // of input, −1 as long as nobody counted
	rejected     map[uint32]struct{}
	nowMillis    int64 // what now answers during this call
	nowKnown     bool
	lines        int // logged during this call

	access  access
	replies []byte // of accumulate and merge
	mayPut  bool   // into replies

	output [2]output // stdout, stderr
	clock  int64     // virtual, ns
	random uint64
}

// exports are the functions of the guest; optional ones may be nil.
type exports struct {
	describe, alloc, open, process, poll, flush, end api.Function
	timers, watermark, barrier                       api.Function
	accumulate, merge, finish, apply                 api.Function
}

// Open gives the guest its configuration; restored says that it continues from state.
func (i *Instance) Open(restored bool) error {
	if i.exports.open == nil || i.fault != nil {
		return i.fault
	}
	config := i.config.Config
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	request, err := json.Marshal(abi.OpenRequest{
		Operator:       i.config.Subtask.Operator,
		Config:         config,
		Subtask:        i.config.Subtask.Index,
		Parallelism:    i.config.Parallelism,
		MaxParallelism: i.config.MaxParallelism,
		Restored:       restored,
	})
	if err != nil {
		return fault.Guestf("write open request: %w", err)
	}
	ptr, err := i.write(request)
	if err != nil {
		return err
	}
	i.begin()
	i.access.open = true
	i.stack[0], i.stack[1] = uint64(ptr), uint64(len(request))
	return i.finish(abi.ExportOpen, i.exports.open)
}

// Process hands the guest a valid batch from an input.
func (i *Instance) Process(input int, batch []byte) error {
	if i.fault != nil {
		return i.fault
	}
	var ptr uint32
	if len(batch) > 0 {
		var err error
		if ptr, err = i.write(batch); err != nil {
			return err
		}
	}
	i.begin()
	i.mayEmit, i.access.open = true, true
	i.input, i.inputRecords = batch, -1
	if len(batch) == 0 {
		i.input = noRecords
	}
	if len(i.rejected) > 0 {
		clear(i.rejected)
	}
	i.stack[0], i.stack[1], i.stack[2] = uint64(uint32(input)), uint64(ptr), uint64(len(batch))
	err := i.finish(abi.ExportProcess, i.exports.process)
	i.input = nil
	return err
}

// noRecords stands for an empty batch that is being processed.
var noRecords = []byte{}

// Poll asks a guest of shape source for about most records at most.
func (i *Instance) Poll(most int) (operator.Status, error) {
	if i.fault != nil {
		return operator.End, i.fault
	}
	i.begin()
	i.mayEmit, i.access.open = true, true
	i.stack[0] = uint64(uint32(most))
	if err := i.run(abi.ExportPoll, i.exports.poll); err != nil {
		return operator.End, err
	}
	switch status := int32(i.stack[0]); status {
	case abi.PollMore:
		return operator.More, nil
	case abi.PollIdle:
		return operator.Idle, nil
	case abi.PollEnd:
		return operator.End, nil
	default:
		return operator.End, i.badStatus(abi.ExportPoll, status)
	}
}

// Flush asks the guest to give out what it holds back.
func (i *Instance) Flush() error { return i.signal(abi.ExportFlush, i.exports.flush) }

// End tells the guest that all inputs have ended.
func (i *Instance) End() error { return i.signal(abi.ExportEnd, i.exports.end) }

func (i *Instance) signal(name string, f api.Function) error {
	if f == nil || i.fault != nil {
		return i.fault
	}
	i.begin()
	i.mayEmit, i.access.open = true, true
	return i.finish(name, f)
}

// Stop ends the call in progress, or a later one, with ErrStopped at the guest's next
// refill of fuel: after a fraction of a millisecond of its CPU time. Calls that are
// shorter still succeed. Without safepoints it does nothing. Any goroutine may call it.
func (i *Instance) Stop() { i.meter.stopped.Store(true) }

// Close releases the instance. It is not used again.
func (i *Instance) Close() error {
	if i.fault == nil {
		i.fault = errClosed
	}
	if i.guest == nil {
		return nil
	}
	err := i.guest.Close(context.Background())
	i.guest = nil
	i.memory.Free()
	return err
}

// GuestTime is the CPU time spent in calls of the guest so far. It is 0 without
// safepoints.
func (i *Instance) GuestTime() time.Duration { return i.meter.time() }

func (i *Instance) now() int64 {
	if !i.nowKnown {
		i.nowMillis, i.nowKnown = i.config.Now(), true
	}
	return i.nowMillis
}
