package main

import (
	"slices"
	"testing"

	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestCount(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.Process(
		wasmilltest.KeyValue("SFO", "15"), // not late yet
		wasmilltest.KeyValue("DTW", "66"),
		wasmilltest.KeyValue("SFO", "16"),
	)
	h.Process(wasmilltest.KeyValue("SFO", "-40"), wasmilltest.KeyValue("LAS", "-5"), wasmilltest.KeyValue(`"\`+"\n", "0"))
	if early := h.Values("out"); early != nil {
		t.Errorf("rows before the end: %q", early)
	}
	h.End()
	want := []string{
		`{"origin":"\"\\\u000a","flights":1,"late":0,"delay_total":0,"delay_max":0}`,
		`{"origin":"DTW","flights":1,"late":1,"delay_total":66,"delay_max":66}`,
		`{"origin":"LAS","flights":1,"late":0,"delay_total":-5,"delay_max":-5}`,
		`{"origin":"SFO","flights":3,"late":1,"delay_total":-9,"delay_max":16}`,
	}
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestCountRejectsWhatIsNoDelay(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.Process(wasmilltest.KeyValue("SFO", "1"), wasmilltest.KeyValue("SFO", "soon"))
	if r := h.Rejected(); len(r) != 1 || r[0].Index != 1 {
		t.Errorf("rejected %+v, want the second record", r)
	}
}
