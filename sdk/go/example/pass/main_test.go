package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestPass(t *testing.T) {
	h := wasmilltest.New(t, wasmill.Registered(), wasmilltest.Options{})
	h.Process(wasmilltest.Value("a"), wasmilltest.Value("b"))
	if got := h.Values("out"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}
