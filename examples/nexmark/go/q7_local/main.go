// Command q7_local is the operator of q7 before the shuffle: bids as they are, by the end of
// their window of 10 s, but those of a window that a dearer one has gone ahead. What is
// known of that may be forgotten at any time. A bid just at the end of a window goes to that
// one, too: it is BETWEEN its start and its end. Times are those ends.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

const span = 10_000 // ms

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var start, dearest, dearestBefore int64 // that of the window which ends at start
	return wasmill.Operator{
		Name:    "q7-local",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			bid, ok := nexmark.AsBid(r.Value)
			if !ok {
				return nil
			}
			if s := bid.DateTime() / span * span; s != start {
				dearestBefore = 0
				if s == start+span {
					dearestBefore = dearest
				}
				start, dearest = s, 0
			}
			if bid.DateTime() == start && bid.Price() >= dearestBefore {
				r.Timestamp = start
				nexmark.EmitUnder(c, start, *r)
			}
			if bid.Price() >= dearest {
				dearest = bid.Price()
				r.Timestamp = start + span
				nexmark.EmitUnder(c, start+span, *r)
			}
			return nil
		},
	}
}
