// Command count is an operator: it counts the flights of a session of an origin.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	return wasmill.Operator{
		Name:     "count",
		Version:  "1.0.0",
		Inputs:   []string{"flights"},
		KeepsKey: true,
		Aggregate: &wasmill.Aggregate[int64]{
			Codec: wasmill.Int64,
			Add: func(_ *wasmill.Context, flights *int64, _ *wasmill.Record) error {
				*flights++
				return nil
			},
			Merge: func(_ *wasmill.Context, flights *int64, more int64) error {
				*flights += more
				return nil
			},
			Finish: func(c *wasmill.Context, session *wasmill.Window, flights int64) error {
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: session.Key, Value: row(session, flights)})
				return nil
			},
		},
	}
}

func row(session *wasmill.Window, flights int64) []byte {
	b := appendString([]byte(`{"origin":`), session.Key)
	b = strconv.AppendInt(append(b, `,"start":`...), session.Start, 10)
	b = strconv.AppendInt(append(b, `,"end":`...), session.End, 10)
	b = strconv.AppendInt(append(b, `,"flights":`...), flights, 10)
	return append(b, '}')
}

// appendString quotes text for JSON.
func appendString(b, text []byte) []byte {
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(append(b, `\u00`...), "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
