// Command q11_count is the operator of q11 by bidder: SELECT bidder, SUM(count) AS bid_count,
// start and end of each session.
package main

import (
	"strconv"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var row []byte
	return wasmill.Operator{
		Name:    "q11-count",
		Version: "1.0.0",
		Aggregate: &wasmill.Aggregate[int64]{
			Codec: wasmill.Int64,
			Add: func(_ *wasmill.Context, count *int64, r *wasmill.Record) error {
				*count += nexmark.ToNumber(r.Value)
				return nil
			},
			Merge: func(_ *wasmill.Context, count *int64, other int64) error {
				*count += other
				return nil
			},
			Finish: func(c *wasmill.Context, w *wasmill.Window, count int64) error {
				row = strconv.AppendInt(append(row[:0], `{"bidder":`...), nexmark.ToNumber(w.Key), 10)
				row = strconv.AppendInt(append(row, `,"bid_count":`...), count, 10)
				row = strconv.AppendInt(append(row, `,"starttime":`...), w.Start, 10)
				row = strconv.AppendInt(append(row, `,"endtime":`...), w.End, 10)
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Value: append(row, '}')})
				return nil
			},
		},
	}
}
