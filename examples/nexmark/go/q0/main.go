// Command q0 is the operator of q0: SELECT auction, bidder, price, dateTime, extra FROM bid.
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
		Name:    "q0",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if bid, ok := nexmark.AsBid(r.Value); ok {
				row = row[:0].Bid(bid)
				r.Value = row
				c.Emit(r)
			}
			return nil
		},
	}
}
