// Command q11_local is the operator of q11 before the shuffle: the bids of a bidder between
// two flushes as their count, first and last time. Who is not longer than the gap from
// first to last is in one session, so two records tell the engine all: one at each end. By
// bidder to q11_count.
package main

import (
	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

const gap = 10_000 // ms

type run struct{ count, first, last int64 }

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var runs nexmark.Held[int64, run] // by bidder
	return wasmill.Operator{
		Name:    "q11-local",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			bid, ok := nexmark.AsBid(r.Value)
			if !ok {
				return nil
			}
			t := bid.DateTime()
			s := runs.At(bid.Bidder())
			if s.count > 0 && max(t, s.last)-min(t, s.first) > gap {
				emit(c, bid.Bidder(), *s)
				*s = run{}
			}
			if s.count == 0 {
				s.first, s.last = t, t
			}
			*s = run{s.count + 1, min(t, s.first), max(t, s.last)}
			return nil
		},
		Flush: func(c *wasmill.Context) error {
			runs.Flush(func(bidder int64, s run) { emit(c, bidder, s) })
			return nil
		},
	}
}

func emit(c *wasmill.Context, bidder int64, s run) {
	if s.first < s.last {
		nexmark.EmitCount(c, bidder, s.first, s.count-1)
		s.count = 1
	}
	nexmark.EmitCount(c, bidder, s.last, s.count)
}
