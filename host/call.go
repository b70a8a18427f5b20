package host

import (
	"errors"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/sdk/abi"
)

var (
	// ErrStopped is what a call answers that Stop ended.
	ErrStopped = errors.New("call guest: stopped by the host")
	// errUnwind unwinds the guest; the reason is in Instance.fault.
	errUnwind = errors.New("unwind")
	errClosed = errors.New("use instance: it is closed")
)

// begin resets what belongs to one call.
func (i *Instance) begin() {
	i.message = ""
	i.mayEmit, i.mayPut, i.access.open = false, false, false
	i.emitted = 0
	i.nowKnown = false
	i.memory.refused = 0
	i.meter.begin()
}

// run calls an export with i.stack as its arguments and its result.
func (i *Instance) run(name string, f api.Function) error {
	err := f.CallWithStack(i.context, i.stack[:])
	i.mayEmit, i.mayPut, i.access.open = false, false, false
	if i.lines > 0 || len(i.output[0].partial) > 0 || len(i.output[1].partial) > 0 {
		i.settle()
	}
	if err != nil {
		return i.fail(name, err)
	}
	return nil
}

// finish is run for exports that answer a status of which only 0 is good.
func (i *Instance) finish(name string, f api.Function) error {
	if err := i.run(name, f); err != nil {
		return err
	}
	if status := int32(i.stack[0]); status != abi.StatusOK {
		return i.badStatus(name, status)
	}
	return nil
}

// write asks the guest for a buffer and puts b there.
func (i *Instance) write(b []byte) (ptr uint32, err error) {
	if int64(len(b)) > i.limits.Memory {
		return 0, i.tooLarge(len(b))
	}
	i.begin()
	i.stack[0] = uint64(len(b))
	if err := i.run(abi.ExportAlloc, i.exports.alloc); err != nil {
		return 0, err
	}
	ptr = uint32(i.stack[0])
	buffer, ok := i.memory.view(ptr, uint32(len(b)))
	switch {
	case ptr == 0 && int64(len(b)) > i.limits.Memory-int64(i.module.memoryPages)*wasmPage:
		// No instance could have grown for it: the guest leaks nothing.
		return 0, i.tooLarge(len(b))
	case ptr == 0:
		return 0, i.poison(fault.Guestf("%s has no room for %d bytes of input%s", abi.ExportAlloc, len(b), i.memoryNote()))
	case ptr%16 != 0:
		return 0, i.poison(fault.Guestf("%s answered %#x, which is not 16-aligned", abi.ExportAlloc, ptr))
	case !ok:
		return 0, i.poison(fault.Guestf("%s answered %#x, %d bytes there are outside the memory of %d bytes", abi.ExportAlloc, ptr, len(b), i.memory.size))
	}
	copy(buffer, b)
	return ptr, nil
}

// tooLarge is about input that the guest has no room for, which it has not seen: the
// instance goes on.
func (i *Instance) tooLarge(size int) error {
	return fault.Guestf("%w: %d bytes, limit memory is %s", operator.ErrTooLarge, size, bytesText(i.limits.Memory))
}

func (i *Instance) badStatus(name string, status int32) error {
	if status > 0 {
		return i.poison(fault.Guestf("%s answered the unknown status %d", name, status))
	}
	if i.message == "" {
		return i.poison(fault.Guestf("%s failed with status %d and no message", name, status))
	}
	return i.poison(fault.Guestf("%s: %s", name, i.message))
}

// poison makes err the answer of this and all later calls.
func (i *Instance) poison(err error) error {
	i.fault = err
	return err
}

// fail turns what wazero answered into the instance's fault.
func (i *Instance) fail(name string, err error) error {
	if i.fault != nil { // a host function stopped the guest, and said why
		if errors.Is(i.fault, fault.ErrGuest) {
			i.fault = fault.Guestf("%s: %w%s%s", name, i.fault, i.memoryNote(), i.said())
		}
		return i.fault
	}
	text, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n\t")
	if !strings.HasPrefix(text, "wasm error: ") && !strings.HasPrefix(text, "stack overflow") {
		// Not the guest: the host itself or a collector panicked.
		return i.poison(err)
	}
	text = strings.TrimPrefix(text, "wasm error: ")
	if text == "stack overflow" {
		text = "limit stackDepth exceeded: the engine's stack is full"
	}
	if i.message != "" {
		text += ": " + i.message
	}
	return i.poison(fault.Guestf("%s: trap: %s%s%s%s", name, text, i.memoryNote(), i.said(), i.module.trace(trace)))
}

// memoryNote tells of a growth refused by the limit: guests often trap after it.
func (i *Instance) memoryNote() string {
	if i.memory.refused == 0 {
		return ""
	}
	return "; limit memory " + bytesText(i.limits.Memory) + " exceeded"
}

// said is what the guest printed last, as lines of detail.
func (i *Instance) said() string {
	last := i.output[1].last
	if len(last) == 0 {
		return ""
	}
	return ": " + strings.Join(last, "\n\t")
}
