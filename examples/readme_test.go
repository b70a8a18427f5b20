package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tour of the README works when pasted. The binary is there already, so the test
// skips its first command; the rest is run as it stands.
func TestTourOfTheReadme(t *testing.T) {
	page := strings.Join(lines(t, "../README.md"), "\n")
	_, rest, _ := strings.Cut(page, "```sh\n")
	tour, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("README.md has no tour")
	}
	first, rest, _ := strings.Cut(tour, "\n")
	if !strings.HasPrefix(first, "make build ") {
		t.Fatalf("the tour starts with %q", first)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(wasmill, filepath.Join(dir, "bin", "wasmill")); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", rest)
	shell.Dir = dir
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("tour: %v\n%s", err, out)
	}
	const row = "EVERY RECORD IS A LINE!"
	if n := strings.Count(string(out), row); n != 3 {
		t.Errorf("%q stands %d times in what the tour prints, want one for each of its three runs\n%s", row, n, out)
	}
	for _, part := range []string{"job default/hello", "shape     process", `"state":"finished"`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("%q is not in what the tour prints\n%s", part, out)
		}
	}
}

// Every file that a page points to is there. (A target with a space is code.)
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../*/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, more...), "../README.md") {
		for i, line := range lines(t, page) {
			for _, part := range strings.Split(line, "](")[1:] {
				target, _, _ := strings.Cut(part, ")")
				target, _, _ = strings.Cut(target, "#")
				if target == "" || strings.Contains(target, "://") || strings.Contains(target, " ") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
					t.Errorf("%s:%d: %v", page, i+1, err)
				}
			}
		}
	}
}
