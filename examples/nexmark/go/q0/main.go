// Command q0 is an operator: SELECT auction, bidder, price, dateTime, extra FROM bid.
package main

import (
	"strconv"

	"github.com/wasmill/wasmill/examples/nexmark/go/nexmark"
	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var row []byte
	return wasmill.Operator{
		Name:    "q0",
		Version: "1.0.0",
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if bid, ok := nexmark.AsBid(r.Value); ok {
				row = appendRow(row[:0], bid)
				r.Value = row
				c.Emit(r)
			}
			return nil
		},
	}
}

func appendRow(row []byte, bid nexmark.Bid) []byte {
	row = strconv.AppendInt(append(row, `{"auction":`...), bid.Auction(), 10)
	row = strconv.AppendInt(append(row, `,"bidder":`...), bid.Bidder(), 10)
	row = strconv.AppendInt(append(row, `,"price":`...), bid.Price(), 10)
	row = strconv.AppendInt(append(row, `,"dateTime":`...), bid.DateTime(), 10)
	row = nexmark.AppendText(append(row, `,"extra":`...), bid.Extra())
	return append(row, '}')
}
