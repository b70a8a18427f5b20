package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cmd/wasmill-nexmark/trial"
)

// labOf has figures, but no binary to measure anything with.
func labOf(t *testing.T, f *figures) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{
		options: options{out: filepath.Join(dir, "figures.json"), page: filepath.Join(dir, "page.md"), runs: 1, atLeast: time.Second, latencyFor: time.Second},
		Lab:     trial.Lab{Wasmill: filepath.Join(dir, "none"), Examples: dir, Scratch: dir},
		queries: trial.Queries, figures: f, began: now(), revision: "aa",
	}
	if err := os.WriteFile(l.page, []byte(pageBegin+pageEnd), 0o666); err != nil {
		t.Fatal(err)
	}
	return l
}

// What can't be measured has no figure, not that of an earlier call; the rest is still
// tried, and the call fails at its end.
func TestFailures(t *testing.T) {
	for _, p := range phases[1:] {
		t.Run(p.name, func(t *testing.T) {
			l := labOf(t, complete(9))
			for _, name := range latencyQueries {
				l.figures.Queries[name].WorkersLatency = l.figures.Queries[name].Latency
			}
			if err := p.run(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			have := map[string]int{}
			if l.figures.Generator != nil {
				have["generator"]++
			}
			for _, f := range l.figures.Queries {
				for what, there := range map[string]bool{"pace": f.Pace != nil, "workers": f.Workers != nil, "latency": f.Latency != nil || f.WorkersLatency != nil, "memory": len(f.Memory) > 0} {
					if there {
						have[what]++
					}
				}
			}
			want := map[string]int{"generator": 1, "pace": len(trial.Queries), "workers": len(trial.Queries), "latency": len(latencyQueries), "memory": len(memoryQueries)}
			tried := map[string]int{"latency": 2, "memory": len(backends)}[p.name]
			if n := max(tried, 1) * want[p.name]; len(l.failed) != n {
				t.Errorf("%d failures are told: %v; want %d", len(l.failed), l.failed, n)
			}
			want[p.name] = 0
			for what, n := range want {
				if have[what] != n {
					t.Errorf("there are %d figures of %s, want %d", have[what], what, n)
				}
			}
			if err := l.failure(); err == nil || !strings.Contains(err.Error(), l.failed[0]) {
				t.Errorf("it ends with %v", err)
			}
			page, err := os.ReadFile(l.page)
			if err != nil || !strings.Contains(string(page), "Not measured:") {
				t.Errorf("the page is %q, %v", page, err)
			}
		})
	}
}

func TestAttempt(t *testing.T) {
	l := labOf(t, &figures{Queries: map[string]*queryFigures{}})
	ctx, cancel := context.WithCancel(t.Context())
	if err := l.attempt(ctx, "q0", func() error { return nil }); err != nil || l.failure() != nil {
		t.Errorf("what was measured gives %v, then %v", err, l.failure())
	}
	if err := os.Remove(l.out); err != nil {
		t.Fatal(err)
	}
	err := l.attempt(ctx, "q1", func() error { cancel(); return errors.New("killed") })
	if !errors.Is(err, context.Canceled) || l.failed != nil {
		t.Errorf("interrupted it gives %v, and failures %v", err, l.failed)
	}
	if _, err := os.Stat(l.out); err == nil {
		t.Error("what was interrupted is written")
	}
}

// Rows that were wrong in an earlier call are on the page, and no failure of this one.
func TestWrong(t *testing.T) {
	for _, c := range []struct {
		name     string
		at       time.Duration // since the call began
		failures []string
		wrong    bool
		revision string
	}{
		{"right", 0, nil, false, "aa"},
		{"wrong", 0, []string{"q0"}, true, "aa"},
		{"later", time.Hour, []string{"q0"}, true, "aa"},
		{"wrong before", -time.Second, []string{"q0"}, false, "bb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := labOf(t, nil)
			l.figures = &figures{Queries: map[string]*queryFigures{"q0": {Check: &checked{At: l.began.Add(c.at), Failures: c.failures}, CheckRevision: "bb"}}}
			if err := l.save(); err != nil {
				t.Fatal(err)
			}
			if got := l.figures.Queries["q0"].CheckRevision; got != c.revision {
				t.Errorf("it is of revision %s, want %s", got, c.revision)
			}
			if err := l.wrong(); (err != nil) != c.wrong {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

func TestInMemory(t *testing.T) {
	for fileSystem, want := range map[uint32]bool{0x01021994: true, 0x858458f6: true, 0xef53: false, 0x58465342: false, 0x794c7630: false} {
		if inMemory(fileSystem) != want {
			t.Errorf("whether %#x is in memory is %v", fileSystem, !want)
		}
	}
	if err := onDisk(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there is on a disk")
	}
}

func TestRevision(t *testing.T) {
	tree := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		c := exec.Command("git", append([]string{"-C", tree, "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(tree))
	if got := revisionOf(t.Context(), tree); got != "" {
		t.Errorf("what is no tree is of revision %q", got)
	}
	write("main.go", "1")
	write("docs/page.md", "1")
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	clean := revisionOf(t.Context(), tree)
	write("docs/page.md", "2")
	if got := revisionOf(t.Context(), tree); got != clean || len(got) < 7 {
		t.Errorf("with another page it is of revision %q, before of %q", got, clean)
	}
	write("main.go", "2")
	if got := revisionOf(t.Context(), tree); got != clean+"+dirty" {
		t.Errorf("with other sources it is of revision %q, before of %q", got, clean)
	}
}

func TestBufferTimeout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "job.yaml")
	for text, want := range map[string]string{
		"version: 1\nbufferTimeout: 5ms   # often\noperators: {}\n": "5ms",
		"version: 1\noperators: {}\n":                               "the default",
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := bufferTimeoutOf(file); err != nil || got != want {
			t.Errorf("of %q it is %q, %v", text, got, err)
		}
	}
}
