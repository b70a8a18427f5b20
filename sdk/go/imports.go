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

//go:wasmimport wasmill state
func hostState(request unsafe.Pointer, n uint32, out unsafe.Pointer, room uint32) int64

//go:wasmimport wasmill timer_set
func hostTimerSet(domain int32, at int64, key unsafe.Pointer, keyLen uint32, tag unsafe.Pointer, tagLen uint32)

//go:wasmimport wasmill timer_delete
func hostTimerDelete(domain int32, at int64, key unsafe.Pointer, keyLen uint32, tag unsafe.Pointer, tagLen uint32)

//go:wasmimport wasmill watermark
func hostWatermark() int64

//go:wasmimport wasmill reply
func hostReply(p unsafe.Pointer, n uint32)

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

func (imports) State(request, out []byte) int64 {
	return hostState(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request)), unsafe.Pointer(unsafe.SliceData(out)), uint32(len(out)))
}

func (imports) TimerSet(domain int32, at int64, key, tag []byte) {
	hostTimerSet(domain, at, unsafe.Pointer(unsafe.SliceData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(tag)), uint32(len(tag)))
}

func (imports) TimerDelete(domain int32, at int64, key, tag []byte) {
	hostTimerDelete(domain, at, unsafe.Pointer(unsafe.SliceData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(tag)), uint32(len(tag)))
}

func (imports) Watermark() int64 { return hostWatermark() }

func (imports) Reply(b []byte) { hostReply(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }
