package connector_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/graph"
)

// decoded reads a file in a format. The records are as "key|value|time".
func decoded(t *testing.T, text string, format graph.Format) (records, rejected []string) {
	t.Helper()
	path := filepath.Join(write(t, map[string]string{"in": text}), "in")
	r := read(t, source("file", format, map[string]any{"path": path, "maxLine": maxLine}))
	for _, bad := range r.Rejected {
		rejected = append(rejected, strings.TrimPrefix(bad, path+":"))
	}
	return r.Records, rejected
}

func insert(value string) string {
	return `insert key="" value=` + value + ` time=-9223372036854775808 kind=4`
}

func TestDecodeCSV(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		rejected   []string
	}{
		{"rows become objects of texts", "a,b\n1,x y\n,\n", []string{insert(`"{\"a\":\"1\",\"b\":\"x y\"}"`), insert(`"{\"a\":\"\",\"b\":\"\"}"`)}, nil},
		{"a header alone has no rows", "a,b", nil, nil},
		{"blank rows are left out", "a\n\n1\n\n", []string{insert(`"{\"a\":\"1\"}"`)}, nil},
		{"a byte order mark is no part of the header", "\ufeffa\n1\n", []string{insert(`"{\"a\":\"1\"}"`)}, nil},
		{"quoted fields hold commas, quotes and lines", "a,b\n\"x,\"\"y\"\"\",\"1\r\n2\"\n", []string{insert(`"{\"a\":\"x,\\\"y\\\"\",\"b\":\"1\\r\\n2\"}"`)}, nil},
		{"names and values are escaped", "a\\\t\n\\\x01\n", []string{insert(`"{\"a\\\\\\t\":\"\\\\\\u0001\"}"`)}, nil},
		{"too few and too many columns", "a,b\n1\n1,2,3\n1,2\n", []string{insert(`"{\"a\":\"1\",\"b\":\"2\"}"`)},
			[]string{"2: row has 1 columns, the header has 2", "3: row has 3 columns, the header has 2"}},
		{"a quote that is not closed spoils one line", "a\n\"x\n1\n2\n", []string{insert(`"{\"a\":\"1\"}"`), insert(`"{\"a\":\"2\"}"`)}, []string{"2: quote is not closed"}},
		{"text after a closing quote", "a\n\"x\"y\n1\n", []string{insert(`"{\"a\":\"1\"}"`)}, []string{"2: text after a closing quote"}},
		{"a quote in a bare field", "a\nx\"y\n1\n", []string{insert(`"{\"a\":\"1\"}"`)}, []string{"2: quote within a field that has none around it"}},
		{"invalid UTF-8", "a\n\xff\n1\n", []string{insert(`"{\"a\":\"1\"}"`)}, []string{"2: not valid UTF-8"}},
		{"places count lines, not rows", "a\n\"1\n2\"\n1,2\n", []string{insert(`"{\"a\":\"1\\n2\"}"`)}, []string{"4: row has 2 columns, the header has 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			records, rejected := decoded(t, c.text, graph.Format{Decode: "csv"})
			if !slices.Equal(records, c.want) || !slices.Equal(rejected, c.rejected) {
				t.Errorf("got %q, rejected %q\nwant %q, %q", records, rejected, c.want, c.rejected)
			}
		})
	}
}

func TestCSVHeaderMustBeSound(t *testing.T) {
	for _, c := range []struct{ text, problem string }{
		{"a,b,a\n1,2,3\n", `in:1: csv header: two columns have the name "a"`},
		{"a,\"b\n", "in:1: csv header: quote is not closed"},
		{"\n\xff\n", "in:2: csv header: not valid UTF-8"},
	} {
		op := fileOf(filepath.Join(write(t, map[string]string{"in": c.text}), "in"), "csv")
		err := pollToError(openSource(t, op, at("in", 0, 1, nil, &conntest.Recorder{})))
		if err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("header of %q: got error %v, want %q", c.text, err, c.problem)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	for _, c := range []struct{ line, rejected string }{
		{`{"a":[1,-2.5e+3,true,false,null,"\u00e9\n"],"b":{}}`, ""},
		{` "text" `, ""},
		{`[[],{"":0}]`, ""},
		{"\ufeff1", ""},
		{`{"a":1`, "1: not JSON: ends too early at column 7"},
		{`{"a" 1}`, "1: not JSON: no colon after a name at column 6"},
		{`{a:1}`, "1: not JSON: no name of a member at column 2"},
		{`{"a":1,}`, "1: not JSON: no name of a member at column 8"},
		{`[1 2]`, "1: not JSON: no comma or ] after an element at column 4"},
		{`{"a":1;}`, "1: not JSON: no comma or } after a member at column 7"},
		{`[1]]`, "1: not JSON: more after the value at column 4"},
		{`01`, "1: not JSON: more after the value at column 2"},
		{`-x`, "1: not JSON: no digit in a number at column 2"},
		{`1.`, "1: not JSON: ends too early at column 3"},
		{`nul`, "1: not JSON: ends too early at column 4"},
		{`nope`, "1: not JSON: no value at column 2"},
		{`"\x"`, "1: not JSON: unknown escape at column 3"},
		{`"\u12g4"`, "1: not JSON: unknown escape at column 6"},
		{"\"\t\"", "1: not JSON: control character in a string at column 2"},
		{"\"\xff\"", "1: not valid UTF-8"},
		{strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), "1: not JSON: nested too deeply at column 10001"},
		{strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), ""},
	} {
		records, rejected := decoded(t, c.line+"\n\n", graph.Format{Decode: "json"})
		if got := strings.Join(rejected, " "); got != c.rejected || (len(records) == 1) != (c.rejected == "") {
			t.Errorf("%.40q: got %q and rejection %q, want %q", c.line, records, got, c.rejected)
		}
	}
}

