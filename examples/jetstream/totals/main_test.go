package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestTotalsGoOnAfterARestart(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	order := func(customer, amount string) wasmill.Record { return wasmilltest.KeyValue(customer, amount) }
	h.Process(order("c1", "5"), order("c2", "7"), order("c1", "10"))
	want := []string{`{"orders":1,"total":5}`, `{"orders":1,"total":7}`, `{"orders":2,"total":15}`}
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h.Restart(newOperator())
	h.Process(order("c1", "1"))
	if got, want := h.Values("out"), []string{`{"orders":3,"total":16}`}; !slices.Equal(got, want) {
		t.Errorf("after a restart: got %q, want %q", got, want)
	}
}
