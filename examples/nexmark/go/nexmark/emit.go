package nexmark

import (
	"encoding/binary"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// EmitUnder gives a record out under a number as its key.
func EmitUnder(c *wasmill.Context, key int64, r wasmill.Record) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(key))
	r.Key = b[:]
	c.Emit(&r)
}

// EmitCount gives a count out under a number as its key, for Sum.
func EmitCount(c *wasmill.Context, key, timestamp, count int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(count))
	EmitUnder(c, key, wasmill.Record{Timestamp: timestamp, Value: b[:]})
}

// Sum adds up the counts of each window, as EmitCount gives them.
func Sum(finish func(c *wasmill.Context, w *wasmill.Window, sum int64) error) *wasmill.Aggregate[int64] {
	return &wasmill.Aggregate[int64]{
		Codec: wasmill.Int64,
		Add: func(_ *wasmill.Context, sum *int64, r *wasmill.Record) error {
			*sum += ToNumber(r.Value)
			return nil
		},
		Merge: func(_ *wasmill.Context, sum *int64, other int64) error {
			*sum += other
			return nil
		},
		Finish: finish,
	}
}
