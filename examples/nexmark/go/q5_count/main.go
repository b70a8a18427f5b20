// Command q5_count is the operator of q5 by auction: SELECT window_end, auction, SUM(count)
// AS num of a window of 10 s, every 2 s; of a window only those leave that have the most
// bids of all auctions here. By window to q5_max. The engine keeps a sum for each window.
package main

import (
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
		for _, auction := range auctions {
			value = nexmark.PutNumber(nexmark.PutNumber(value[:0], auction), most)
			nexmark.EmitUnder(c, end, wasmill.Record{Timestamp: end - 1, Value: value})
		}
		auctions = auctions[:0]
		return nil
	}
	return wasmill.Operator{
		Name:    "q5-count",
		Version: "1.0.0",
		Flush:   flush,
		Aggregate: nexmark.Sum(func(c *wasmill.Context, w *wasmill.Window, num int64) error {
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
		}),
	}
}
