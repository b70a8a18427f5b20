package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	f := &figures{Generator: pace(7000), Queries: map[string]*queryFigures{
		"q0":    {Pace: pace(1000, 1820, 5000), Workers: pace(273), Latency: &latency{Rate: 900_000, Runs: []percentiles{{Rows: 9, P50: 4, P99: 12}, {Rows: 9, P50: 4, P99: 21}, {Rows: 9, P50: 4, P99: 13}}}},
		"q2":    {Pace: pace(450), Workers: pace(300)},
		"q0-go": {Pace: pace(728)},
		"q4":    {Memory: map[string]*memory{"disk": {Run: run{Events: 20e6, CPUSeconds: 100, PeakRSSBytes: 5 << 30}}, "memory": {Run: run{Events: 20e6, CPUSeconds: 100, PeakRSSBytes: 5 << 30}}}},
		"q9":    {Check: &checked{Trials: 16, Failures: []string{"run q9 at 1: compare rows: 1 of 2 are missing"}}},
	}}
	text := printed(t, f)
	for _, want := range []string{
		"| q0 | 182 | 3640 | 1820 | 10.0 | 4 | 26 % | 0.25 s | 100 MiB | 273 | 1.5 | 1.5 |\n",
		"| q2 | 225 | 900 | 450 | **2.0** | 4 | 6 % | 0.25 s | 100 MiB | 300 | **1.3** | 1.5 |\n",
		"| q0-go | 182 | 1456 | 728 | 4.0 | 2 | 10 % | 0.25 s | 100 MiB |  | |  |\n",
		"of the 2 queries that were measured in Flink: **4.5** × Flink.\n", // √(10 · 2)
		"| q0 | 900 k | 4.0 ms | 13.0 ms | 9 |  | | |  |\n",
		"| q4 | disk | 20 M | **5.00 GiB** | 4.00 GiB | 200 |\n",
		"| q4 | memory | 20 M | 5.00 GiB | 8.00 GiB | 200 |\n",
		"Of 16 runs of 1 queries on the given events, 15 gave Flink's rows.\n",
		"Missed:\n\n- q2: 2.0, the bar is 4 × Flink\n- q2 over NATS: 1.3, the bar is 1.5 × Flink\n- geometric mean in one process: 4.5, the bar is 8 × Flink\n",
		"- memory of q4 with disk: 5.00 GiB, the bar is 4.00 GiB\n- run q9 at 1: compare rows: 1 of 2 are missing\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if text := printed(t, &figures{Queries: map[string]*queryFigures{"q2": {Pace: pace(1810)}}}); !strings.Contains(text, "Every bar is met") {
		t.Errorf("a bar is missed:\n%s", text)
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
