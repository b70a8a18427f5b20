// Command q5_local is the operator of q5 before the shuffle: SELECT auction, COUNT(*) FROM
// bid by pane of 2 s, as far as they come between two flushes; by auction to q5_count.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

const span = 2000 // ms

type pane struct{ auction, start int64 }

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var counts nexmark.Held[pane, int64]
	return wasmill.Operator{
		Name:    "q5-local",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if bid, ok := nexmark.AsBid(r.Value); ok {
				*counts.At(pane{bid.Auction(), bid.DateTime() / span * span})++
			}
			return nil
		},
		Flush: func(c *wasmill.Context) error {
			counts.Flush(func(p pane, n int64) { nexmark.EmitCount(c, p.auction, p.start, n) })
			return nil
		},
	}
}
