package main

import (
	"os"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/sdk/abi"
)

// The job file that the documentation shows is one.
func TestDocumentedJobFile(t *testing.T) {
	page, err := os.ReadFile("../../docs/jobfile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	file, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("no job file in docs/jobfile.md")
	}
	described := func(string) (graph.ModuleInfo, error) {
		return graph.ModuleInfo{Description: abi.Description{Shape: abi.ShapeProcess, Inputs: []string{"in"}, Outputs: []string{"out"}}}, nil
	}
	if _, err := graph.Load("docs/jobfile.md", []byte(file), graph.Options{}, described, connector.Catalog()); err != nil {
		t.Error(err)
	}
}

// The test file that the documentation shows is one.
func TestDocumentedJobTest(t *testing.T) {
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	file, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("no test file in docs/testing.md")
	}
	if _, err := readJobTest("docs/testing.md", []byte(file)); err != nil {
		t.Error(err)
	}
}

// Every metric of a subtask stands in the documentation with its unit.
func TestDocumentedMetrics(t *testing.T) {
	page, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if row := "| `" + c.name + "` | counter | `" + c.unit + "` |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/observability.md has no row %s", row)
		}
	}
}
