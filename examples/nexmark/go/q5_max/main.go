// Command q5_max is the operator of q5 by window: SELECT auction, num WHERE num = MAX(num) of
// the window, ties and all. The engine keeps what comes: the most of each subtask of
// q5_count.
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
		Name:    "q5-max",
		Version: "1.0.0",
		Apply: func(c *wasmill.Context, w *wasmill.Window) error {
			var most int64
			for r := range w.Records(0) {
				most = max(most, nexmark.ToNumber(r.Value[8:]))
			}
			for r := range w.Records(0) {
				if nexmark.ToNumber(r.Value[8:]) == most {
					row = row[:0].Number(`{"auction":`, nexmark.ToNumber(r.Value)).Number(`,"num":`, most).End()
					c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Value: row})
				}
			}
			return nil
		},
	}
}
