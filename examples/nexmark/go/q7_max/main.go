// Command q7_max is the operator of q7 by window: SELECT the bids of a window of 10 s WHERE
// price = MAX(price) of the window; one just at its end counts for the result, not for the
// maximum.
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
		Name:    "q7-max",
		Version: "1.0.0",
		Apply: func(c *wasmill.Context, w *wasmill.Window) error {
			end, most := nexmark.ToNumber(w.Key), int64(-1)
			for r := range w.Records(0) {
				if bid, ok := nexmark.AsBid(r.Value); ok && bid.DateTime() < end {
					most = max(most, bid.Price())
				}
			}
			for r := range w.Records(0) {
				if bid, ok := nexmark.AsBid(r.Value); ok && bid.Price() == most {
					row = appendRow(row[:0], bid)
					c.Emit(&wasmill.Record{Timestamp: end - 1, Value: row})
				}
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
