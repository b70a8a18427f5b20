// Command heapgo folds the values of each key in a map that is never at rest: it makes
// garbage with every record, and gives out what it knows when the input ends.
package main

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

type fold struct {
	count  uint64
	sums   []uint64          // a value's hash, by its last bit
	recent map[string]uint64 // replaced again and again
}

func newOperator() wasmill.Operator {
	folds := map[string]*fold{}
	return wasmill.Operator{
		Name:    "heapgo",
		Version: "1",
		Inputs:  []string{"in"},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			f := folds[string(r.Key)]
			if f == nil {
				f = &fold{}
				folds[string(r.Key)] = f
			}
			h := fnv.New64a()
			h.Write(r.Value)
			sum := h.Sum64() * (uint64(r.Timestamp) | 1)
			f.count++
			f.sums = append(append(make([]uint64, 0, len(f.sums)+1), f.sums...), sum)
			if len(f.sums) > 16 { // fold them up
				total := uint64(0)
				for _, s := range f.sums {
					total += s
				}
				f.sums = []uint64{total}
			}
			if f.recent == nil || len(f.recent) > 10 {
				f.recent = map[string]uint64{}
			}
			f.recent[string(r.Value)] = sum
			return nil
		},
		End: func(c *wasmill.Context) error {
			for _, key := range slices.Sorted(maps.Keys(folds)) {
				f, total := folds[key], uint64(0)
				for _, s := range f.sums {
					total += s
				}
				c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(key), Value: fmt.Appendf(nil, "%s %d %d", key, f.count, total)})
			}
			return nil
		},
	}
}
