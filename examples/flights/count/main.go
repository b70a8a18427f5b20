// Command count is an operator: of flights, keyed by origin and with the delay in
// minutes as value, it gives a row per origin when the last flight has come.
package main

import (
	"maps"
	"slices"
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

// lateAfter is the delay, in minutes, above which a flight is late.
const lateAfter = 15

// totals are what is known of an origin. Delays are in minutes; who leaves early
// counts below zero.
type totals struct{ flights, late, delayTotal, delayMax int }

func newOperator() wasmill.Operator {
	origins := map[string]*totals{}
	return wasmill.Operator{
		Name:    "count",
		Version: "1.0.0",
		Inputs:  []string{"flights"},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			delay, err := strconv.Atoi(string(r.Value))
			if err != nil {
				return c.Reject("the delay is not a number of minutes")
			}
			t := origins[string(r.Key)]
			if t == nil {
				t = &totals{delayMax: delay}
				origins[string(r.Key)] = t
			}
			t.add(delay)
			return nil
		},
		End: func(c *wasmill.Context) error {
			for _, name := range slices.Sorted(maps.Keys(origins)) { // a map's order is not the same twice
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(name), Value: origins[name].row(name)})
			}
			return nil
		},
	}
}

func (t *totals) add(delay int) {
	t.flights++
	t.delayTotal += delay
	t.delayMax = max(t.delayMax, delay)
	if delay > lateAfter {
		t.late++
	}
}

func (t *totals) row(origin string) []byte {
	number := func(b []byte, name string, n int) []byte {
		return strconv.AppendInt(append(b, `,"`+name+`":`...), int64(n), 10)
	}
	b := appendString([]byte(`{"origin":`), origin)
	b = number(b, "flights", t.flights)
	b = number(b, "late", t.late)
	b = number(b, "delay_total", t.delayTotal)
	b = number(b, "delay_max", t.delayMax)
	return append(b, '}')
}

// appendString quotes text for JSON.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
