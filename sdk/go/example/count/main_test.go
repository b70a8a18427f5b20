package main

import (
	"slices"
	"testing"

	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestCount(t *testing.T) {
	h := wasmilltest.New(t, newCount(), wasmilltest.Options{Config: `{"min": 2}`})
	for _, word := range []string{"b", "a", "c", "a", "b", "a"} {
		h.Process(wasmilltest.KeyValue(word, ""))
	}
	h.Process(wasmilltest.Value("a record without a key"))
	h.End()
	if got := h.Values("out"); !slices.Equal(got, []string{"3", "2"}) {
		t.Errorf("counts of a and b: %q", got)
	}
	if got := h.Rejected(); len(got) != 1 || got[0].Reason != "no key" {
		t.Errorf("rejected: %v", got)
	}
}
