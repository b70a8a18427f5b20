package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestJoin(t *testing.T) {
	h := wasmilltest.New(t, newJoin(), wasmilltest.Options{})
	h.Window("a", 0, 60_000,
		[]wasmill.Record{wasmilltest.KeyValue("a", "book"), wasmilltest.KeyValue("a", "pen")},
		[]wasmill.Record{wasmilltest.KeyValue("a", "12")})
	h.Window("b", 0, 60_000, []wasmill.Record{wasmilltest.KeyValue("b", "lamp")})
	if got := h.Values("out"); !slices.Equal(got, []string{"book 12", "pen 12"}) {
		t.Errorf("got %q", got)
	}
}
