//go:build wasip1

// Command go-aggregate is the aggregate guest of sdk/tck in Go.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

func init() { wasmill.RegisterFunc(newOperator) }

func main() {}

func newOperator() wasmill.Operator {
	return wasmill.Operator{Name: "tck-aggregate", Aggregate: &wasmill.Aggregate[stats]{
		Codec: wasmill.Codec[stats]{Append: encode, Decode: decode}, Add: add, Merge: merge, Finish: finish,
	}}
}

type stats struct{ Count, Sum, Min, Max int64 }

func encode(b []byte, s stats) []byte {
	b, _ = binary.Append(b, binary.LittleEndian, s)
	return b
}

func decode(b []byte) (s stats, err error) {
	_, err = binary.Decode(b, binary.LittleEndian, &s)
	return s, err
}

//go:wasmimport wasmill get
func hostGet(table, key, keyLen, sub, subLen, out, room uint32) int64

func add(c *wasmill.Context, s *stats, r *wasmill.Record) error {
	first, _, _ := strings.Cut(string(r.Value), " ")
	switch first {
	case "reject":
		return c.Reject("no number")
	case "fail":
		return errors.New("as asked")
	case "state":
		hostGet(0, 0, 0, 0, 0, 0, 0)
		return nil
	case "emit":
		c.Emit(r)
		return nil
	}
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return err
	}
	return merge(c, s, stats{1, n, n, n})
}

func merge(_ *wasmill.Context, s *stats, other stats) error {
	if s.Count == 0 {
		*s = other
		return nil
	}
	*s = stats{s.Count + other.Count, s.Sum + other.Sum, min(s.Min, other.Min), max(s.Max, other.Max)}
	return nil
}

func finish(c *wasmill.Context, w *wasmill.Window, s stats) error {
	text := fmt.Appendf(nil, "%d %d %d %d %d %d %d", w.Start, w.End, w.Firing, s.Count, s.Sum, s.Min, s.Max)
	c.Emit(&wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: w.Key, Value: text})
	return nil
}
