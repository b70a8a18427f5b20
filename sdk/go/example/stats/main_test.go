package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestStats(t *testing.T) {
	h := wasmilltest.New(t, newStats(), wasmilltest.Options{})
	h.Window("k", 0, 60_000, []wasmill.Record{
		wasmilltest.KeyValue("k", "-3"), wasmilltest.KeyValue("k", "five"), wasmilltest.KeyValue("k", "1"), wasmilltest.KeyValue("k", "11"),
	})
	h.Window("l", 0, 60_000, []wasmill.Record{wasmilltest.KeyValue("l", "2.5")})
	if got := h.Values("out"); !slices.Equal(got, []string{"3.0 11", "2.5 2.5"}) {
		t.Errorf("got %q", got)
	}
	if got := h.Rejected(); len(got) != 1 || got[0].Reason != "no number" {
		t.Errorf("rejected %v", got)
	}
}
