package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// pressed is a job that is under back pressure from its first record to its last.
func pressed(t *testing.T, out, alignment string) string {
	t.Helper()
	slow, err := filepath.Abs("testdata/guests/slow.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(slow); err != nil {
		t.Fatalf("%v: make guests", err)
	}
	text := `
version: 1
job: pressed
parallelism: 2
checkpoint: {interval: 50ms, alignment: ` + alignment + `}
restart: {fixed: {delay: 10ms, attempts: 1000}}
operators:
  in: {source: generator, with: {records: 16000, keys: 100, valueSize: 2000}}
  slow: {module: ` + slow + `, inputs: [{from: in, by: key}]}
  out: {sink: file, inputs: [{from: slow, by: rebalance}], with: {path: ` + out + `}}
`
	job := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return job
}

// caught is how many bytes the checkpoints of the job have in flight, as compressed.
func caught(t *testing.T, store string) (bytes int64) {
	t.Helper()
	s, err := openStore(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	log := snapshots.Log{Store: s.store, Job: id.Job{Namespace: "default", Name: "pressed"}}
	state, err := log.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Checkpoints {
		before := bytes
		for _, o := range c.Operators {
			for _, sub := range o.Subtasks {
				if sub.InFlight != nil {
					bytes += sub.InFlight.Stored
				}
			}
		}
		if c.Unaligned != (bytes > before) {
			t.Errorf("checkpoint %d says unaligned %t with %d bytes in flight", c.Checkpoint, c.Unaligned, bytes-before)
		}
	}
	return bytes
}

// Records that wait in front of a slow operator are stored, not waited for. When
// everything dies, they come from the checkpoint: once.
func TestUnalignedCheckpointsKeepWhatIsInFlight(t *testing.T) {
	reference := t.TempDir()
	if p := start(t, pressed(t, reference, "aligned"), t.TempDir()); p.wait(t, 2*time.Minute) != exitDone {
		t.Fatalf("the job without faults fails:\n%s", p.stderr)
	}
	want := rows(t, reference)
	if len(want) != 16000 {
		t.Fatalf("%d rows", len(want))
	}
	for name, test := range map[string]struct {
		alignment string
		workers   []string
	}{
		"at once over NATS":      {"unaligned", []string{"--workers", "2"}},
		"at once in one process": {"unaligned", nil},
		"after a time over NATS": {"{unalignedAfter: 20ms}", []string{"--workers", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, store := t.TempDir(), t.TempDir()
			job := pressed(t, out, test.alignment)
			p := start(t, job, store, test.workers...)
			for strikes := range 3 {
				waitUntil(t, "two checkpoints complete", func() bool { return p.completed() >= 2 || p.over() })
				if p.over() {
					break
				}
				signalTo(t, p.cmd.Process.Pid, syscall.SIGKILL)
				p.wait(t, atLongest)
				if strikes == 0 {
					refusesAnotherShape(t, job, store)
				}
				p = start(t, job, store, slices.Concat(test.workers, []string{"--from", "latest"})...)
			}
			if code := p.wait(t, 2*time.Minute); code != exitDone {
				t.Fatalf("exit code %d:\n%s", code, p.stderr)
			}
			compare(t, rows(t, out), want)
		})
	}
}

// refusesAnotherShape says so of the newest checkpoint, which has caught something.
func refusesAnotherShape(t *testing.T, job, store string) {
	t.Helper()
	if caught(t, store) == 0 {
		t.Error("nothing was in flight: the test shows nothing")
	}
	for _, change := range []struct {
		flags []string
		hint  string
	}{
		{[]string{"--parallelism", "3"}, "restore at parallelism 2"},
		{[]string{"--set", "operators.slow.inputs[0].by=rebalance", "--set", "operators.out.inputs[0].by=key"}, "checkpoint.alignment=aligned"},
	} {
		p := start(t, job, store, append([]string{"--from", "latest"}, change.flags...)...)
		code, said := p.wait(t, atLongest), p.stderr.String()
		if code != exitRefused || !strings.Contains(said, "is unaligned") || !strings.Contains(said, change.hint) {
			t.Errorf("%v: exit code %d, want %d:\n%s", change.flags, code, exitRefused, said)
		}
	}
}
