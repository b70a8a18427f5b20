package examples

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Examples with time and state give the rows that a plain Go program computes from the
// same data, at any parallelism, in one process and over two.
func TestTimedRowsAreAsComputed(t *testing.T) {
	for _, example := range []struct {
		job     string
		compute func(*testing.T) []string
		file    string // where the README points to
	}{
		{"quakes/stats.yaml", dailyQuakes, "quakes/testdata/stats.ndjson"},
		{"sessions/job.yaml", flightSessions, ""},
		{"alerts/job.yaml", silentNetworks, "alerts/testdata/expected.ndjson"},
	} {
		want := example.compute(t)
		if example.file != "" {
			same(t, lines(t, example.file), want)
		}
		for _, parallelism := range []string{"1", "3"} {
			for _, mode := range modes {
				t.Run(fmt.Sprint(example.job, " at ", parallelism, " in ", mode.name), func(t *testing.T) {
					same(t, timed(t, append([]string{example.job, "--parallelism", parallelism}, mode.args...)...), want)
				})
			}
		}
	}
}

// timed is a run whose results are returned, sorted. Nothing may come late.
func timed(t *testing.T, args ...string) []string {
	t.Helper()
	dir := t.TempDir()
	args = append(args, "--set", "operators.out.with.path="+filepath.Join(dir, "out"))
	if strings.HasPrefix(args[0], "quakes/") {
		late := filepath.Join(dir, "late")
		args = append(args, "--set", "operators.late.with.path="+late)
		defer func() {
			if all := rows(t, late); all != nil {
				t.Errorf("%d records came late, the first is %s", len(all), all[0])
			}
		}()
	}
	run(t, nil, args...)
	all := rows(t, filepath.Join(dir, "out"))
	slices.Sort(all)
	return all
}

// Reports that are up to two hours out of order change nothing. The lines are moved by
// chance, each within two hours of where its time belongs.
func TestDailyQuakesInDisorder(t *testing.T) {
	want := dailyQuakes(t)
	for seed := range uint64(3) {
		text, reports := lines(t, "quakes/earthquakes.ndjson"), quakes(t)
		r := rand.New(rand.NewPCG(seed, 1))
		arrival := make(map[string]int64, len(text))
		for i, line := range text {
			arrival[line] = reports[i].Time + r.Int64N((2 * time.Hour).Milliseconds())
		}
		if len(arrival) != len(text) {
			t.Fatal("two quakes are the same")
		}
		moved := slices.SortedFunc(maps.Keys(arrival), func(a, b string) int { return int(arrival[a] - arrival[b]) })
		if slices.Equal(moved, text) {
			t.Fatal("nothing has moved")
		}
		in := filepath.Join(t.TempDir(), "moved.ndjson")
		if err := os.WriteFile(in, []byte(strings.Join(moved, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			same(t, timed(t, "quakes/stats.yaml", "--parallelism", "3", "--set", "operators.in.with.path="+in), want)
		})
	}
}

// A report of a day that is closed counts nowhere, and goes to the output for such.
func TestDailyQuakesTooLate(t *testing.T) {
	const late = `{"time":1517363399650,"mag":9.9,"net":"uw"}`
	stdin, keyboard := io.Pipe()
	dir := t.TempDir()
	c, _, stderr := command(t, stdin, "run", "--quiet", "quakes/stats.yaml", "--set", "operators.late.with.path="+dir,
		"--set", "operators.in.source=stdin", "--set", "operators.in.with={}",
		"--set", "operators.out.sink=stdout", "--set", "operators.out.with={}")
	c.Stdout = nil
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	typed := make(chan struct{})
	go func() {
		_, _ = io.WriteString(keyboard, strings.Join(lines(t, "quakes/earthquakes.ndjson"), "\n")+"\n")
		<-typed
		_, _ = io.WriteString(keyboard, late+"\n")
		keyboard.Close()
	}()
	var out []string
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		row := scanner.Text()
		out = append(out, row)
		if strings.HasPrefix(row, `{"net":"uw","day":"2018-01-31"`) {
			close(typed)
		}
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	slices.Sort(out)
	same(t, out, dailyQuakes(t))
	same(t, rows(t, dir), []string{late})
}
