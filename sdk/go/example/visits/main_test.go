package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func at(minute int64, user, page string) wasmill.Record {
	return wasmill.Record{Timestamp: minute * 60_000, Key: []byte(user), Value: []byte(page)}
}

func TestVisits(t *testing.T) {
	h := wasmilltest.New(t, newVisits(), wasmilltest.Options{})
	h.ProcessFrom("rules", wasmilltest.Value("mute /health"), wasmilltest.Value("what"))
	h.Process(at(0, "ann", "/"), at(10, "ann", "/b"), at(5, "ann", "/"), at(20, "bob", "/"), at(20, "bob", "/health"))
	h.AdvanceWatermark(70*60_000 - 1)
	if got := h.Values("out"); got != nil {
		t.Errorf("too early: %q", got)
	}
	h.AdvanceWatermark(70 * 60_000)
	if got := h.Values("out"); !slices.Equal(got, []string{"/ /b / /=2 /b=1 "}) {
		t.Errorf("ann: %q", got)
	}
	h.Barrier(1)
	h.Restart(newVisits())
	h.Process(at(75, "ann", "/c"))
	h.AdvanceWatermark(500 * 60_000)
	if got := h.Values("out"); !slices.Equal(got, []string{"/ /=1 ", "/c /=2 /b=1 /c=1 "}) {
		t.Errorf("after a restart: %q", got)
	}
}
