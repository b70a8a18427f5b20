package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

const minute = 60_000

func at(minutes int64, key string) wasmill.Record {
	return wasmill.Record{Timestamp: minutes * minute, Key: []byte(key), Value: []byte("{}")}
}

func ruleAt(minutes int64, value string) wasmill.Record {
	return wasmill.Record{Timestamp: minutes * minute, Value: []byte(value)}
}

func alerts(t *testing.T, h *wasmilltest.Harness, want ...string) {
	t.Helper()
	if got := h.Values("out"); !slices.Equal(got, want) {
		t.Errorf("alerts: got %q, want %q", got, want)
	}
}

func TestSilenceOfAnHour(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.ProcessFrom("events", at(70, "ak"), at(0, "ci"), at(0, "ak"), at(60, "ci"), at(60, "ci"), at(130, "ak"))
	alerts(t, h)
	h.AdvanceWatermark(59 * minute)
	alerts(t, h)
	h.AdvanceWatermark(60 * minute)
	alerts(t, h, `{"net":"ak","since":0,"seconds":3600}`) // ci has its next after just an hour
	h.AdvanceWatermark(125 * minute)
	alerts(t, h, `{"net":"ci","since":3600000,"seconds":3600}`)
	h.ProcessFrom("events", at(125, "ak"), at(126, "ak"))
	if n := h.Metric("late"); n != 1 {
		t.Errorf("%v events were late, want 1", n)
	}
	h.AdvanceWatermark(1000 * minute)
	alerts(t, h, `{"net":"ak","since":7800000,"seconds":3600}`)
	h.AdvanceWatermark(2000 * minute) // one alert for one silence
	alerts(t, h)
	if n := h.Timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// A rule holds from its time on, for events of its key, whichever comes first.
func TestRules(t *testing.T) {
	for _, order := range []string{"rules first", "events first"} {
		t.Run(order, func(t *testing.T) {
			h := wasmilltest.New(t, newOperator(), wasmilltest.Options{Config: `{"seconds":600}`})
			rules := func() {
				h.ProcessFrom("rules", ruleAt(100, `{"net":"ci","seconds":60}`), ruleAt(300, `{"net":"ci","seconds":120}`))
			}
			if order == "rules first" {
				rules()
			}
			h.ProcessFrom("events", at(99, "ci"), at(100, "c"), at(100, "ci"), at(299, "ci"), at(300, "ci"))
			if order == "events first" {
				rules()
			}
			h.AdvanceWatermark(1000 * minute)
			alerts(t, h,
				`{"net":"ci","since":6000000,"seconds":60}`,
				`{"net":"c","since":6000000,"seconds":600}`,
				`{"net":"ci","since":18000000,"seconds":120}`)
		})
	}
}

// Rules, deadlines and timers are in checkpoints.
func TestRestart(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.ProcessFrom("rules", ruleAt(10, `{"net":"ci","seconds":60}`))
	h.ProcessFrom("events", at(5, "ak"), at(20, "ak"), at(30, "ci"))
	h.AdvanceWatermark(10 * minute)
	h.Restart(newOperator())
	h.AdvanceWatermark(90 * minute)
	alerts(t, h, `{"net":"ci","since":1800000,"seconds":60}`, `{"net":"ak","since":1200000,"seconds":3600}`)
}

func TestRejects(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.ProcessFrom("rules", ruleAt(0, `{}`), ruleAt(0, `{"net":"ci"}`), ruleAt(0, `{"net":"ci","seconds":0}`), ruleAt(0, `ci 60`), wasmilltest.Value(`{"net":"ci","seconds":1}`))
	h.ProcessFrom("events", wasmilltest.KeyValue("ci", ""), wasmill.Record{Timestamp: 1})
	if n := len(h.Rejected()); n != 7 {
		t.Errorf("%d records rejected, want 7", n)
	}
	if n := h.Timers(); n != 0 {
		t.Errorf("%d timers are set", n)
	}
}