func TestKeyField(t *testing.T) {
	for _, c := range []struct{ line, field, want, rejected string }{
		{`{"k":"x\u0041"}`, "k", `key="xA"`, ""},
		{`{"k":""}`, "k", `key=""`, ""},
		{`{"k":1.50}`, "k", `key="1.50"`, ""},
		{`{"k":true}`, "k", `key="true"`, ""},
		{`{"k":{"a": 1}}`, "k", `key="{\"a\": 1}"`, ""},
		{`{"k":{"a":"deep"}}`, "k.a", `key="deep"`, ""},
		{`{"@k*#|":"odd","k":1}`, "@k*#|", `key="odd"`, ""},
		{`{"k":null}`, "k", "", "1: key: field k is missing or null"},
		{`{"a":1}`, "k", "", "1: key: field k is missing or null"},
		{`{"a":1}`, "@k*", "", "1: key: field @k* is missing or null"},
		{`text`, "k", "", "1: not JSON: no value at column 2"},
	} {
		records, rejected := decoded(t, c.line, graph.Format{Decode: "lines", KeyField: c.field})
		got := strings.Join(records, " ")
		if strings.Join(rejected, " ") != c.rejected || !strings.Contains(got, c.want) || c.want != "" && !strings.Contains(got, "kind=0") {
			t.Errorf("key %s of %s: got %q, rejected %q; want %s, %q", c.field, c.line, got, rejected, c.want, c.rejected)
		}
	}
}

func TestTimestampField(t *testing.T) {
	const out = "timestamp: field t is outside the range of event times"
	for _, c := range []struct{ value, unit, want string }{
		{`1719878400123`, "ms", "1719878400123"},
		{`"1719878400123"`, "ms", "1719878400123"},
		{`1719878400`, "s", "1719878400000"},
		{`1719878400.1239`, "s", "1719878400123"},
		{`"1719878400.5"`, "s", "1719878400500"},
		{`1.7198784005e9`, "s", "1719878400500"},
		{`-0.0001`, "s", "-1"},
		{`-1.5`, "s", "-1500"},
		{`0.0`, "s", "0"},
		{`1719878400123999`, "us", "1719878400123"},
		{`1719878400123999999`, "ns", "1719878400123"},
		{`-1`, "ns", "-1"},
		{`-1000000`, "ns", "-1"},
		{`1.9`, "ms", "1"},
		{`1e-400`, "s", "0"},
		{`"2024-07-02T00:00:00.123Z"`, "rfc3339", "1719878400123"},
		{`"2024-07-02T02:00:00+02:00"`, "rfc3339", "1719878400000"},
		{`"1969-12-31T23:59:59.9999Z"`, "rfc3339", "-1"},
		{`9223372036854775806`, "ms", "9223372036854775806"},
		{`-9223372036854775807`, "ms", "-9223372036854775807"},
		{`9223372036854775807`, "ms", out},
		{`-9223372036854775808`, "ms", out},
		{`9223372036854775808`, "ms", out},
		{`9223372036854775807`, "s", out},
		{`-9223372036854775808`, "s", out},
		{`9223372036854775.999`, "s", out},
		{`1e400`, "ms", out},
		{`-1e29`, "ns", out},
		{`1e27`, "ns", out},
		{`null`, "ms", "timestamp: field t is not a time"},
		{`true`, "ms", "timestamp: field t is not a time"},
		{`{}`, "ms", "timestamp: field t is not a time"},
		{`"soon"`, "ms", "timestamp: field t is not a number of ms"},
		{`""`, "s", "timestamp: field t is not a number of s"},
		{`"1.x"`, "s", "timestamp: field t is not a number of s"},
		{`0.` + strings.Repeat("0", 100) + `1e0`, "s", "timestamp: field t has too many digits for a time"},
		{`1719878400`, "rfc3339", "timestamp: field t is not a time as in RFC 3339, like 2026-01-02T15:04:05Z"},
		{`"yesterday"`, "rfc3339", "timestamp: field t is not a time as in RFC 3339, like 2026-01-02T15:04:05Z"},
	} {
		records, rejected := decoded(t, `{"t":`+c.value+`}`, graph.Format{Decode: "json", Timestamp: "field", TimestampField: "t", TimestampUnit: c.unit})
		got := strings.TrimPrefix(strings.Join(rejected, " "), "1: ")
		if len(records) == 1 {
			_, after, _ := strings.Cut(records[0], " time=")
			got, _, _ = strings.Cut(after, " ")
		}
		if got != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.value, c.unit, got, c.want)
		}
	}
	if _, rejected := decoded(t, `{"a":1}`, graph.Format{Decode: "json", Timestamp: "field", TimestampField: "t", TimestampUnit: "s"}); !slices.Equal(rejected, []string{"1: timestamp: field t is missing"}) {
		t.Errorf("a missing field: rejected %q", rejected)
	}
}
