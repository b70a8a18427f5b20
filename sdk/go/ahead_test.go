package wasmill_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

// tally counts the records of each key, keeps the last value of each, and forgets both
// when a value is empty.
func tally() wasmill.Operator {
	counts := &wasmill.Value[int64]{Name: "counts", Codec: wasmill.Int64}
	last := &wasmill.Value[string]{Name: "last", Codec: wasmill.String}
	return wasmill.Operator{
		Tables: []wasmill.Table{counts, last},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			if len(r.Value) == 0 {
				counts.Clear(c)
				last.Clear(c)
				return nil
			}
			n, _ := counts.Get(c)
			before, _ := last.Get(c)
			counts.Set(c, n-1)
			last.Set(c, string(r.Value))
			c.Emit(&wasmill.Record{Timestamp: r.Timestamp, Key: r.Key, Value: fmt.Append(nil, n-1, before)})
			return nil
		},
	}
}

// TestKeysOfAllLengths: what is fetched ahead and written back is a key's own, whatever
// its length, and however many there are in a batch.
func TestKeysOfAllLengths(t *testing.T) {
	const longest = 40
	random := rand.New(rand.NewPCG(1, 2))
	counts, last := map[string]int64{}, map[string]string{}
	h := wasmilltest.New(t, tally(), wasmilltest.Options{})
	for round := range 30 {
		var records []wasmill.Record
		var want []string
		for range 1 + round*100 {
			// Keys that differ in one byte, and so in one of two words at most.
			key := bytes.Repeat([]byte{'k'}, random.IntN(longest))
			for n := random.IntN(2); n > 0 && len(key) > 0; n-- {
				key[random.IntN(len(key))] = byte(random.IntN(4))
			}
			k, value := string(key), fmt.Sprint(random.IntN(1000))
			r := wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: key, Value: []byte(value)}
			switch random.IntN(10) {
			case 0:
				r.Value = []byte{}
				delete(counts, k)
				delete(last, k)
			case 1:
				r.Extension = []byte("extension")
				fallthrough
			default:
				counts[k]--
				want = append(want, fmt.Sprint(counts[k], last[k]))
				last[k] = value
			}
			records = append(records, r)
		}
		h.Process(records...)
		if got := h.Values("out"); !slices.Equal(got, want) {
			t.Fatalf("round %d: got %q, want %q", round, got, want)
		}
	}
}

// TestForeignInt64: a table says so if it holds no integers.
func TestForeignInt64(t *testing.T) {
	text := &wasmill.Value[string]{Name: "v", Codec: wasmill.String}
	number := &wasmill.Value[int64]{Name: "v", Codec: wasmill.Int64}
	h := wasmilltest.New(t, wasmill.Operator{
		Tables:  []wasmill.Table{text},
		Process: func(c *wasmill.Context, r *wasmill.Record) error { text.Set(c, string(r.Value)); return nil },
	}, wasmilltest.Options{})
	h.Process(wasmilltest.KeyValue("key", "no integer"))
	h.Restart(wasmill.Operator{
		Tables:  []wasmill.Table{number},
		Process: func(c *wasmill.Context, r *wasmill.Record) error { number.Get(c); return nil },
	})
	if err := h.Try(0, wasmilltest.KeyValue("key", "")); err == nil {
		t.Error("an integer was read from ten bytes")
	}
}
