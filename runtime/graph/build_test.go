package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/sdk/abi"
)

// catalog is a small engine: connectors that use every type of setting.
type catalog struct{}

func (catalog) Sources() []string { return []string{"file", "generator", "stdin", "values"} }
func (catalog) Sinks() []string   { return []string{"discard", "file", "stdout"} }

func (catalog) Source(name string) (ConnectorSpec, bool) {
	decode := []string{"lines", "csv", "json"}
	switch name {
	case "file":
		return ConnectorSpec{Formats: decode, Timestamps: true, Fields: []Field{
			{Name: "path", Type: FieldPath, Required: true, Doc: "a file or a glob"},
			{Name: "maxLine", Type: FieldSize, Default: "1MiB", Min: 1, Max: 64 << 20},
			{Name: "header", Type: FieldBool},
		}}, true
	case "generator":
		endless := func(settings json.RawMessage) bool { return strings.Contains(string(settings), `"records":-1`) }
		return ConnectorSpec{Endless: endless, Fields: []Field{
			{Name: "records", Type: FieldInt, Default: "unlimited", Words: map[string]int64{"unlimited": -1}},
			{Name: "rate", Type: FieldInt, Default: "max", Words: map[string]int64{"max": 0}, Min: 1},
			{Name: "keys", Type: FieldInt, Default: "1", Min: 1, Max: 1 << 32},
			{Name: "pause", Type: FieldDuration, Max: int64(1e9)},
			{Name: "start", Type: FieldTime, Max: 253_402_300_799_999},
		}}, true
	case "stdin":
		return ConnectorSpec{Formats: decode, Timestamps: true, MaxParallelism: 1}, true
	case "values":
		return ConnectorSpec{Fields: []Field{{Name: "records", Type: FieldList, Required: true, Check: func(raw json.RawMessage) error {
			if raw[0] == '[' {
				return errors.New("expected text, a number or fields, found a list")
			}
			return nil
		}}}}, true
	}
	return ConnectorSpec{}, false
}

func (catalog) Sink(name string) (ConnectorSpec, bool) {
	switch name {
	case "file":
		return ConnectorSpec{TwoPhase: true, Formats: []string{"lines", "json"}, Fields: []Field{{Name: "path", Type: FieldPath, Required: true, Exclusive: true}}}, true
	case "stdout":
		return ConnectorSpec{Formats: []string{"lines", "json"}, Fields: []Field{{Name: "prefix", Type: FieldString, Enum: []string{"none", "subtask"}}}}, true
	case "discard":
		return ConnectorSpec{}, true
	}
	return ConnectorSpec{}, false
}

// modules answers for the files that test jobs name.
func modules(path string) (ModuleInfo, error) {
	schema := json.RawMessage(`{"type":"object","properties":{"field":{"type":"string","minLength":1},"min":{"type":"number","maximum":10},"tags":{"type":"array","items":{"type":"string"}}},"required":["field"],"additionalProperties":false}`)
	known := map[string]abi.Description{
		"pass.wasm":   {Name: "pass", Shape: abi.ShapeProcess, Inputs: []string{"in"}, Outputs: []string{"out"}, KeepsKey: true},
		"filter.wasm": {Name: "filter", Shape: abi.ShapeProcess, Inputs: []string{"in"}, Outputs: []string{"out"}, Config: schema},
		"join.wasm":   {Name: "join", Shape: abi.ShapeProcess, Inputs: []string{"left", "right"}, Outputs: []string{"both", "unmatched"}},
		"count.wasm":  {Name: "count", Shape: abi.ShapeSource, Outputs: []string{"numbers"}},
		"last.wasm":   {Name: "last", Shape: abi.ShapeProcess, Inputs: []string{"in"}},
		"wild.wasm":   {Name: "wild", Shape: abi.ShapeProcess, Inputs: []string{"in"}, Outputs: []string{"out"}, Config: json.RawMessage(`{"multipleOf":1e-999999999}`)},
		"far.wasm":    {Name: "far", Shape: abi.ShapeProcess, Inputs: []string{"in"}, Outputs: []string{"out"}, Config: json.RawMessage(`{"$ref":"file:///etc/passwd"}`)},
	}
	in, out := []string{"in"}, []string{"out"}
	seen := abi.Table{Name: "seen", Scope: abi.ScopeKey, TTL: "24h"}
	maps.Copy(known, map[string]abi.Description{
		"dedup.wasm": {Name: "dedup", Shape: abi.ShapeProcess, Inputs: in, Outputs: out, KeepsKey: true, StateVersion: 3, Tables: []abi.Table{seen, {Name: "totals", Scope: abi.ScopeSplit}}},
		"rules.wasm": {Name: "rules", Shape: abi.ShapeProcess, Inputs: []string{"events", "rules"}, Outputs: out, Tables: []abi.Table{{Name: "rules", Scope: abi.ScopeBroadcast}, seen}},
		"stats.wasm": {Name: "stats", Shape: abi.ShapeAggregate, Inputs: in, Outputs: []string{"out", "errors"}},
		"pair.wasm":  {Name: "pair", Shape: abi.ShapeApply, Inputs: []string{"left", "right"}, Outputs: out},
		"late.wasm":  {Name: "late", Shape: abi.ShapeAggregate, Inputs: in, Outputs: []string{"late"}},
		"liar.wasm": {Name: "liar", Shape: abi.ShapeProcess, Inputs: in, Outputs: out, Tables: []abi.Table{
			{Name: "$time", Scope: abi.ScopeKey}, {Name: "seen", Scope: "keyed"}, {Name: "seen", Scope: abi.ScopeUnion, TTL: "a day"}}},
		"xl.wasm":   {Name: "xl", Shape: abi.ShapeProcess, Inputs: in, Outputs: out},
		"pump.wasm": {Name: "pump", Shape: abi.ShapeSource, Outputs: out, Tables: []abi.Table{seen}},
	})
	name := filepath.Base(path)
	d, ok := known[name]
	if !ok {
		return ModuleInfo{}, fmt.Errorf("read module: %s: no such file", path)
	}
	d.ABI = abi.Version
	var memory, table int64
	if name == "xl.wasm" {
		memory, table = 128<<10, 1000
	}
	image := ""
	if name == "last.wasm" {
		image = "changes tables at run time (table.grow)"
	}
	i := slices.Index(slices.Sorted(maps.Keys(known)), name)
	return ModuleInfo{NoImage: image, Description: d, SHA256: strings.Repeat(fmt.Sprintf("%02x", i+1), 32), Memory: memory, Table: table}, nil
}
