//go:build wasip1

package wasmill

import "unsafe"

// The exports of the module; see sdk/abi.md.

var (
	instance    *Instance
	description []byte
	input       []byte // what wasmill_alloc gave out last
)

// started returns the instance, which is made at the first call.
func started() *Instance {
	if instance == nil {
		instance = NewInstance(Registered(), imports{})
	}
	return instance
}

//go:wasmexport wasmill_describe
func describe() int64 {
	description = started().Describe()
	return int64(uintptr(unsafe.Pointer(&description[0])))<<32 | int64(len(description))
}

//go:wasmexport wasmill_alloc
func alloc(size uint32) unsafe.Pointer {
	const align = 16
	if need := int(size) + align; len(input) < need || len(input) > keptBuffer && need < keptBuffer {
		input = nil // the old buffer is garbage before the new one is made
		input = make([]byte, max(need, fullBatch))
	}
	at := uintptr(unsafe.Pointer(&input[0]))
	return unsafe.Pointer(&input[-at&(align-1)])
}

//go:wasmexport wasmill_open
func open(p *byte, n uint32) int32 { return started().Open(unsafe.Slice(p, n)) }

//go:wasmexport wasmill_process
func process(in int32, p *byte, n uint32) int32 {
	return started().Process(int(in), unsafe.Slice(p, n))
}

//go:wasmexport wasmill_poll
func poll(max int32) int32 { return started().Poll(int(max)) }

//go:wasmexport wasmill_flush
func flush() int32 { return started().Flush() }

//go:wasmexport wasmill_end
func end() int32 { return started().End() }

//go:wasmexport wasmill_timers
func timers(p *byte, n uint32) int32 { return started().Timers(unsafe.Slice(p, n)) }

//go:wasmexport wasmill_watermark
func watermark(ts int64) int32 { return started().Watermark(ts) }

//go:wasmexport wasmill_barrier
func barrier(checkpoint int64) int32 { return started().Barrier(checkpoint) }

//go:wasmexport wasmill_accumulate
func accumulate(p *byte, n uint32) int32 { return started().Accumulate(unsafe.Slice(p, n)) }

//go:wasmexport wasmill_merge
func merge(p *byte, n uint32) int32 { return started().Merge(unsafe.Slice(p, n)) }

//go:wasmexport wasmill_finish
func finish(p *byte, n uint32) int32 { return started().Finish(unsafe.Slice(p, n)) }

//go:wasmexport wasmill_apply
func apply(p *byte, n uint32) int32 { return started().Apply(unsafe.Slice(p, n)) }
