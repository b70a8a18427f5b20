package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// pace is a measured one of so many thousand events per second and core.
func pace(thousands ...float64) *paced {
	p := &paced{}
	for _, k := range thousands {
		p.Runs = append(p.Runs, run{Events: int64(k * 40e3), Seconds: 20, CPUSeconds: 40, PeakRSSBytes: 100 << 20, CheckpointSeconds: []float64{0.25}})
	}
	return p
}

func printed(t *testing.T, f *figures) string {
	t.Helper()
	var out bytes.Buffer
	if err := f.print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTables(t *testing.T) {
	peaks := []run{
		{Events: 20e6, CPUSeconds: 100, PeakRSSBytes: 3 << 30},
		{Events: 20e6, CPUSeconds: 80, PeakRSSBytes: 5 << 30},
		{Events: 20e6, CPUSeconds: 125, PeakRSSBytes: 2 << 30},
	}
	f := &figures{Generator: pace(5000), Queries: map[string]*queryFigures{
		"q0":    {Pace: pace(1000, 1820, 4500), Workers: pace(273), Latency: &latency{Rate: 900_000, BufferTimeout: "the default", Runs: []percentiles{{Rows: 900, P50: 4, P99: 12}, {Rows: 900, P50: 4, P99: 21}, {Rows: 900, P50: 4, P99: 13}}}},
		"q2":    {Pace: pace(450), Workers: pace(300)},
		"q5":    {Latency: &latency{Rate: 900_000, BufferTimeout: "5ms", Runs: []percentiles{{Rows: 100, P50: 4, P99: 12, Max: 30}, {Rows: 99, P50: 4, P99: 19, Max: 24}, {Rows: 120, P50: 4, P99: 21, Max: 40}}}},
		"q0-go": {Pace: pace(728)},
		"q4":    {Memory: map[string]*paced{"disk": {Runs: peaks}, "memory": {Runs: peaks}}},
		"q9":    {Check: &checked{Trials: 16, Failures: []string{"run q9 at 1: compare rows: 1 of 2 are missing"}}},
	}}
	text := printed(t, f)
	for _, want := range []string{
		"The generator alone makes 10.00 M events/s, **5.00 M** per core; the bar is 6.00 M.\n",
		"| q0 | 182 | 3640 | 1820 | 10.0 | 4 | 36 % | 0.25 s | 100 MiB | 273 | 1.5 | 1.5 |\n",
		"| q2 | 225 | 900 | 450 | **2.0** | 4 | 9 % | 0.25 s | 100 MiB | 300 | **1.3** | 1.5 |\n",
		"| q0-go | 182 | 1456 | 728 | 4.0 | 2 | 15 % | 0.25 s | 100 MiB |  | |  |\n",
		"Runs of each pace: 1 to 3, the shortest of 20 s.\n",
		"of 2 of the 20 queries that were measured in Flink: 4.5 × Flink.\n", // √(10 · 2)
		"| q0 | 900 k | 4.0 ms | 13.0 ms | 900 |  | | |  |\n",
		"| q5 | 900 k | 4.0 ms | **21.0 ms, max of 99 rows** | 100 |  | | |  |\n",
		"Runs of each latency: 3; `bufferTimeout`: q0 the default, q5 5ms.\n",
		"| q4 | disk | 20 M | **5.00 GiB** | 4.00 GiB | 200 |\n",
		"| q4 | memory | 20 M | 5.00 GiB | 8.00 GiB | 200 |\n",
		"Runs of each memory: 3.\n",
		"Of 16 runs of 1 queries, 15 gave the right rows.\n",
		"Missed:\n\n- generator: 5.00 M, the bar is 6.00 M events/s per core\n- q2: 2.0, the bar is 4 × Flink\n- q2 over NATS: 1.3, the bar is 1.5 × Flink\n- p99 latency of q5:",
		"- memory of q4 with disk: 5.00 GiB, the bar is 4.00 GiB\n- run q9 at 1: compare rows: 1 of 2 are missing\n\nNot measured:\n\n- check: all but q9\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// complete has every figure that has a bar: the paces as given, in terms of Flink's.
func complete(times float64) *figures {
	f := &figures{Generator: pace(6000), Queries: map[string]*queryFigures{}}
	for _, q := range trial.Queries {
		*f.of(q) = queryFigures{Check: &checked{Trials: 16}, Pace: pace(times * q.Flink), Workers: pace(times * q.Flink)}
	}
	for _, name := range latencyQueries {
		f.Queries[name].Latency = &latency{Runs: []percentiles{{Rows: 900, P99: 20}}}
	}
	for _, name := range memoryQueries {
		f.Queries[name].Memory = map[string]*paced{}
		for _, b := range backends {
			f.Queries[name].Memory[b.name] = &paced{Runs: []run{{Events: memoryBarEvents + 1, PeakRSSBytes: 1}, {Events: memoryBarEvents, PeakRSSBytes: int64(b.bar)}}}
		}
	}
	return f
}

// A bar is met only by what was measured.
func TestMissed(t *testing.T) {
	const met, without = "Every bar is met.", "What was measured misses no bar."
	for _, c := range []struct {
		name   string
		times  float64 // Flink's pace
		lack   func(*figures)
		want   []string
		absent []string
	}{
		{"all is there", 9, func(*figures) {}, []string{met}, []string{"Not measured"}},
		{"the mean is low", 7, func(*figures) {}, []string{"Missed:\n\n- geometric mean in one process: 7.0, the bar is 8 × Flink\n"}, []string{met, "Not measured"}},
		{"the mean is of some", 7, func(f *figures) { f.Queries["q22"].Pace = nil }, []string{without, "Not measured:\n\n- pace: q22\n"}, []string{met, "- geometric mean"}},
		{"no generator", 9, func(f *figures) { f.Generator = nil }, []string{without, "- generator\n"}, []string{met}},
		{"no check", 9, func(f *figures) { f.Queries["q3"].Check = nil }, []string{without, "- check: q3\n"}, []string{met}},
		{"no pace", 9, func(f *figures) { f.Queries["q13"].Pace, f.Queries["q0-go"].Pace = nil, nil }, []string{without, "- pace: q13, q0-go\n"}, []string{met}},
		{"no workers", 9, func(f *figures) {
			for _, q := range f.Queries {
				q.Workers = nil
			}
		}, []string{without, "- pace over NATS: all\n"}, []string{met}},
		{"one latency", 9, func(f *figures) {
			for _, name := range []string{"q5", "q7", "q11"} {
				delete(f.Queries, name)
			}
		}, []string{without, "- latency: all but q0\n"}, []string{met}},
		{"no memory", 9, func(f *figures) { delete(f.Queries["q20"].Memory, "disk") }, []string{without, "- memory over 20 M events, backend disk: q20\n"}, []string{met}},
		{"memory of fewer events", 9, func(f *figures) { f.Queries["q4"].Memory["memory"].Runs[1].Events-- }, []string{without, "- memory over 20 M events, backend memory: q4\n"}, []string{met}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := complete(c.times)
			c.lack(f)
			text := printed(t, f)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, text)
				}
			}
			for _, absent := range c.absent {
				if strings.Contains(text, absent) {
					t.Errorf("%q is in\n%s", absent, text)
				}
			}
		})
	}
}

