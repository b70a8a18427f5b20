package connector_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// counter is a Collector that counts bytes.
type counter struct{ bytes int64 }

func (c *counter) Emit(_ int, batch []byte) error  { c.bytes += int64(len(batch)); return nil }
func (c *counter) EmitTo(_, _ int, _ []byte) error { return nil }
func (c *counter) Reject(operator.Rejection) error { return nil }

// perRecord makes a benchmark's figures those of one record.
func perRecord(b *testing.B, records int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
	b.ReportMetric(float64(records)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
}

func BenchmarkGenerator(b *testing.B) {
	for _, bench := range []struct {
		name string
		with map[string]any
	}{
		{"100 B", map[string]any{"records": -1, "rate": 0, "keys": 0, "valueSize": 100, "seed": 0}},
		{"100 B, 1000 keys", map[string]any{"records": -1, "rate": 0, "keys": 1000, "valueSize": 100, "seed": 0}},
		{"100 B, 1000 M a second", map[string]any{"records": -1, "rate": 1e9, "keys": 0, "valueSize": 100, "seed": 0}},
		{"100 B, 1 M keys", map[string]any{"records": -1, "rate": 0, "keys": 1_000_000, "valueSize": 100, "seed": 0}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := &counter{}
			s := openSource(b, source("generator", graph.Format{}, bench.with), at("in", 0, 1, nil, c))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Poll(1024); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b, int(c.bytes/116))
		})
	}
}

func BenchmarkFileSource(b *testing.B) {
	const n = 200_000
	for _, bench := range []struct {
		name, text string
		format     graph.Format
	}{
		{"lines", lines(n, strings.Repeat("x", 80)+"%09d"), graph.Format{Decode: "lines"}},
		{"json", lines(n, `{"time":1719878400000,"id":1%06d`+strings.Repeat(`,"field":"some text"`, 3)+"}"), graph.Format{Decode: "json"}},
		{"json, key and timestamp", lines(n, `{"time":1719878400000,"id":1%06d`+strings.Repeat(`,"field":"some text"`, 3)+"}"),
			graph.Format{Decode: "json", KeyField: "id", Timestamp: "field", TimestampField: "time", TimestampUnit: "ms"}},
		{"csv", "time,id,a,b\n" + lines(n, "1719878400000,%d,some text,\"quoted text\""), graph.Format{Decode: "csv"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			dir := write(b, map[string]string{"in": bench.text})
			op := source("file", bench.format, map[string]any{"path": filepath.Join(dir, "in"), "maxLine": maxLine})
			b.SetBytes(int64(len(bench.text)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := connector.OpenSource(b.Context(), op, at("in", 0, 1, nil, &counter{}))
				for status := operator.More; err == nil && status != operator.End; {
					status, err = s.Poll(1024)
				}
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
			perRecord(b, n*b.N)
		})
	}
}

func BenchmarkSink(b *testing.B) {
	var batch record.Builder
	for range 500 {
		batch.Append(record.Insert, 1719878400000, []byte("key"), bytes.Repeat([]byte("x"), 100))
	}
	for _, bench := range []struct {
		name   string
		op     *graph.Operator
		stdout io.Writer
	}{
		{"stdout, lines", sink("stdout", "lines", nil), io.Discard},
		{"stdout, json", sink("stdout", "json", nil), io.Discard},
		{"file, lines", sink("file", "lines", map[string]any{"path": b.TempDir()}), nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := at("out", 0, 1, nil, nil)
			c.Stdout = bench.stdout
			s, err := connector.OpenSink(b.Context(), bench.op, c)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Write(batch.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b, 500*b.N)
		})
	}
}
