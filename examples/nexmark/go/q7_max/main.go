// Command q7_max is the operator of q7 by window: SELECT the bids of a window of 10 s WHERE
// price = MAX(price) of the window; one just at its end counts for the result, not for the
// maximum. The engine keeps the few bids.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var row nexmark.Row
	return wasmill.Operator{
		Name:    "q7-max",
		Version: "1.0.0",
		Apply: func(c *wasmill.Context, w *wasmill.Window) error {
			end, most := nexmark.ToNumber(w.Key), int64(-1)
			for r := range w.Records(0) {
				if bid, ok := nexmark.AsBid(r.Value); ok && bid.DateTime() < end {
					most = max(most, bid.Price())
				}
			}
			for r := range w.Records(0) {
				if bid, ok := nexmark.AsBid(r.Value); ok && bid.Price() == most {
					row = row[:0].Bid(bid)
					c.Emit(&wasmill.Record{Timestamp: end - 1, Value: row})
				}
			}
			return nil
		},
	}
}