// The page says when its figures were taken, and whether of the same tree.
func TestOrigin(t *testing.T) {
	at := func(minute int, revision string) taken {
		return taken{At: time.Date(2026, 11, 21, 18, minute, 0, 0, time.UTC), Revision: revision, CheckpointEvery: float64(minute)}
	}
	of := func(first, second, third taken) *figures {
		p, m := pace(6000), pace(6000)
		p.taken, m.taken = first, second
		return &figures{Generator: p, Queries: map[string]*queryFigures{"q4": {
			Workers: m, Memory: map[string]*paced{"disk": {taken: third, Runs: []run{{}}}},
			Check: &checked{At: third.At}, CheckRevision: third.Revision,
		}}}
	}
	for _, c := range []struct {
		figures *figures
		want    string
	}{
		{of(at(5, "aa"), at(3, "aa"), at(4, "aa")), "Measured between 2026-11-21 18:03 and 2026-11-21 18:05 UTC, of revision aa."},
		{of(at(5, ""), at(3, ""), at(4, "")), "Measured between 2026-11-21 18:03 and 2026-11-21 18:05 UTC."},
		{of(at(5, "aa"), at(3, "bb+dirty"), at(6, "")), "Measured between 2026-11-21 18:03 and 2026-11-21 18:06 UTC, **of different revisions**: figures are 1 of bb+dirty, 1 of aa, 2 of an unknown one."},
		{&figures{Queries: map[string]*queryFigures{}}, ""},
	} {
		if got := c.figures.origin(); got != c.want {
			t.Errorf("it is %q, want %q", got, c.want)
		}
	}
	text := printed(t, of(at(5, "aa"), at(10, "aa"), at(1, "aa")))
	for _, want := range []string{"the shortest of 20 s; a checkpoint every 5 to 10 s.\n", "Runs of each memory: 1; a checkpoint every 1 s.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// Only what stands between the two lines is written, however often.
func TestWritePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("before\n"+pageBegin+"old\n"+pageEnd+"after\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	f := &figures{Queries: map[string]*queryFigures{"q1": {Pace: pace(2180)}}}
	for range 2 {
		if err := f.writePage(path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "before\n" + pageBegin + printed(t, f) + pageEnd + "after\n"; string(text) != want {
			t.Errorf("the page is %q, want %q", text, want)
		}
	}
	if err := os.WriteFile(path, []byte("before\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.writePage(path); err == nil {
		t.Error("a page without the two lines is written")
	}
}

// What was measured earlier stays, unless it was another machine.
func TestReadFigures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	f, err := readFigures(path)
	if err != nil || len(f.Queries) != 0 || f.Machine != thisMachine() {
		t.Fatalf("without a file: %+v, %v", f, err)
	}
	f.of(trial.Query{Name: "q1"}).Pace = pace(3, 1, 2)
	if err := f.write(path); err != nil {
		t.Fatal(err)
	}
	if f, err = readFigures(path); err != nil || f.Queries["q1"].Pace.perCPUSecond() != 2000 {
		t.Errorf("what was written is read as %+v, %v", f.Queries["q1"], err)
	}
	f.Machine.Processor = "another"
	if err := f.write(path); err != nil {
		t.Fatal(err)
	}
	if f, err = readFigures(path); err != nil || len(f.Queries) != 0 || f.Machine != thisMachine() {
		t.Errorf("another machine's are read as %+v, %v", f, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readFigures(path); err == nil {
		t.Error("a broken file is read")
	}
}
