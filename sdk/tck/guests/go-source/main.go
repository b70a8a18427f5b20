// Command go-source is the source guest of sdk/tck in Go.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	var settings struct{ Records int }
	next, polled := 0, false
	return wasmill.Operator{
		Name:         "tck-source",
		ConfigSchema: `{"type":"object","properties":{"records":{"type":"integer","minimum":0}},"required":["records"],"additionalProperties":false}`,
		Open:         func(c *wasmill.Context) error { return config.Decode(c, &settings) },
		Poll: func(c *wasmill.Context, max int) (wasmill.Status, error) {
			if !polled {
				polled = true
				return wasmill.Idle, nil
			}
			for ; max > 0 && next < settings.Records; max, next = max-1, next+1 {
				n := strconv.Itoa(next)
				c.Emit(&wasmill.Record{Timestamp: int64(next), Key: []byte(n), Value: []byte("record " + n)})
			}
			if next == settings.Records {
				return wasmill.End, nil
			}
			return wasmill.More, nil
		},
	}
}
