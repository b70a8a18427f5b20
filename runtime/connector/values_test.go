package connector_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

func TestValues(t *testing.T) {
	const noTime = ` time=-9223372036854775808`
	for _, c := range []struct{ name, record, want string }{
		{"a text is a value", `"a\nb"`, `insert key="" value="a\nb"` + noTime + ` kind=4`},
		{"a number is its text", `1.50`, `insert key="" value="1.50"` + noTime + ` kind=4`},
		{"an object is its JSON", `{"a": [1, 2]}`, `insert key="" value="{\"a\":[1,2]}"` + noTime + ` kind=4`},
		{"null is the null value", `null`, `insert key="" value=""` + noTime + ` kind=12`},
		{"a record with all", `{"key":"k","value":"v","time":5}`, `insert key="k" value="v" time=5 kind=0`},
		{"a record with an empty key", `{"key":"","value":null}`, `insert key="" value=""` + noTime + ` kind=8`},
		{"a record of JSON", `{"key":7,"value":{"a":1},"time":"1970-01-01T00:00:01Z"}`, `insert key="7" value="{\"a\":1}" time=1000 kind=0`},
		{"null key and time are none", `{"key":null,"value":"v","time":null}`, `insert key="" value="v"` + noTime + ` kind=4`},
		{"another field makes it a value", `{"value":1,"unit":"m"}`, `insert key="" value="{\"value\":1,\"unit\":\"m\"}"` + noTime + ` kind=4`},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := source("values", graph.Format{Decode: "lines"}, map[string]any{"records": []json.RawMessage{json.RawMessage(c.record)}})
			if got := read(t, op).Records; len(got) != 1 || got[0] != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestValuesDecode(t *testing.T) {
	op := source("values", graph.Format{Decode: "json", KeyField: "k", Timestamp: "field", TimestampField: "t", TimestampUnit: "s"}, map[string]any{
		"records": []any{map[string]any{"k": "x", "t": 1}, "text", nil, map[string]any{"k": "y"}},
	})
	r := read(t, op)
	records := []string{
		`insert key="x" value="{\"k\":\"x\",\"t\":1}" time=1000 kind=0`,
		`insert key="" value="" time=-9223372036854775808 kind=12`,
	}
	rejected := []string{"with.records[1]: not JSON: no value at column 2", "with.records[3]: timestamp: field t is missing"}
	if !slices.Equal(r.Records, records) || !slices.Equal(r.Rejected, rejected) {
		t.Errorf("got %q, rejected %q", r.Records, r.Rejected)
	}
}

func TestStamps(t *testing.T) {
	given := map[string]any{"records": []any{map[string]any{"value": "v", "time": 5}, map[string]any{"value": nil, "time": 5}}}
	for stamp, want := range map[string]int64{"": 5, "none": record.NoTimestamp, "arrival": 946_684_800_000} {
		synctest.Test(t, func(t *testing.T) { // its clock begins with the year 2000
			for _, got := range read(t, source("values", graph.Format{Decode: "lines", Timestamp: stamp}, given)).Records {
				if !strings.Contains(got, fmt.Sprintf(" time=%d ", want)) {
					t.Errorf("timestamp %q: got %s, want time %d", stamp, got, want)
				}
			}
		})
	}
}

func TestCatalog(t *testing.T) {
	c := connector.Catalog()
	if got, want := strings.Join(c.Sources(), " "), "file generator jetstream nexmark socket stdin values"; got != want {
		t.Errorf("sources are %q, want %q", got, want)
	}
	if got, want := strings.Join(c.Sinks(), " "), "discard file jetstream stdout"; got != want {
		t.Errorf("sinks are %q, want %q", got, want)
	}
	specs := map[string]graph.ConnectorSpec{}
	for _, name := range c.Sources() {
		specs["source "+name], _ = c.Source(name)
	}
	for _, name := range c.Sinks() {
		specs["sink "+name], _ = c.Sink(name)
	}
	for name, spec := range specs {
		if spec.Doc == "" {
			t.Errorf("%s has no line of documentation", name)
		}
		for _, f := range spec.Fields {
			if f.Doc == "" || f.Type == "" || f.Required && f.Default != "" || !f.Required && f.Default == "" && !strings.Contains(f.Doc, "left out: ") {
				t.Errorf("%s: field %s lacks documentation, type or one of default, being required, and what leaving it out means", name, f.Name)
			}
		}
	}
	if _, ok := c.Source("kafka"); ok {
		t.Error("there is a source that is not built")
	}
	if _, ok := c.Sink("kafka"); ok {
		t.Error("there is a sink that is not built")
	}
}

func TestCatalogChecks(t *testing.T) {
	for _, c := range []struct {
		connector, field, value, problem string
	}{
		{"socket", "address", `"localhost:9999"`, ""},
		{"socket", "address", `"[::1]:9999"`, ""},
		{"socket", "address", `"localhost"`, "must be host:port"},
		{"socket", "address", `"localhost:99999"`, "port must be 1 to 65535"},
		{"socket", "address", `"localhost:0"`, "port must be 1 to 65535"},
		{"values", "records", `{"value":"v","time":"2026-01-02T15:04:05Z"}`, ""},
		{"values", "records", `{"value":"v","time":"soon"}`, "not a record: time must be ms since 1970, or like 2026-01-02T15:04:05Z"},
		{"values", "records", `{"value":"v","time":1.5}`, "not a record: time must be ms since 1970, or like 2026-01-02T15:04:05Z"},
		{"values", "records", `{"value":"v","time":9223372036854775807}`, "not a record: time is outside the range of event times"},
	} {
		spec, _ := connector.Catalog().Source(c.connector)
		i := slices.IndexFunc(spec.Fields, func(f graph.Field) bool { return f.Name == c.field })
		problem := ""
		if err := spec.Fields[i].Check(json.RawMessage(c.value)); err != nil {
			problem = err.Error()
		}
		if problem != c.problem {
			t.Errorf("%s.%s: %s: got problem %q, want %q", c.connector, c.field, c.value, problem, c.problem)
		}
	}
}

func TestUnknownConnectors(t *testing.T) {
	if _, err := connector.OpenSource(t.Context(), source("x", graph.Format{}, nil), at("in", 0, 1, nil, nil)); err == nil || err.Error() != `open source: no source "x"` {
		t.Errorf("got error %v", err)
	}
	if _, err := connector.OpenSink(t.Context(), sink("x", "", nil), at("out", 0, 1, nil, nil)); err == nil || err.Error() != `open sink: no sink "x"` {
		t.Errorf("got error %v", err)
	}
	if c, err := connector.OpenCommitter(sink("discard", "", nil)); c != nil || err != nil {
		t.Errorf("discard has a committer (%v)", err)
	}
	s, err := connector.OpenSink(t.Context(), sink("discard", "", nil), at("out", 0, 1, nil, nil))
	if err == nil {
		err = s.Write(batchOf())
	}
	if err != nil || s.Flush() != nil || s.Close() != nil {
		t.Errorf("discard fails: %v", err)
	}
}
