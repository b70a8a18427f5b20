package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
)

func TestCountersAddUpSubtasks(t *testing.T) {
	c := counters{recordsIn: map[string]float64{}, busy: map[string]float64{}}
	err := c.read([]byte(`# HELP wasmill_records_in_total records taken in
# TYPE wasmill_records_in_total counter
wasmill_records_in_total{job="keep",namespace="default",operator="keep",subtask="0"} 1.5e+06
wasmill_records_in_total{job="keep",namespace="default",operator="keep",subtask="1"} 500000
wasmill_records_in_total{job="keep",namespace="default",operator="out",subtask="0"} 7
wasmill_records_out_total{job="keep",namespace="default",operator="keep",subtask="0"} 9
wasmill_busy_seconds_total{job="keep",namespace="default",operator="keep",subtask="0"} 2.25
`))
	in, busy := map[string]float64{"keep": 2e6, "out": 7}, map[string]float64{"keep": 2.25}
	if err != nil || !maps.Equal(c.recordsIn, in) || !maps.Equal(c.busy, busy) {
		t.Errorf("%v, %v; want %v and %v", c, err, in, busy)
	}
	if err := c.read([]byte(`wasmill_busy_seconds_total{operator="keep"} much`)); err == nil {
		t.Error("a value that is no number is taken")
	}
}

// A row counts when it is of a key of the struck subtask, and of a number that the
// subtask can't have sent on before.
func TestRowsAreWatched(t *testing.T) {
	var w rowWriter
	write := func(text string) {
		t.Helper()
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, ok := w.first(); ok {
		t.Error("a row came before any")
	}
	write("0000000000000010 mine\n00000000000000")
	if _, ok := w.first(); !ok {
		t.Error("the first row is missed")
	}
	w.watch(0x10, func(key []byte) bool { return string(key) == "mine" })
	for _, c := range []struct {
		text string
		want bool
	}{
		{"08 mine\n", false},
		{"000000000000001f mine\n", false},
		{"0000000000000030 other\n", false},
		{"0000000000000020 mi", false},
		{"ne\n", true},
	} {
		write(c.text)
		if _, ok := w.seen(); ok != c.want {
			t.Errorf("after %q: seen %v, want %v", c.text, ok, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
}

// Deleting from a clone leaves the original whole.
func TestCloneStore(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	name := filepath.Join("default", "jobs", "x", "1.json")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755),
		os.WriteFile(filepath.Join(from, name), []byte("entry"), 0o644),
		cloneStore(from, to),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(to, name))
	if err != nil || string(text) != "entry" {
		t.Errorf("the clone has %q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(to, name)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(from, name)); err != nil {
		t.Errorf("the original is gone: %v", err)
	}
}

func TestKeepJobIsValid(t *testing.T) {
	for name, j := range map[string]keepJob{
		"memory": {Keys: 10, Touched: 5, Interval: "off", Every: 1, Subtasks: 1, Keep: "k.wasm", Number: "n.wasm"},
		"disk":   {Keys: 10, Touched: 5, Rate: 7, Interval: "5s", Every: 9, Subtasks: 2, Backend: "disk", Sink: "stdout", Keep: "k.wasm", Number: "n.wasm"},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			if err := keepTemplate.Execute(&text, j); err != nil {
				t.Fatal(err)
			}
			if _, err := graph.Parse("job.yaml", []byte(text.String()), graph.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}
