package nexmark

import (
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestEmitUnder(t *testing.T) {
	h := wasmilltest.New(t, wasmill.Operator{Process: func(c *wasmill.Context, r *wasmill.Record) error {
		EmitUnder(c, 1<<40, *r)
		return nil
	}}, wasmilltest.Options{})
	h.Process(wasmill.Record{Timestamp: 7, Key: []byte("other"), Value: []byte("bid"), Extension: []byte{0, 0}})
	got := h.Take("out")
	if len(got) != 1 || ToNumber(got[0].Key) != 1<<40 || got[0].Timestamp != 7 || string(got[0].Value) != "bid" || len(got[0].Extension) != 2 {
		t.Errorf("got %+v", got)
	}
}

// What EmitCount gives is what Sum adds up.
func TestSum(t *testing.T) {
	counts := wasmilltest.New(t, wasmill.Operator{Flush: func(c *wasmill.Context) error {
		EmitCount(c, 1001, 5, 2)
		EmitCount(c, 1001, 6, 40)
		return nil
	}, Process: func(*wasmill.Context, *wasmill.Record) error { return nil }}, wasmilltest.Options{})
	counts.Flush()
	var records []wasmill.Record
	for _, e := range counts.Take("out") {
		records = append(records, e.Record)
	}

	var key, start, got int64
	h := wasmilltest.New(t, wasmill.Operator{Aggregate: Sum(func(_ *wasmill.Context, w *wasmill.Window, sum int64) error {
		key, start, got = ToNumber(w.Key), w.Start, sum
		return nil
	})}, wasmilltest.Options{})
	h.Window(string(PutNumber(nil, 1001)), 4, 8, records)
	if key != 1001 || start != 4 || got != 42 {
		t.Errorf("got %d of key %d from %d on, want 42 of 1001 from 4 on", got, key, start)
	}
}
