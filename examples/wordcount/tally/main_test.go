package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func words(text ...string) []wasmill.Record {
	var records []wasmill.Record
	for _, word := range text {
		records = append(records, wasmilltest.KeyValue(word, ""))
	}
	return records
}

// The tour of the README, without a cluster.
func TestTallyGoesOnAfterARestart(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.Process(words("hadoop", "hadoop", "flink", "flink", "flink")...)
	want := []string{
		`{"word":"hadoop","count":1}`, `{"word":"hadoop","count":2}`,
		`{"word":"flink","count":1}`, `{"word":"flink","count":2}`, `{"word":"flink","count":3}`,
	}
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h.Restart(newOperator())
	h.Process(words("hadoop", "flink", "flink")...)
	want = []string{`{"word":"hadoop","count":3}`, `{"word":"flink","count":4}`, `{"word":"flink","count":5}`}
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("after a restart: got %q, want %q", got, want)
	}
}
