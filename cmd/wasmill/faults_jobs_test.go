package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// struckJob is a job whose output is the same however often it is struck: what it reads
// is paced by event time and never late, what it gives out does not depend on the order
// in which inputs are read.
type struckJob struct {
	name      string
	operators string // between the source `in` and the sink `out`, which reads `op`
	alignment string // of its checkpoints; empty: aligned
	// Rows tell in a column, from 0, of how many records they tell; below 0, of one each.
	// All together they tell of each record of `in` so many times.
	column, times int
	slower        int // than others, so many times; 0: as fast
}

var struckJobs = []struckJob{
	{name: "tumbling", column: 4, times: 1, operators: `
  op: {module: GUESTS/fold.wasm, inputs: [{from: in, by: key}], window: {tumbling: 200ms}}`},
	{name: "sliding", column: 4, times: 4, operators: `
  op: {module: GUESTS/fold.wasm, inputs: [{from: in, by: key}], window: {sliding: {size: 400ms, every: 100ms}}}`},
	// Many records of a key are just one gap apart.
	{name: "session", column: 4, times: 1, slower: 20, operators: `
  op: {module: GUESTS/fold.wasm, inputs: [{from: in, by: key}], window: {session: {gap: 150ms}}, state: {backend: disk}}`},
	{name: "remind", column: 2, times: 1, operators: `
  rules: {source: generator, parallelism: 1, with: {records: RULES, rate: 20, keys: 0, valueSize: 20, seed: 3}, watermark: {outOfOrder: 0s}}
  op: {module: GUESTS/remind.wasm, inputs: [{from: in, as: events, by: key}, {from: rules, as: rules, by: broadcast}]}`},
	{name: "join", column: 2, times: 1, operators: `
  other: {source: generator, with: {records: RECORDS, rate: RATE, keys: 100, valueSize: 20, seed: 7}, watermark: {outOfOrder: 0s}}
  op: {module: GUESTS/join.wasm, inputs: [{from: in, as: left, by: key}, {from: other, as: right, by: key}], window: {tumbling: 150ms}}`},
	{name: "unaligned", column: 4, times: 1, alignment: "unaligned", operators: `
  op: {module: GUESTS/fold.wasm, inputs: [{from: in, by: key}], window: {tumbling: 200ms}}`},
	{name: "number", column: -1, times: 1, operators: `
  op: {module: GUESTS/number.wasm, inputs: [in]}`},
}

// pace is how long a job takes, how many records a second it reads, and how often it is
// struck at most.
type pace struct{ seconds, rate, kills int }

func (p pace) records() int { return p.seconds * p.rate }

func (p pace) of(j struckJob) pace {
	p.rate /= max(1, j.slower)
	return p
}

// file writes the job file.
func (j struckJob) file(t *testing.T, p pace, out string) string {
	t.Helper()
	guests, err := filepath.Abs("testdata/guests")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(guests, "fold.wasm")); err != nil {
		t.Fatalf("%v: make guests", err)
	}
	text := `
version: 1
job: ` + j.name + `
parallelism: 2
checkpoint: {interval: 100ms, alignment: ` + cmp.Or(j.alignment, "aligned") + `}
restart: {fixed: {delay: 10ms, attempts: 1000}}
operators:
  in: {source: generator, with: {records: RECORDS, rate: RATE, keys: 100, valueSize: 20}, watermark: {outOfOrder: 0s}}` + j.operators + `
  out: {sink: file, inputs: [op], with: {path: ` + out + `}}
`
	text = strings.NewReplacer("GUESTS", guests, "RECORDS", strconv.Itoa(p.records()), "RATE", strconv.Itoa(p.rate), "RULES", strconv.Itoa(20*p.seconds)).Replace(text)
	job := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return job
}

// oracle is the output without faults; it must tell of all records.
func (j struckJob) oracle(t *testing.T, p pace) []string {
	t.Helper()
	out := t.TempDir()
	run := start(t, j.file(t, p, out), t.TempDir())
	if code := run.wait(t, 2*patience(p)); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, run.stderr)
	}
	all := rows(t, out)
	told := 0
	for _, row := range all {
		n, err := j.told(row)
		if err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		told += n
	}
	if want := j.times * p.records(); told != want {
		t.Fatalf("%d rows tell of %d records, want %d", len(all), told, want)
	}
	return all
}

// told is how many records a row tells of.
func (j struckJob) told(row string) (int, error) {
	if j.column < 0 {
		return 1, nil
	}
	fields := strings.Fields(row)
	if j.column >= len(fields) {
		return 0, fmt.Errorf("no column %d", j.column)
	}
	return strconv.Atoi(fields[j.column])
}
