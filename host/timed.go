package host

import (
	"math"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/sdk/abi"
)

var (
	_ operator.Timed      = (*Instance)(nil)
	_ operator.Aggregator = (*Instance)(nil)
	_ operator.Applier    = (*Instance)(nil)
)

// Timers implements operator.Timed. A guest without wasmill_timers can't have set any:
// it they are those of another module that was here before.
func (i *Instance) Timers(batch []byte) error {
	if i.exports.timers == nil && i.fault == nil && len(batch) > 0 {
		return i.poison(fault.Guestf("%s is missing, and there are timers to deliver", abi.ExportTimers))
	}
	return i.deliver(abi.ExportTimers, i.exports.timers, batch)
}

// Watermark implements operator.Timed.
func (i *Instance) Watermark(ts int64) error {
	return i.announce(abi.ExportWatermark, i.exports.watermark, uint64(ts))
}

// Barrier implements operator.Timed.
func (i *Instance) Barrier(checkpoint uint64) error {
	return i.announce(abi.ExportBarrier, i.exports.barrier, checkpoint)
}

// Accumulate implements operator.Aggregator.
func (i *Instance) Accumulate(groups []byte) ([]byte, error) {
	return i.ask(abi.ExportAccumulate, i.exports.accumulate, groups)
}

// Merge implements operator.Aggregator.
func (i *Instance) Merge(groups []byte) ([]byte, error) {
	return i.ask(abi.ExportMerge, i.exports.merge, groups)
}

// Finish implements operator.Aggregator.
func (i *Instance) Finish(groups []byte) error {
	return i.deliver(abi.ExportFinish, i.exports.finish, groups)
}

// Apply implements operator.Applier.
func (i *Instance) Apply(groups []byte) error {
	return i.deliver(abi.ExportApply, i.exports.apply, groups)
}

// deliver hands the guest bytes for which it may emit.
func (i *Instance) deliver(name string, f api.Function, b []byte) error {
	if f == nil || i.fault != nil || len(b) == 0 {
		return i.fault
	}
	ptr, err := i.write(b)
	if err != nil {
		return err
	}
	i.begin()
	i.mayEmit, i.access.open = true, true
	i.stack[0], i.stack[1] = uint64(ptr), uint64(len(b))
	return i.finish(name, f)
}

// ask hands the guest bytes that it replies to.
func (i *Instance) ask(name string, f api.Function, b []byte) ([]byte, error) {
	i.replies = i.replies[:0]
	if i.fault != nil || len(b) == 0 {
		return nil, i.fault
	}
	ptr, err := i.write(b)
	if err != nil {
		return nil, err
	}
	i.begin()
	i.mayPut = true
	if name == abi.ExportAccumulate {
		i.input, i.inputRecords = b, math.MaxInt32 // the caller knows how many there are
		clear(i.rejected)
	}
	i.stack[0], i.stack[1] = uint64(ptr), uint64(len(b))
	err = i.finish(name, f)
	i.input = nil
	if err != nil {
		return nil, err
	}
	return i.replies, nil
}

func (i *Instance) announce(name string, f api.Function, number uint64) error {
	if f == nil || i.fault != nil {
		return i.fault
	}
	i.begin()
	i.mayEmit, i.access.open = true, true
	i.stack[0] = number
	return i.finish(name, f)
}

// reply keeps an answer of accumulate or merge; several in a row are one.
func (i *Instance) reply(ptr, size uint32) {
	if !i.mayPut {
		i.stop(fault.Guestf("reply: called outside accumulate and merge"))
	}
	b, ok := i.memory.view(ptr, size)
	if !ok {
		i.stop(fault.Guestf("reply: %d bytes at %#x are outside the memory of %d bytes", size, ptr, i.memory.size))
	}
	if i.emitted += int64(size); i.emitted > i.limits.EmitPerBatch {
		i.stop(fault.Guestf("limit emitPerBatch %s exceeded", bytesText(i.limits.EmitPerBatch)))
	}
	i.charge(int64(size))
	i.replies = append(i.replies, b...)
}

func (i *Instance) watermark() int64 {
	if i.config.Watermark == nil {
		return math.MinInt64
	}
	return i.config.Watermark()
}
