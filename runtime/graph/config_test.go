package graph

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/sdk/abi"
)

// described is a module whose config has a schema.
func described(schema string) Resolver {
	return func(string) (ModuleInfo, error) {
		return ModuleInfo{Description: abi.Description{Shape: abi.ShapeSource, Outputs: []string{"out"}, Config: json.RawMessage(schema)}}, nil
	}
}

const configured = "version: 1\njob: x\noperators:\n  a:\n    module: a.wasm\n    config: "

func TestConfig(t *testing.T) {
	const tree = `{"$ref":"#/$defs/node","$defs":{"node":{"properties":{"next":{"$ref":"#/$defs/node"},"name":{"type":"string"}}}}}`
	for _, c := range []struct{ name, schema, config, want string }{
		{"no schema takes anything", ``, `{a: [1, {b: null}]}`, ""},
		{"null is no schema", `null`, `{a: 1}`, ""},
		{"true takes anything", `true`, `{a: 1}`, ""},
		{"a whole number is an integer", `{"properties":{"n":{"type":"integer"}}}`, `{n: 10}`, ""},
		{"a fraction is none", `{"properties":{"n":{"type":"integer"}}}`, `{n: 10.5}`, "6:17: operators.a.config.n: got number, want integer"},
		{"large numbers keep their digits", `{"properties":{"n":{"const":9007199254740993}}}`, `{n: 9007199254740993}`, ""},
		{"recursion follows the value", tree, `{next: {next: {name: 5}}}`, "6:34: operators.a.config.next.next.name: got number, want string"},
		{"every problem at once", `{"properties":{"a":{"enum":["x","y"]},"b":{"maxLength":1}}}`, "{a: z, b: long}",
			"6:17: operators.a.config.a: value must be one of 'x', 'y'\n6:23: operators.a.config.b: maxLength: got 4, want 1"},
		{"alternatives", `{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"boolean"}]}}}`, `{a: 1}`,
			"6:17: operators.a.config.a: got number, want string\n6:17: operators.a.config.a: got number, want boolean"},
		{"false takes nothing", `false`, `{}`, "6:5: operators.a.config: false schema"},
		{"a schema that is not JSON", `{"type":`, `{}`, "5:13: operators.a.module: the config schema that a.wasm describes can't be used: unexpected EOF (tell the module's author)"},
		{"a schema that is none", `{"type":"strnig"}`, `{}`, "5:13: operators.a.module: the config schema that a.wasm describes can't be used"},
		{"a schema of numbers too fine", `{"multipleOf":1e-1000000000}`, `{}`, "is not a number that a config can have"},
		{"a schema of numbers too large", `{"maximum":1e1000000000}`, `{}`, "is not a number that a config can have"},
		{"a schema of many digits", `{"maximum":` + strings.Repeat("9", 1000) + `}`, `{}`, "is not a number that a config can have"},
		{"a schema from elsewhere", `{"$ref":"https://example.com/schema"}`, `{}`, "a config schema can refer only to itself"},
		{"a schema that refers to itself for ever", `{"$ref":"#"}`, `{a: 1}`, "6:5: operators.a.config: both /$ref and resolve to \"urn:wasmill:config#\" causing reference cycle"},
		{"a pattern that other engines choke on", `{"properties":{"a":{"pattern":"^(a+)+$"}}}`, "{a: " + strings.Repeat("a", 50_000) + "b}", "does not match pattern"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(configured+c.config), Options{}, described(c.schema), catalog{})
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), "x.yaml:", "")
			}
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("said\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// FuzzConfig: whatever a module says its schema is, checking a config against it ends,
// with a plan or with Problems.
func FuzzConfig(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"number","multipleOf":0.1}}}`, `{a: 1}`)
	f.Add(`{"$defs":{"x":{"$ref":"#/$defs/x"}},"$ref":"#/$defs/x"}`, `{a: {b: 1}}`)
	f.Add(`{"$dynamicRef":"#a","$dynamicAnchor":"a","unevaluatedProperties":false}`, `{a: []}`)
	f.Add(`{"properties":{"a":{"pattern":"^(a|b)*$","format":"date-time"}}}`, `{a: aabb}`)
	f.Add(`{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","maximum":1}`, `{a: 0x1F}`)
	f.Fuzz(func(t *testing.T, schema, config string) {
		start := time.Now()
		_, err := Load("x.yaml", []byte(configured+config), Options{}, described(schema), catalog{})
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("an error that is not Problems: %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}
