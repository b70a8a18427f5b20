package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	all, err := parseBenchmarks([]byte(`goos: linux
pkg: github.com/wasmill/wasmill/host
BenchmarkEmptyCall/empty-batch-2   	20083742	        59.50 ns/op	       0 B/op	       0 allocs/op
BenchmarkKernel/hash/plain         	    1000	      1234 ns/op	  47.1 MB/s
PASS
`))
	want := []benchmark{
		{"EmptyCall/empty-batch", map[string]float64{"ns/op": 59.5, "B/op": 0, "allocs/op": 0}},
		{"Kernel/hash/plain", map[string]float64{"ns/op": 1234, "MB/s": 47.1}},
	}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%v, %v; want %v", all, err, want)
	}
	if _, err := parseBenchmarks([]byte("BenchmarkX 10 fast ns/op")); err == nil {
		t.Error("a value that is no number is taken")
	}
}

func TestRatios(t *testing.T) {
	run := func(name string, ns float64) benchmark {
		return benchmark{name, map[string]float64{"ns/op": ns}}
	}
	got := ratios([]benchmark{
		run("Kernel/slow/plain", 10), run("Kernel/slow/safepoints", 18), run("Kernel/even/plain", 4), run("Kernel/even/safepoints", 4),
		run("Kernel/slow/plain", 20), run("Kernel/slow/safepoints", 40), run("EmptyCall/empty-batch", 60),
	})
	want := []kernel{{"even", []float64{1}}, {"slow", []float64{1.8, 2}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFigure(t *testing.T) {
	most, least, none := bar{"", atMost, 8, "ns"}, bar{"", atLeast, 8, "ns"}, bar{"", noBar, 0, "ns"}
	for _, c := range []struct {
		name   string
		bar    bar
		values []float64
		want   float64
		met    bool
	}{
		{"the median counts, not the worst", most, []float64{9, 7, 6}, 7, true},
		{"above what is allowed", most, []float64{9, 9, 7}, 9, false},
		{"as much as is asked for", least, []float64{8}, 8, true},
		{"the mean of two in the middle", least, []float64{7, 8, 6, 9}, 7.5, false},
		{"nothing measured is not met", most, nil, 0, false},
		{"nothing asked for", none, []float64{3}, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFigure(c.bar, c.values)
			if f.Figure != c.want || f.Met != c.met || f.Runs != len(c.values) {
				t.Errorf("%+v, want %v, met %v", f, c.want, c.met)
			}
		})
	}
}

func TestTableSaysWhatFallsShort(t *testing.T) {
	figures := []figure{
		newFigure(bar{"fast enough", atMost, 10, "ns"}, []float64{5}),
		newFigure(bar{"too slow", atLeast, 2e6, "records/s"}, []float64{1.5e6}),
		newFigure(bar{"broken", atMost, 20, "ms"}, nil),
	}
	var out strings.Builder
	printTable(&out, figures)
	for _, want := range []string{"FALLS SHORT  too slow: 1,500,000 records/s, at least 2,000,000\n", "NOT MEASURED  broken: at most 20\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "SHORT  fast enough") {
		t.Errorf("a bar that is met falls short:\n%s", out.String())
	}
	out.Reset()
	printTable(&out, figures[:1])
	if !strings.HasSuffix(out.String(), "\nEvery bar is met.\n") {
		t.Errorf("printed:\n%s", out.String())
	}
}

// Every bar is named once, and only bars that judge have a limit.
func TestBars(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range bars {
		if seen[b.name] {
			t.Errorf("%s is there twice", b.name)
		}
		seen[b.name] = true
		if b.bound == noBar && b.limit != 0 {
			t.Errorf("%s has a limit that nobody looks at", b.name)
		}
	}
}
