// Command go-apply is the apply guest of sdk/tck in Go.
package main

import (
	"errors"
	"fmt"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	applied := &wasmill.Value[int64]{Name: "applied", Codec: wasmill.Int64}
	return wasmill.Operator{
		Name: "tck-apply", Inputs: []string{"left", "right"}, Tables: []wasmill.Table{applied},
		Apply: func(c *wasmill.Context, w *wasmill.Window) error {
			var counts [2]int
			for input := range counts {
				for r := range w.Records(input) {
					counts[input]++
					switch string(r.Value) {
					case "fail":
						return errors.New("as asked")
					case "timer":
						c.SetTimer(wasmill.EventTime, 1, nil)
					}
					if len(r.Value) <= 100 {
						emit(c, w, "%d %s", input, r.Value)
					}
				}
			}
			n, _ := applied.Get(c)
			applied.Set(c, n+1)
			emit(c, w, "%d %d %d: %d %d %d", w.Start, w.End, w.Firing, counts[0], counts[1], n+1)
			return nil
		},
	}
}

func emit(c *wasmill.Context, w *wasmill.Window, format string, args ...any) {
	c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: w.Key, Value: fmt.Appendf(nil, format, args...)})
}
