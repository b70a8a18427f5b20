// Command join pairs the orders and the payments of a key that fall into one window.
package main

import (
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newJoin) }

func main() {}

const orders, payments = 0, 1

func newJoin() wasmill.Operator {
	return wasmill.Operator{
		Name:   "join",
		Inputs: []string{"orders", "payments"},
		Apply: func(c *wasmill.Context, w *wasmill.Window) error {
			for order := range w.Records(orders) {
				for payment := range w.Records(payments) {
					value := append(append([]byte(nil), order.Value...), ' ')
					c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: w.Key, Value: append(value, payment.Value...)})
				}
			}
			return nil
		},
	}
}
