package wasmill_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSnippets checks that the Go and C of docs/state.md is in an example of an SDK as it
// stands, but for its indentation: there it is compiled and tested.
func TestSnippets(t *testing.T) {
	doc, err := os.ReadFile("docs/state.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"go", "c"} {
		files, err := filepath.Glob("sdk/" + language + "/example/*/main*." + language)
		if err != nil || len(files) == 0 {
			t.Fatalf("no examples of %s: %v", language, err)
		}
		var sources []string
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, flat(string(source)))
		}
		blocks := strings.Split(string(doc), "```"+language+"\n")[1:]
		if len(blocks) < 5 {
			t.Errorf("docs/state.md has %d snippets of %s", len(blocks), language)
		}
		all := strings.Join(sources, "\x00")
		for _, block := range blocks {
			snippet, _, _ := strings.Cut(block, "```")
			if !strings.Contains(all, flat(snippet)) {
				t.Errorf("no example of %s has this snippet of docs/state.md:\n%s", language, snippet)
			}
		}
	}
}

// flat is text without indentation.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for n := range lines {
		lines[n] = strings.TrimSpace(lines[n])
	}
	return strings.Join(lines, "\n")
}
