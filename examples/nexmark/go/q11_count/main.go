// Command q11_count is the operator of q11 by bidder: SELECT bidder, SUM(count) AS bid_count,
// start and end of each session. The engine keeps a sum for each session.
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
		Name:    "q11-count",
		Version: "1.0.0",
		Aggregate: nexmark.Sum(func(c *wasmill.Context, w *wasmill.Window, count int64) error {
			row = row[:0].
				Number(`{"bidder":`, nexmark.ToNumber(w.Key)).
				Number(`,"bid_count":`, count).
				Number(`,"starttime":`, w.Start).
				Number(`,"endtime":`, w.End).
				End()
			c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Value: row})
			return nil
		}),
	}
}
