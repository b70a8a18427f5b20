package main

import (
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func TestStrong(t *testing.T) {
	for _, test := range []struct {
		name, config, line string
		row                string // empty: none
		reject             string // empty: it is no bad record
	}{
		{name: "strong", line: `{"id":"a","time":1,"mag":5.30,"place":"Fiji","lon":-1.5}`, row: `{"time":1,"mag":5.30,"place":"Fiji"}`},
		{name: "at the minimum", line: `{"time":1,"mag":4.5,"place":"Fiji"}`, row: `{"time":1,"mag":4.5,"place":"Fiji"}`},
		{name: "weak", line: `{"time":1,"mag":4.49,"place":"Fiji"}`},
		{name: "other minimum", config: `{"min":6}`, line: `{"time":1,"mag":5.9,"place":"Fiji"}`},
		{name: "other order, space, exponent", line: " { \"place\" : \"Fiji\" ,\t\"mag\":0.5E1, \"time\" : 1 }\r", row: `{"time":1,"mag":0.5E1,"place":"Fiji"}`},
		{name: "escapes and brackets in text", line: `{"time":1,"mag":5,"place":"\"}],\\"}`, row: `{"time":1,"mag":5,"place":"\"}],\\"}`},
		{name: "nested values", line: `{"a":{"mag":9,"b":["}"]},"time":1,"mag":5,"place":null}`, row: `{"time":1,"mag":5,"place":null}`},
		{name: "unknown magnitude", line: `{"time":1,"mag":null,"place":"Fiji"}`},
		{name: "no magnitude", line: `{}`},
		{name: "no place", line: `{"time":1,"mag":5}`, reject: "the earthquake has no time or no place"},
		{name: "empty line", line: ``, reject: "the line is not a JSON object"},
		{name: "cut short", line: `{"time":1,"mag":5,"place":"Fi`, reject: "the line is not a JSON object"},
		{name: "more than an object", line: `{"time":1,"mag":5,"place":"Fiji"}}`, reject: "the line is not a JSON object"},
		{name: "an array", line: `[5]`, reject: "the line is not a JSON object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := wasmilltest.New(t, newOperator(), wasmilltest.Options{Config: test.config})
			h.Process(wasmilltest.Value(test.line))
			var want []string
			if test.row != "" {
				want = []string{test.row}
			}
			if got := h.Values("out"); !slices.Equal(got, want) {
				t.Errorf("rows: got %q, want %q", got, want)
			}
			reject := ""
			if r := h.Rejected(); len(r) > 0 {
				reject = r[0].Reason
			}
			if reject != test.reject {
				t.Errorf("rejected: got %q, want %q", reject, test.reject)
			}
		})
	}
}

// A row goes on under the key and time of its line.
func TestStrongKeepsKeyAndTime(t *testing.T) {
	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{})
	h.Process(wasmill.Record{Timestamp: 7, Key: []byte("us"), Value: []byte(`{"time":1,"mag":5,"place":"Fiji"}`)})
	if got := h.Take("out"); len(got) != 1 || got[0].Timestamp != 7 || string(got[0].Key) != "us" {
		t.Errorf("got %+v", got)
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["}"]},"c":"\"","d":-1.5e3}`))
	f.Add([]byte(`{"a" : [1,2 , 3],`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fields(text, func(name, value []byte) {
			if len(value) == 0 {
				t.Errorf("field %q has no value", name)
			}
		})
	})
}

func BenchmarkStrong(b *testing.B) {
	line := []byte(`{"id":"us2000crkq","time":1517364031800,"updated":1517423633040,"mag":5.3,"place":"50km NNW of Sangiang, Indonesia","net":"us","type":"earthquake","lon":118.7906,"lat":-7.8628,"depth":15.18}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if q, ok := read(line); !ok || q.mag == nil {
			b.Fatal("not read")
		}
	}
}
