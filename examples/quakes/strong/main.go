// Command strong is an operator: of earthquakes, one JSON object a record, it keeps
// the strong ones and of each the time, the magnitude and the place.
package main

import (
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

// quake is what is kept of an earthquake: JSON values as they stand in the data, so
// that no digit of a number changes.
type quake struct{ time, mag, place []byte }

func newOperator() wasmill.Operator {
	minimum := 4.5
	var row []byte
	return wasmill.Operator{
		Name:    "strong",
		Version: "1.0.0",
		ConfigSchema: `{"type":"object","additionalProperties":false,"properties":{
			"min":{"type":"number","default":4.5,"description":"weakest magnitude that is kept"}}}`,
		Open: func(c *wasmill.Context) error {
			fields(c.Config, func(name, value []byte) {
				if string(name) == "min" {
					minimum, _ = strconv.ParseFloat(string(value), 64) // the schema says it is a number
				}
			})
			return nil
		},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			q, ok := read(r.Value)
			if !ok {
				return c.Reject("the line is not a JSON object")
			}
			magnitude, err := strconv.ParseFloat(string(q.mag), 64)
			if err != nil || magnitude < minimum {
				return nil // a quake whose magnitude nobody knows is not known to be strong
			}
			if q.time == nil || q.place == nil {
				return c.Reject("the earthquake has no time or no place")
			}
			row = q.appendTo(row[:0])
			r.Value = row
			c.Emit(r)
			return nil
		},
	}
}

func read(line []byte) (q quake, ok bool) {
	ok = fields(line, func(name, value []byte) {
		switch string(name) {
		case "time":
			q.time = value
		case "mag":
			q.mag = value
		case "place":
			q.place = value
		}
	})
	return q, ok
}

func (q *quake) appendTo(row []byte) []byte {
	row = append(append(row, `{"time":`...), q.time...)
	row = append(append(row, `,"mag":`...), q.mag...)
	row = append(append(row, `,"place":`...), q.place...)
	return append(row, '}')
}
