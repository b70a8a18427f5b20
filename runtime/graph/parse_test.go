package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/sdk/abi"
)

func TestSamePlanEveryTime(t *testing.T) {
	data, err := os.ReadFile("testdata/good/flights.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for range 50 {
		plan, err := Load("/jobs/flights.yaml", data, options(), modules, catalog{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if string(text) != string(first) {
			t.Fatalf("the same file gave\n%s\nthen\n%s", first, text)
		}
		var back Plan
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if back.Warnings = plan.Warnings; !reflect.DeepEqual(&back, plan) {
			t.Fatalf("plan changed on its way through JSON:\n%+v\n%+v", plan, back)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	const file = "version: 1\njob: x\noperators: {in: {source: file, with: {path: data/a}}, out: {sink: discard, inputs: [in]}}"
	for _, c := range []struct{ name, file, workDir, set, want string }{
		{"start at the file's folder", "/jobs/x.yaml", "/there", "", "/jobs/data/a"},
		{"which may be relative itself", "jobs/x.yaml", "/there", "", "/there/jobs/data/a"},
		{"and is the working directory for a bare name", "x.yaml", "/there", "", "/there/data/a"},
		{"start at the working directory in a flag", "/jobs/x.yaml", "/there", "b", "/there/b"},
		{"are cleaned", "/jobs/x.yaml", "/there", "../b/./c", "/b/c"},
		{"absolute ones stay", "/jobs/x.yaml", "/there", "/b", "/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{WorkDir: c.workDir}
			if c.set != "" {
				o.Set = []string{"operators.in.with.path=" + c.set}
			}
			plan, err := Load(c.file, []byte(file), o, modules, catalog{})
			if err != nil {
				t.Fatal(err)
			}
			var with struct{ Path string }
			if err := json.Unmarshal(plan.Operators[0].With, &with); err != nil || with.Path != c.want {
				t.Errorf("path is %q, want %q (%v)", with.Path, c.want, err)
			}
		})
	}
}

func TestParallelism(t *testing.T) {
	const with, without = "parallelism: 3\n", ""
	for _, c := range []struct {
		name    string
		file    string
		options Options
		want    int // 0: refused
	}{
		{"one by default", without, Options{}, 1},
		{"configured", without, Options{DefaultParallelism: 5}, 5},
		{"the job's own wins over the configuration", with, Options{DefaultParallelism: 5}, 3},
		{"the flag wins over the job's own", with, Options{Parallelism: 7}, 7},
		{"--set does too", with, Options{Set: []string{"parallelism=6"}}, 6},
		{"negative", with, Options{Parallelism: -1}, 0},
		{"too high", with, Options{Parallelism: 1 << 20}, 0},
		{"above the number of key groups", with, Options{Parallelism: 129}, 0},
		{"configured above the number of key groups", without, Options{DefaultParallelism: 1 << 30}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := "version: 1\njob: x\n" + c.file + "operators: {in: {source: generator}, out: {sink: discard, inputs: [in]}}"
			plan, err := Load("x.yaml", []byte(file), c.options, modules, catalog{})
			var problems Problems
			if c.want == 0 {
				if !errors.As(err, &problems) {
					t.Fatalf("not refused: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Tasks[0].Parallelism; got != c.want {
				t.Errorf("parallelism is %d, want %d", got, c.want)
			}
		})
	}
}

// Files that are small and stand for much, or are simply large, are answered at once
// and briefly.
func TestHostileFiles(t *testing.T) {
	const head = "version: 1\njob: x\noperators:\n"
	var laughs strings.Builder
	laughs.WriteString("a: &a [x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c <= 'z'; c++ {
		fmt.Fprintf(&laughs, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	many := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
		}
		return b.String()
	}
	for name, file := range map[string]string{
		"aliases of aliases":      laughs.String(),
		"deep lists":              head + " a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"deep fields":             head + " a: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000),
		"deeper than YAML goes":   strings.Repeat("[", 100_000),
		"too large":               strings.Repeat("# comment\n", MaxFileSize/10+1),
		"unknown fields":          "version: 1\n" + many(20_000, func(i int) string { return fmt.Sprintf("field%d: 1\n", i) }),
		"long names":              "version: 1\n" + strings.Repeat("x", 300_000) + ": 1\n",
		"long names of parents":   head + " " + strings.Repeat("x", 300_000) + ": {a: 1, b: 2, c: [1, 2, 3]}\n",
		"long values":             "version: 1\njob: " + strings.Repeat("x", 300_000) + "\n",
		"long numbers":            "version: 1" + strings.Repeat("0", 300_000) + "\njob: x\n",
		"long numbers in configs": head + " a: {module: pass.wasm, config: {n: " + strings.Repeat("9", 300_000) + "}}",
		"large variables":         head + many(1000, func(i int) string { return fmt.Sprintf(" o%d: {source: \"${BIG}${BIG}\"}\n", i) }),
		"an operator in a long cycle": head + many(3000, func(i int) string {
			return fmt.Sprintf(" o%d: {module: pass.wasm, inputs: [o%d]}\n", i, (i+1)%3000)
		}),
		"inputs from everywhere to everywhere": head + many(100, func(i int) string {
			return fmt.Sprintf(" o%d: {module: pass.wasm, inputs: [%s]}\n", i, many(100, func(j int) string { return fmt.Sprintf("o%d,", j) }))
		}),
		"zero bytes":    "\x00\x00\x00",
		"a binary file": "\x7fELF\x02\x01\x01",
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Lookup: func(string) (string, bool) { return strings.Repeat("x", 100_000), true }}
			start := time.Now()
			_, err := Load("x.yaml", []byte(file), o, modules, catalog{})
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("not refused: %v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
			if len(problems) > maxProblems+1 || len(err.Error()) > 1<<20 {
				t.Errorf("%d problems in %d bytes", len(problems), len(err.Error()))
			}
		})
	}
}

func TestLargeJobs(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\njob: x\noperators:\n in: {source: generator}\n o0: {module: pass.wasm, inputs: [in]}\n")
	const n = 5000
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, " o%d: {module: pass.wasm, inputs: [o%d]}\n", i, i-1)
	}
	plan, err := Load("x.yaml", []byte(b.String()), Options{Parallelism: 128}, modules, catalog{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Tasks) != 1 || len(plan.Tasks[0].Operators) != n+1 {
		t.Errorf("%d tasks, want one of %d operators", len(plan.Tasks), n+1)
	}
}

