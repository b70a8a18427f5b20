// Command stats computes the mean and the largest of a window's values, which are
// numbers. The job file says which windows.
package main

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newStats) }

func main() {}

// stats is the accumulator: what of the records of a window is kept.
type stats struct {
	count uint64
	sum   float64
	most  float64
}

func newStats() wasmill.Operator {
	return wasmill.Operator{
		Name:     "stats",
		KeepsKey: true,
		Aggregate: &wasmill.Aggregate[stats]{
			Codec: wasmill.Codec[stats]{Append: appendStats, Decode: decodeStats},
			Add: func(c *wasmill.Context, s *stats, r *wasmill.Record) error {
				v, err := strconv.ParseFloat(string(r.Value), 64)
				if err != nil {
					return c.Reject("no number")
				}
				*s = merged(*s, stats{1, v, v})
				return nil
			},
			Merge: func(c *wasmill.Context, s *stats, other stats) error {
				*s = merged(*s, other)
				return nil
			},
			Finish: func(c *wasmill.Context, w *wasmill.Window, s stats) error {
				text := strconv.AppendFloat(nil, s.sum/float64(s.count), 'f', 1, 64)
				text = strconv.AppendFloat(append(text, ' '), s.most, 'f', -1, 64)
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: w.Key, Value: text})
				return nil
			},
		},
	}
}

func merged(a, b stats) stats {
	if a.count == 0 {
		return b
	}
	return stats{a.count + b.count, a.sum + b.sum, max(a.most, b.most)}
}

func appendStats(b []byte, s stats) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.count)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.sum))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(s.most))
}

func decodeStats(b []byte) (s stats, err error) {
	if len(b) != 24 {
		return s, errors.New("an accumulator of another version")
	}
	s.count = binary.LittleEndian.Uint64(b)
	s.sum = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
	s.most = math.Float64frombits(binary.LittleEndian.Uint64(b[16:]))
	return s, nil
}
