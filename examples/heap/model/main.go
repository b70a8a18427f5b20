// Command model is an operator: it learns what readings of each sensor are like and gives
// out those that are not. All it knows is in a map; wasmill keeps the whole program.
package main

import (
	"fmt"
	"maps"
	"math"
	"slices"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

// sensor is what is known of one: the mean and the spread of its readings (Welford 1962).
type sensor struct {
	readings     int
	mean, spread float64
}

// learn takes a reading, and tells whether it is odd: more than 2.5 standard deviations
// off, once there is something to compare it with.
func (s *sensor) learn(reading float64) (odd bool) {
	off := reading - s.mean
	odd = s.readings >= 30 && math.Abs(off) > 2.5*math.Sqrt(s.spread/float64(s.readings))
	s.readings++
	s.mean += off / float64(s.readings)
	s.spread += off * (reading - s.mean)
	return odd
}

func newOperator() wasmill.Operator {
	sensors := map[string]*sensor{}
	return wasmill.Operator{
		Name:    "model",
		Version: "1.0.0",
		Inputs:  []string{"readings"},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			s := sensors[string(r.Key)]
			if s == nil {
				s = &sensor{}
				sensors[string(r.Key)] = s
			}
			reading := readingOf(r.Value)
			if s.learn(reading) {
				c.Emit(&wasmill.Record{Timestamp: r.Timestamp, Key: r.Key,
					Value: fmt.Appendf(nil, `{"sensor":"%s","odd":%d,"after":%d,"mean":%d}`, r.Key, int(reading), s.readings, int(s.mean))})
			}
			return nil
		},
		End: func(c *wasmill.Context) error {
			for _, name := range slices.Sorted(maps.Keys(sensors)) { // a map's order is not the same twice
				s := sensors[name]
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(name),
					Value: fmt.Appendf(nil, `{"sensor":"%s","readings":%d,"mean":%d}`, name, s.readings, int(s.mean))})
			}
			return nil
		},
	}
}

// readingOf makes a number of what the generator writes: the sum of its last eight
// letters.
func readingOf(value []byte) float64 {
	sum := 0
	for _, letter := range value[max(0, len(value)-8):] {
		sum += int(letter)
	}
	return float64(sum)
}
