package main

import (
	"slices"
	"testing"

	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestCount(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.Process(wasmilltest.KeyValue("tyger", ""), wasmilltest.KeyValue("burning", ""))
	h.Process(wasmilltest.KeyValue("tyger", ""))
	if early := h.Values("out"); early != nil {
		t.Errorf("rows before the end: %q", early)
	}
	h.End()
	want := []string{`{"word":"burning","count":1}`, `{"word":"tyger","count":2}`}
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
