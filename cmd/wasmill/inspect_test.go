package main

import (
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/sdk/abi"
)

func TestInspectTables(t *testing.T) {
	for _, c := range []struct {
		tables []abi.Table
		want   string
	}{
		{nil, ""},
		{[]abi.Table{{Name: "seen", Scope: abi.ScopeKey, TTL: "24h"}, {Name: "totals", Scope: abi.ScopeSplit}}, "tables  seen (key, ttl 24h), totals (split)\nstate   version 3\n"},
	} {
		var b strings.Builder
		i := &inspection{"x.wasm", abi.Description{Name: "x", Shape: abi.ShapeProcess, Tables: c.tables, StateVersion: 3}, host.Inspection{}}
		if err := i.writeText(&b); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, c.want) || c.tables == nil && strings.Contains(got, "tables") {
			t.Errorf("%v: %q is not in\n%s", c.tables, c.want, got)
		}
	}
}
