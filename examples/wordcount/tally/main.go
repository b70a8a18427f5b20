// Command tally is an operator: it counts records by their key in a table, which is part
// of every checkpoint, and says each time how many there were so far.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	counts := &wasmill.Value[int64]{Name: "counts", Codec: wasmill.Int64}
	var row []byte
	return wasmill.Operator{
		Name:     "tally",
		Version:  "1.0.0",
		Inputs:   []string{"words"},
		KeepsKey: true,
		Tables:   []wasmill.Table{counts},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			count, _ := counts.Get(c)
			count++
			counts.Set(c, count)
			// A word has letters, digits and apostrophes only: nothing to escape.
			row = append(append(row[:0], `{"word":"`...), r.Key...)
			row = strconv.AppendInt(append(row, `","count":`...), count, 10)
			row = append(row, '}')
			r.Value = row
			c.Emit(r)
			return nil
		},
	}
}
