// Package examples runs every example as its README says, with the real binary, in one
// process and over worker processes. The operators have unit tests of their own.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long one run may take, on a machine that does other things, too.
const patience = 2 * time.Minute

var wasmill string // the binary

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wasmill-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	wasmill = filepath.Join(dir, "wasmill")
	build := exec.Command("go", "build", "-o", wasmill, "github.com/wasmill/wasmill/cmd/wasmill")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build wasmill: %v\n%s", err, out)
		return 1
	}
	os.Setenv("WASMILL_CACHE_DIR", filepath.Join(dir, "cache"))
	return m.Run()
}

// command is the binary with its output kept; the test's end ends it.
func command(t *testing.T, stdin io.Reader, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, wasmill, args...)
	c.Stdin, c.Stdout, c.Stderr = stdin, &stdout, &stderr
	c.Env = append(os.Environ(), "WASMILL_STORE="+t.TempDir())
	return c, &stdout, &stderr
}

// run is a run that must succeed; it returns stdout.
func run(t *testing.T, stdin io.Reader, args ...string) []byte {
	t.Helper()
	c, stdout, stderr := command(t, stdin, append([]string{"run", "--quiet"}, args...)...)
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v (are the modules built? make guests)\n%s", c.Args[1:], err, stderr)
	}
	return stdout.Bytes()
}

// rows are the lines of the result files in the order of the files' names. What else
// is in the folder, hidden files included, is an error.
func rows(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "part-") {
			t.Errorf("%s is left in the result folder", e.Name())
			continue
		}
		all = append(all, lines(t, filepath.Join(dir, e.Name()))...)
	}
	return all
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%d rows, want %d; row %d is\n%s, want\n%s", len(got), len(want), i+1, g, w)
		}
	}
}

var modes = []struct {
	name string
	args []string
}{
	{"one process", nil},
	{"two workers", []string{"--workers", "2"}},
}

// Every example gives the rows that a plain Go program computes from the same data, in
// one process and over two. They are also what its README points to.
func TestRowsAreAsComputed(t *testing.T) {
	for _, example := range []struct {
		name    string
		compute func(*testing.T) []string
		ordered bool // the rows come in the order of the input
		in, out uint64
	}{
		{"quakes", strongQuakes, true, 1707, 85},
		{"flights", delays, false, 20000, 220},
		{"wordcount", wordCounts, false, 69, 159},
	} {
		want := example.compute(t)
		same(t, lines(t, filepath.Join(example.name, "testdata", "expected.ndjson")), want)
		for _, mode := range modes {
			t.Run(example.name+" in "+mode.name, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "out")
				args := append([]string{filepath.Join(example.name, "job.yaml"), "-o", "json", "--set", "operators.out.with.path=" + out}, mode.args...)
				printed := run(t, nil, args...)

				got := rows(t, out)
				if !example.ordered {
					slices.Sort(got)
				}
				same(t, got, want)

				var report struct {
					Job       string
					State     string
					Operators map[string]struct{ RecordsIn, RecordsOut uint64 }
				}
				if err := json.Unmarshal(printed, &report); err != nil {
					t.Fatalf("report: %v\n%s", err, printed)
				}
				if report.Job != example.name || report.State != "finished" {
					t.Errorf("report says %s %s", report.Job, report.State)
				}
				if n := report.Operators["in"].RecordsOut; n != example.in {
					t.Errorf("report: %d records out of in, want %d", n, example.in)
				}
				if n := report.Operators["out"].RecordsIn; n != example.out {
					t.Errorf("report: %d records into out, want %d", n, example.out)
				}
			})
		}
	}
}

// One process and two workers write the same files, byte for byte: each subtask sorts
// its rows, and a key belongs to the same subtask everywhere.
func TestFlightsAreTheSameTwice(t *testing.T) {
	var files [2]map[string]string
	for i, mode := range modes {
		out := filepath.Join(t.TempDir(), "out")
		run(t, nil, append([]string{"flights/job.yaml", "--set", "operators.out.with.path=" + out}, mode.args...)...)
		files[i] = map[string]string{}
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files[i][e.Name()] = strings.Join(lines(t, filepath.Join(out, e.Name())), "\n")
		}
	}
	if len(files[0]) != 3 || len(files[1]) != 3 {
		t.Errorf("%d and %d files, want one for each of 3 subtasks", len(files[0]), len(files[1]))
	}
	for name, text := range files[0] {
		if files[1][name] != text {
			t.Errorf("%s differs between one process and two", name)
		}
	}
}

// A second run replaces the result of the first.
func TestRunningAgainReplaces(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	to := "operators.out.with.path=" + out
	run(t, nil, "quakes/job.yaml", "--set", to)
	run(t, nil, "quakes/job.yaml", "--set", to, "--set", "operators.strong.config.min=6")
	for _, row := range rows(t, out) {
		if !strings.Contains(row, `"mag":6`) && !strings.Contains(row, `"mag":7`) {
			t.Errorf("%s is weaker than 6", row)
		}
	}
}

// A job that fails in the middle names the place and leaves no result.
func TestFailureLeavesNoResult(t *testing.T) {
	good, err := os.ReadFile("flights/flights.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(t.TempDir(), "flights.ndjson")
	if err := os.WriteFile(in, append(good, `{"delay":1}`...), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := append([]string{"run", "--quiet", "flights/job.yaml", "--set", "operators.in.with.path=" + in, "--set", "operators.out.with.path=" + out}, mode.args...)
			c, _, stderr := command(t, nil, args...)
			if err := c.Run(); c.ProcessState.ExitCode() != 1 {
				t.Fatalf("run: %v, want exit code 1\n%s", err, stderr)
			}
			for _, part := range []string{"parse", "the flight has no origin"} {
				if !strings.Contains(stderr.String(), part) {
					t.Errorf("%q is not in\n%s", part, stderr)
				}
			}
			if left := rows(t, out); left != nil {
				t.Errorf("%d rows are left", len(left))
			}
		})
	}
}

const typed = "One fish two fish\nred fish, blue fish\n"

var typedRows = []string{
	`{"word":"blue","count":1}`, `{"word":"fish","count":4}`, `{"word":"one","count":1}`, `{"word":"red","count":1}`, `{"word":"two","count":1}`,
}

func TestWordsOfStdin(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			sortedRows(t, run(t, strings.NewReader(typed), append([]string{"wordcount/stdin.yaml"}, mode.args...)...), typedRows)
		})
	}
}

func TestWordsOfSocket(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	served := make(chan error, 1)
	go func() {
		c, err := server.Accept()
		if err == nil {
			_, err = io.WriteString(c, typed)
			err = firstOf(err, c.Close())
		}
		served <- err
	}()
	out := run(t, nil, "wordcount/socket.yaml", "--set", "operators.in.with.address="+server.Addr().String())
	if err := <-served; err != nil {
		t.Fatalf("serve: %v", err)
	}
	sortedRows(t, out, typedRows)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// sortedRows compares what a job wrote to stdout.
func sortedRows(t *testing.T, out []byte, want []string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	slices.Sort(got)
	same(t, got, want)
}
