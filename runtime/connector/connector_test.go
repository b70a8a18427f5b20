package connector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
)

const maxLine = 64 << 20

// source is an operator with settings as graph gives them: complete.
func source(name string, format graph.Format, with map[string]any) *graph.Operator {
	return &graph.Operator{Name: "in", Role: graph.RoleSource, Connector: name, Format: format, With: encoded(with)}
}

func sink(name, encode string, with map[string]any) *graph.Operator {
	return &graph.Operator{Name: "out", Role: graph.RoleSink, Connector: name, Format: graph.Format{Encode: encode}, With: encoded(with)}
}

func encoded(with map[string]any) json.RawMessage {
	text, err := json.Marshal(with)
	if err != nil {
		panic(err)
	}
	return text
}

func at(operatorName string, subtask, parallelism int, restore []operator.Split, c operator.Collector) connector.Context {
	return connector.Context{
		Job: id.Job{Namespace: "default", Name: "test"}, Subtask: id.Subtask{Operator: operatorName, Index: subtask},
		Parallelism: parallelism, Restore: restore, Collector: c,
	}
}

func openSource(t testing.TB, op *graph.Operator, c connector.Context) operator.Source {
	t.Helper()
	s, err := connector.OpenSource(t.Context(), op, c)
	if err != nil {
		t.Fatalf("open source: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// read gives all that a source of one subtask gives.
func read(t testing.TB, op *graph.Operator) *conntest.Recorder {
	t.Helper()
	r := &conntest.Recorder{}
	conntest.Drain(t, openSource(t, op, at("in", 0, 1, nil, r)), 1000)
	return r
}

// write puts files with these contents into a new folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lines(n int, of string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, of+"\n", i)
	}
	return b.String()
}

func TestSourcesResume(t *testing.T) {
	dir := write(t, map[string]string{
		"a.txt": lines(11, "a%d"), "b.txt": "", "c.txt": "\n\r\nx\r\nlast", "d.txt": lines(9, "d%d") + strings.Repeat("long", 9) + "\nend\n",
		"a.csv":     "n,text\n1,one\n2,\"t,\"\"w\nthree\"\n\nbad\n3,\"open\n4,four\n",
		"b.csv":     "n,text\n5,five\n6,six",
		"events.gz": zipped(t, lines(68, `{"type":"bid","auction":%d,"bidder":2,"price":3,"channel":"c","url":"u","dateTime":4,"extra":"e"}`)+"\n{}\n\n{}\n"+bid),
		"a.json":    "{\"t\":1,\"k\":\"x\"}\n\n  \n{\"t\":2}\nno\n{\"t\":3,\"k\":4}\n",
	})
	generator := func(records, rate int64) *graph.Operator {
		return source("generator", graph.Format{}, map[string]any{"records": records, "rate": rate, "keys": 5, "valueSize": 20, "seed": 1})
	}
	values := make([]any, 20)
	for i := range values {
		values[i] = map[string]any{"key": fmt.Sprint("k", i), "value": fmt.Sprint("v", i), "time": i}
	}
	for _, c := range []struct {
		name    string
		op      *graph.Operator
		records int
	}{
		{"file, lines", source("file", graph.Format{Decode: "lines"}, map[string]any{"path": filepath.Join(dir, "*.txt"), "maxLine": 30}), 26},
		{"file, csv", source("file", graph.Format{Decode: "csv"}, map[string]any{"path": filepath.Join(dir, "*.csv"), "maxLine": maxLine}), 7},
		{"file, json", source("file", graph.Format{Decode: "json", KeyField: "k", Timestamp: "field", TimestampField: "t", TimestampUnit: "s"},
			map[string]any{"path": filepath.Join(dir, "*.json"), "maxLine": maxLine}), 4},
		{"values", source("values", graph.Format{Decode: "lines"}, map[string]any{"records": values}), 20},
		{"generator", generator(31, 0), 31},
		{"generator with a rate", generator(31, 1e8), 31},
		{"nexmark", nexmark(map[string]any{"events": 70}), 70},
		{"nexmark with a schedule", nexmark(map[string]any{"events": 30, "rate": 1e8, "speed": "scheduled"}), 30},
		{"nexmark, file", nexmarkFile(filepath.Join(dir, "events.gz")), 71},
		{"nexmark, file with a schedule", nexmark(map[string]any{"file": filepath.Join(dir, "events.gz"), "speed": "scheduled", "rate": 1e6}), 71},
	} {
		t.Run(c.name, func(t *testing.T) {
			conntest.Source{
				Records: c.records,
				Open: func(collector operator.Collector, subtask, parallelism int, restore []operator.Split) (operator.Source, error) {
					return connector.OpenSource(t.Context(), c.op, at("in", subtask, parallelism, restore, collector))
				},
			}.Run(t)
		})
	}
}

func TestFileSinkCommits(t *testing.T) {
	for name, partitionBy := range map[string]string{"one folder": "", "folders": "dt=%Y-%m-%d/hm=%H:%M"} {
		t.Run(name, func(t *testing.T) {
			conntest.Sink(func(t *testing.T) conntest.Destination {
				dir := filepath.Join(t.TempDir(), "new", "out")
				d := destination(sink("file", "lines", map[string]any{"path": dir, "partitionBy": partitionBy}))
				d.Visible = func() (values []string, err error) {
					for _, text := range results(t, dir) {
						values = append(values, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
					}
					return values, nil
				}
				d.Staged = func() (int, error) {
					paths, err := filepath.Glob(filepath.Join(dir, ".*"))
					return len(paths), err
				}
				return d
			}).Run(t)
		})
	}
}

// destination opens and ends the transactions of a two-phase sink; what a reader sees of
// it is left to say.
func destination(op *graph.Operator) conntest.Destination {
	context := func(subtask, parallelism int, restored bool) connector.Context {
		c := at("out", subtask, parallelism, nil, nil)
		if restored {
			c.Restore = []operator.Split{}
		}
		return c
	}
	twoPhase := func(s operator.Sink, err error) (operator.TwoPhaseSink, error) {
		if err != nil {
			return nil, err
		}
		return s.(operator.TwoPhaseSink), nil
	}
	return conntest.Destination{
		Open: func(subtask, parallelism int, restored bool) (operator.TwoPhaseSink, error) {
			return twoPhase(connector.OpenSink(background, op, context(subtask, parallelism, restored)))
		},
		OpenWatched: func(subtask, parallelism int, restored bool, before func() error) (operator.TwoPhaseSink, error) {
			return twoPhase(connector.OpenWatched(background, op, context(subtask, parallelism, restored), before))
		},
		Crash:     func(s operator.TwoPhaseSink) { connector.Crash(s) },
		Committer: func() (operator.Committer, error) { return connector.OpenCommitter(op) },
		Watched:   func(before func() error) (operator.Committer, error) { return connector.Watched(op, before) },
	}
}

var background = context.Background()
