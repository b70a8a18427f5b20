package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestRunning(t *testing.T) {
	h := wasmilltest.New(t, newRunning(), wasmilltest.Options{})
	var records []wasmill.Record
	for _, word := range []string{"b", "a", "b"} {
		records = append(records, wasmilltest.KeyValue(word, ""))
	}
	h.Process(records...)
	h.Restart(newRunning())
	h.Process(records...)
	if got := h.Values("out"); !slices.Equal(got, []string{"3", "2", "4"}) {
		t.Errorf("counts after a restart: %q", got)
	}
}
