// Command count counts the records of each key, in a plain map, and gives out those
// that came often enough when its inputs have ended.
package main

import (
	"maps"
	"slices"
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
)

func init() { wasmill.RegisterFunc(newCount) }

func main() {}

// newCount makes the operator of one subtask; what its functions share lives here.
func newCount() wasmill.Operator {
	settings := struct{ Min int }{Min: 1}
	counts := map[string]int{}
	return wasmill.Operator{
		Name:         "count",
		KeepsKey:     true,
		ConfigSchema: `{"type":"object","properties":{"min":{"type":"integer","minimum":1}},"additionalProperties":false}`,
		Open:         func(c *wasmill.Context) error { return config.Decode(c, &settings) },
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if r.Key == nil {
				return c.Reject("no key")
			}
			counts[string(r.Key)]++
			return nil
		},
		End: func(c *wasmill.Context) error {
			for _, key := range slices.Sorted(maps.Keys(counts)) {
				if n := counts[key]; n >= settings.Min {
					c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(key), Value: strconv.AppendInt(nil, int64(n), 10)})
				}
			}
			return nil
		},
	}
}
