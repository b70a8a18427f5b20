package graph

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// options are those of all the job files in testdata: they lie in /jobs, the user
// works in /there.
func options() Options {
	env := map[string]string{"PORT": "4222", "WIDTH": "3", "EMPTY": ""}
	return Options{WorkDir: "/there", Lookup: func(name string) (string, bool) {
		s, ok := env[name]
		return s, ok
	}}
}

// Each testdata/bad/*.yaml stands beside all that is said about it.
func TestProblems(t *testing.T) {
	each(t, "testdata/bad", ".txt", func(t *testing.T, name string, data []byte) string {
		plan, err := Load("/jobs/"+name, data, flags(data), modules, catalog{})
		if err == nil {
			t.Fatalf("no problem found; plan %+v", plan)
		}
		return strings.ReplaceAll(err.Error(), "/jobs/", "") + "\n"
	})
}

// Each testdata/good/*.yaml stands beside its plan: as text, then as JSON.
func TestPlans(t *testing.T) {
	each(t, "testdata/good", ".plan", func(t *testing.T, name string, data []byte) string {
		plan, err := Load("/jobs/"+name, data, flags(data), modules, catalog{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := plan.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		for _, w := range plan.Warnings {
			b.WriteString("warning: " + w.String() + "\n")
		}
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(plan); err != nil {
			t.Fatal(err)
		}
		return b.String()
	})
}

// flags takes the command line of a job file's first lines: "#--set a=b".
func flags(data []byte) Options {
	o := options()
	for line := range strings.Lines(string(data)) {
		if set, ok := strings.CutPrefix(line, "#--set "); ok {
			o.Set = append(o.Set, strings.TrimRight(set, "\n"))
		}
	}
	return o
}

func each(t *testing.T, dir, ext string, result func(t *testing.T, name string, data []byte) string) {
	files, err := filepath.Glob(dir + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no job files in %s: %v", dir, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := result(t, name, data)
			golden := strings.TrimSuffix(file, ".yaml") + ext
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not as in %s:\n%s", golden, got)
			}
		})
	}
}
