//go:build wasip1

package wasmill

import "unsafe"

//go:wasmimport wasmill emit
func hostEmit(output int32, p unsafe.Pointer, n uint32)

//go:wasmimport wasmill emit_to
func hostEmitTo(output, partition int32, p unsafe.Pointer, n uint32)

//go:wasmimport wasmill reject
func hostReject(index int32, p unsafe.Pointer, n uint32)

//go:wasmimport wasmill now
func hostNow() int64

//go:wasmimport wasmill log
func hostLog(level int32, p unsafe.Pointer, n uint32)

//go:wasmimport wasmill metric
func hostMetric(kind int32, p unsafe.Pointer, n uint32, value float64)

//go:wasmimport wasmill fail
func hostFail(p unsafe.Pointer, n uint32)

// imports is the engine as a Host.
type imports struct{}

func (imports) Emit(output int, batch []byte) {
	hostEmit(int32(output), unsafe.Pointer(unsafe.SliceData(batch)), uint32(len(batch)))
}

func (imports) EmitTo(output, partition int, batch []byte) {
	hostEmitTo(int32(output), int32(partition), unsafe.Pointer(unsafe.SliceData(batch)), uint32(len(batch)))
}

func (imports) Reject(index int, reason string) {
	hostReject(int32(index), unsafe.Pointer(unsafe.StringData(reason)), uint32(len(reason)))
}

func (imports) Now() int64 { return hostNow() }

func (imports) Log(level int32, line string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

func (imports) Metric(kind int32, name string, value float64) {
	hostMetric(kind, unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), value)
}

func (imports) Fail(message string) {
	hostFail(unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}
