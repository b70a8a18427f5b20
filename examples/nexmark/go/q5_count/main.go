// Command q5_count is the operator of q5 by auction: SELECT window_end, auction, SUM(count)
// AS num of a window of 10 s, every 2 s; of a window only those leave that have the most
// bids of all auctions here. By window to q5_max.
package main

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var end, most int64 // of the window that is being finished
	var auctions []int64
	var value []byte
	flush := func(c *wasmill.Context) error {
		key := nexmark.Number(end)
		for _, auction := range auctions {
			value = binary.LittleEndian.AppendUint64(value[:0], uint64(auction))
			value = binary.LittleEndian.AppendUint64(value, uint64(most))
			c.Emit(&wasmill.Record{Timestamp: end - 1, Key: key[:], Value: value})
		}
		auctions = auctions[:0]
		return nil
	}
	return wasmill.Operator{
		Name:    "q5-count",
		Version: "1.0.0",
		Flush:   flush,
		Aggregate: &wasmill.Aggregate[int64]{
			Codec: wasmill.Int64,
			Add: func(_ *wasmill.Context, num *int64, r *wasmill.Record) error {
				*num += nexmark.ToNumber(r.Value)
				return nil
			},
			Merge: func(_ *wasmill.Context, num *int64, other int64) error {
				*num += other
				return nil
			},
			Finish: func(c *wasmill.Context, w *wasmill.Window, num int64) error {
				if w.End != end {
					if err := flush(c); err != nil {
						return err
					}
					end, most = w.End, 0
				}
				if num > most {
					most, auctions = num, auctions[:0]
				}
				if num == most {
					auctions = append(auctions, nexmark.ToNumber(w.Key))
				}
				return nil
			},
		},
	}
}