// FuzzLoad: whatever the file, the flags and the environment, the answer is a plan
// that holds together or problems; never a panic.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, "operators.in.with.path=a", "value")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, set, variable string) {
		o := Options{WorkDir: "/there", Set: []string{set}, Lookup: func(string) (string, bool) { return variable, true }}
		plan, err := Load("x.yaml", data, o, modules, catalog{})
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("an error that is not Problems: %v", err)
			}
			for _, p := range problems {
				if p.Message == "" || strings.ContainsAny(p.String(), "\n\r") {
					t.Fatalf("not a line: %q", p.String())
				}
			}
			return
		}
		checkPlan(t, plan)
	})
}

// checkPlan holds a plan to its own rules.
func checkPlan(t *testing.T, plan *Plan) {
	in := make([]int, len(plan.Operators))
	for i, e := range plan.Edges {
		if e.ID != i || e.From >= e.To || e.Output >= len(plan.Operators[e.From].Outputs) || e.Input >= len(plan.Operators[e.To].Inputs) {
			t.Fatalf("edge %d does not fit: %+v", i, e)
		}
		in[e.To]++
	}
	for i, o := range plan.Operators {
		if w := o.Window; w != nil && (w.Check() != nil || o.State == nil || w.Late >= 0 && o.Outputs[w.Late] != "late") {
			t.Fatalf("operator %d has the window %+v and the state %+v", i, w, o.State)
		}
		if s := o.State; s != nil && (o.Module == nil || s.Limit < 0 || s.Backend != MemoryBackend && s.Backend != DiskBackend) {
			t.Fatalf("operator %d has the state %+v", i, s)
		}
		if s := o.State; s != nil && !s.Keyed && slices.ContainsFunc(s.Tables, func(t Table) bool { return t.Scope == abi.ScopeKey }) {
			t.Fatalf("operator %d keeps by key what does not come by key: %+v", i, s)
		}
	}
	if c := plan.Checkpoint; c.Interval < 0 || c.MaxConcurrent < 1 || c.Retain.Count < 1 || c.Mode == "" || c.Unaligned && c.Mode != ExactlyOnce {
		t.Fatalf("checkpoint %+v", c)
	}
	if r := plan.Restart; r.Kind == "" || r.Attempts < Unlimited || r.Delay < 0 || r.Kind == RestartExponential && (r.Initial <= 0 || r.Max < r.Initial) {
		t.Fatalf("restart %+v", r)
	}
	taskOf := map[int]int{}
	for i, task := range plan.Tasks {
		if task.ID != i || len(task.Operators) == 0 {
			t.Fatalf("task %d: %+v", i, task)
		}
		for _, o := range task.Operators {
			if _, twice := taskOf[o]; twice || plan.Operators[o].Parallelism != task.Parallelism {
				t.Fatalf("operator %d in task %d: %+v", o, i, plan.Operators[o])
			}
			taskOf[o] = i
		}
	}
	for _, e := range plan.Edges {
		if e.Chained != (taskOf[e.From] == taskOf[e.To]) || e.Chained && (in[e.To] != 1 || e.Partition != Forward) {
			t.Fatalf("edge %+v between tasks %d and %d", e, taskOf[e.From], taskOf[e.To])
		}
	}
	if len(taskOf) != len(plan.Operators) {
		t.Fatalf("%d of %d operators are in tasks", len(taskOf), len(plan.Operators))
	}
}
