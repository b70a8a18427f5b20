package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Row 15 of the faults, on restore: the job is killed and goes on at another parallelism,
// again and again. Every key's counts go on where they were.
func TestRescaleOnRestore(t *testing.T) {
	const records = 40000
	file := func(out string) string {
		job := filepath.Join(t.TempDir(), "job.yaml")
		text := fmt.Sprintf(`
version: 1
job: rescaled
checkpoint: {interval: 50ms}
operators:
  in: {source: generator, with: {records: %d, rate: 10000, keys: 500, valueSize: 8}}
  count: {module: %s, inputs: [{from: in, by: key}]}
  out: {sink: file, inputs: [count], with: {path: %s}}
`, records, runningModule(t), out)
		if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return job
	}
	whole := t.TempDir()
	if p := start(t, file(whole), t.TempDir()); p.wait(t, time.Minute) != exitDone {
		t.Fatalf("without faults:\n%s", p.stderr)
	}
	want := rows(t, whole)
	if len(want) != records {
		t.Fatalf("%d rows without faults", len(want))
	}
	out, store := t.TempDir(), t.TempDir()
	job := file(out)
	from := "none"
	for _, parallelism := range []string{"1", "8", "3"} {
		p := start(t, job, store, "--parallelism", parallelism, "--from", from)
		waitUntil(t, "three checkpoints complete", func() bool { return p.completed() >= 3 || p.over() })
		if p.over() {
			t.Fatalf("over at parallelism %s:\n%s", parallelism, p.stderr)
		}
		p.cmd.Process.Kill()
		<-p.exited
		from = "latest"
	}
	p := start(t, job, store, "--parallelism", "7", "--from", from)
	if code := p.wait(t, time.Minute); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, p.stderr)
	}
	compare(t, rows(t, out), want)
}
