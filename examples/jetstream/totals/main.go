// Command totals is an operator: it sums up what each customer, the key, has ordered, and
// says with each order, whose value is an amount, how much it is by now.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	orders := &wasmill.Value[int64]{Name: "orders", Codec: wasmill.Int64}
	totals := &wasmill.Value[int64]{Name: "totals", Codec: wasmill.Int64}
	var row []byte
	return wasmill.Operator{
		Name:     "totals",
		Version:  "1.0.0",
		Inputs:   []string{"orders"},
		KeepsKey: true,
		Tables:   []wasmill.Table{orders, totals},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			amount, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				return c.Reject("the amount is not a number")
			}
			count, _ := orders.Get(c)
			total, _ := totals.Get(c)
			count, total = count+1, total+amount
			orders.Set(c, count)
			totals.Set(c, total)
			row = strconv.AppendInt(append(row[:0], `{"orders":`...), count, 10)
			row = strconv.AppendInt(append(row, `,"total":`...), total, 10)
			row = append(row, '}')
			r.Value = row
			c.Emit(r)
			return nil
		},
	}
}
