// Command count is an operator: it counts records by their key, and gives out a row
// per key when the last record has come.
package main

import (
	"maps"
	"slices"
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	counts := map[string]int{}
	return wasmill.Operator{
		Name:     "count",
		Version:  "1.0.0",
		Inputs:   []string{"words"},
		KeepsKey: true,
		Process: func(_ *wasmill.Context, r *wasmill.Record) error {
			counts[string(r.Key)]++
			return nil
		},
		End: func(c *wasmill.Context) error {
			for _, word := range slices.Sorted(maps.Keys(counts)) { // a map's order is not the same twice
				// A word has letters, digits and apostrophes only: nothing to escape.
				row := `{"word":"` + word + `","count":` + strconv.Itoa(counts[word]) + `}`
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(word), Value: []byte(row)})
			}
			return nil
		},
	}
}
