package window

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// Output stands between a guest and its task's Collector: whoever opens the guest of a
// window operator gives it this. Records that a window's result leaves without a
// timestamp get that of the window, its end − 1, as in Flink; those of global windows,
// which have no end, keep none.
type Output struct {
	to      operator.Collector
	window  int64   // timestamp of the results that are being given out, or NoTimestamp
	indexes []int32 // accumulate: of each record in the call, in the batch being processed
	stamped []byte
}

// NewOutput makes the Output before a Collector.
func NewOutput(to operator.Collector) *Output {
	return &Output{to: to, window: record.NoTimestamp}
}

// Emit implements operator.Collector.
func (o *Output) Emit(output int, batch []byte) error {
	return o.to.Emit(output, o.stamp(batch))
}

// EmitTo implements operator.Collector.
func (o *Output) EmitTo(output, partition int, batch []byte) error {
	return o.to.EmitTo(output, partition, o.stamp(batch))
}

// Reject implements operator.Collector. In accumulate the index counts the records of
// all groups of the call; in other calls the records have been accepted already.
func (o *Output) Reject(r operator.Rejection) error {
	if r.Index < 0 || r.Index >= len(o.indexes) {
		return fault.Guestf("reject record %d: accumulate was given %d", r.Index, len(o.indexes))
	}
	r.Index = int(o.indexes[r.Index])
	return o.to.Reject(r)
}

// stamp returns the batch with timestamps: itself, if all records have one.
func (o *Output) stamp(batch []byte) []byte {
	if o.window == record.NoTimestamp {
		return batch
	}
	const timestampAt = 8 // in a record
	copied := false
	at := 0
	for c := record.NewCursor(batch); c.Next(); at = c.Offset() {
		if c.Timestamp != record.NoTimestamp {
			continue
		}
		if !copied {
			o.stamped, copied = append(o.stamped[:0], batch...), true
		}
		binary.LittleEndian.PutUint64(o.stamped[at+timestampAt:], uint64(o.window))
	}
	if copied {
		return o.stamped
	}
	return batch
}
