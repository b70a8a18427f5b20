// Command running counts the records of each key in a table, and gives out each key's
// count so far.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newRunning) }

func main() {}

func newRunning() wasmill.Operator {
	counts := &wasmill.Value[int64]{Name: "counts", Codec: wasmill.Int64}
	var text []byte
	return wasmill.Operator{
		Name: "running", KeepsKey: true, Tables: []wasmill.Table{counts},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if r.Key == nil {
				return c.Reject("no key")
			}
			n, _ := counts.Get(c)
			counts.Set(c, n+1)
			text = strconv.AppendInt(text[:0], n+1, 10)
			r.Value = text
			c.Emit(r)
			return nil
		},
	}
}
