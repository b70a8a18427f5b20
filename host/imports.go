package host

import (
	"context"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/sdk/abi"
)

// hostFunc is a function that guests import. Arguments come in and the result goes
// out in s.
type hostFunc struct {
	name string
	signature
	call func(i *Instance, s []uint64)
}

// guestFuncs are the imports of module wasmill; those of state are in state.go.
var guestFuncs = append([]hostFunc{
	{abi.ImportEmit, signature{"iii", ""}, func(i *Instance, s []uint64) {
		i.emit(int32(s[0]), -1, uint32(s[1]), uint32(s[2]))
	}},
	{abi.ImportEmitTo, signature{"iiii", ""}, func(i *Instance, s []uint64) {
		if int32(s[1]) < 0 {
			i.stop(fault.Guestf("emit_to: partition %d is negative", int32(s[1])))
		}
		i.emit(int32(s[0]), int(int32(s[1])), uint32(s[2]), uint32(s[3]))
	}},
	{abi.ImportReject, signature{"iii", ""}, func(i *Instance, s []uint64) {
		i.reject(uint32(s[0]), i.text("reject", uint32(s[1]), uint32(s[2]), maxReason))
	}},
	{abi.ImportNow, signature{"", "I"}, func(i *Instance, s []uint64) { s[0] = uint64(i.now()) }},
	{abi.ImportLog, signature{"iii", ""}, func(i *Instance, s []uint64) {
		if s[0] > abi.LogError {
			i.stop(fault.Guestf("log: no level %d", int32(s[0])))
		}
		i.log(int(s[0]), i.text("log", uint32(s[1]), uint32(s[2]), maxText))
	}},
	{abi.ImportMetric, signature{"iiiF", ""}, func(i *Instance, s []uint64) {
		i.metric(int32(s[0]), i.text("metric", uint32(s[1]), uint32(s[2]), maxMetricName+1), math.Float64frombits(s[3]))
	}},
	{abi.ImportFail, signature{"ii", ""}, func(i *Instance, s []uint64) {
		i.message = i.text("fail", uint32(s[0]), uint32(s[1]), maxReason)
	}},
	{abi.ImportWatermark, signature{"", "I"}, func(i *Instance, s []uint64) { s[0] = uint64(i.watermark()) }},
	{abi.ImportReply, signature{"ii", ""}, func(i *Instance, s []uint64) { i.reply(uint32(s[0]), uint32(s[1])) }},
}, stateFuncs...)

const (
	maxText       = 8192 // bytes of a log line that are kept
	maxReason     = 4096 // bytes of a reason to reject or fail that are kept
	maxMetricName = 255
)

var metricPattern = regexp.MustCompile(`^[a-z][a-z0-9_.]*$`)

// callContext carries the instance to the host functions it calls. It holds no
// values and is never done: what runs too long is stopped by safepoints.
type callContext struct {
	context.Context
	instance *Instance
}

// Value spares wazero the walk through parents on each call.
func (*callContext) Value(any) any { return nil }

func (f *hostFunc) goFunc() api.GoFunc {
	call, params := f.call, f.params
	return func(ctx context.Context, stack []uint64) {
		// The upper half of an i32 is whatever was in the register.
		for n := range len(params) {
			if params[n] == 'i' {
				stack[n] = uint64(uint32(stack[n]))
			}
		}
		call(ctx.(*callContext).instance, stack)
	}
}

// stop ends the guest from within a host function; the current call returns err.
func (i *Instance) stop(err error) {
	i.fault = err
	panic(errUnwind)
}

func (i *Instance) emit(output int32, partition int, ptr, size uint32) {
	if !i.mayEmit {
		i.stop(fault.Guestf("emit: called outside the calls that may emit"))
	}
	if uint32(output) >= uint32(len(i.module.description.Outputs)) {
		i.stop(fault.Guestf("emit: no output %d, the module describes %d", output, len(i.module.description.Outputs)))
	}
	batch, ok := i.memory.view(ptr, size)
	if !ok {
		i.stop(fault.Guestf("emit: %d bytes at %#x are outside the memory of %d bytes", size, ptr, i.memory.size))
	}
	if size == 0 {
		return
	}
	if i.emitted += int64(size); i.emitted > i.limits.EmitPerBatch {
		i.stop(fault.Guestf("limit emitPerBatch %s exceeded", bytesText(i.limits.EmitPerBatch)))
	}
	if _, err := record.Validate(batch); err != nil {
		i.stop(fault.Guestf("emit: output %q: malformed batch: %s", i.module.description.Outputs[output], err.Error()))
	}
	var err error
	if partition < 0 {
		err = i.collector.Emit(int(output), batch)
	} else {
		err = i.collector.EmitTo(int(output), partition, batch)
	}
	if err != nil {
		i.stop(err)
	}
}

func (i *Instance) reject(index uint32, reason string) {
	if i.input == nil {
		i.stop(fault.Guestf("reject: called outside process"))
	}
	if i.inputRecords < 0 {
		i.inputRecords = record.Count(i.input)
	}
	if int64(index) >= int64(i.inputRecords) {
		i.stop(fault.Guestf("reject: no record %d, the batch has %d", index, i.inputRecords))
	}
	if _, twice := i.rejected[index]; twice {
		i.stop(fault.Guestf("reject: record %d is rejected twice", index))
	}
	if i.rejected == nil {
		i.rejected = make(map[uint32]struct{})
	}
	i.rejected[index] = struct{}{}
	if err := i.collector.Reject(operator.Rejection{Index: int(index), Reason: reason}); err != nil {
		i.stop(err)
	}
}

func (i *Instance) metric(kind int32, name string, value float64) {
	if kind < abi.MetricCounter || kind > abi.MetricHistogram {
		i.stop(fault.Guestf("metric: no kind %d", kind))
	}
	if len(name) > maxMetricName || !metricPattern.MatchString(name) {
		i.stop(fault.Guestf("metric: %q is no name: a-z, 0-9, '_' and '.', from a letter on, up to %d bytes", cut(name), maxMetricName))
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		i.stop(fault.Guestf("metric: the value of %q is not finite", name))
	}
	if i.config.Metric != nil {
		i.config.Metric(int(kind), name, value)
	}
}

// text copies a message out of the guest, cut at most bytes and made valid UTF-8.
func (i *Instance) text(function string, ptr, size uint32, most int) string {
	b, ok := i.memory.view(ptr, size)
	if !ok {
		i.stop(fault.Guestf("%s: %d bytes at %#x are outside the memory of %d bytes", function, size, ptr, i.memory.size))
	}
	if len(b) > most {
		b = b[:most]
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
