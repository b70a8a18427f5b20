package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// A job begins where another one was: the counts go on, none is missing, none is twice.
func TestStartFromAnotherJob(t *testing.T) {
	server := storetest.StartMinIO(t)
	const records = 60_000
	want := countsOf(t, reference(t, records))
	url := t.TempDir()
	killed(t, counting(t, "first", t.TempDir(), often, records), url, 4)
	store := opened(t, url)
	state := stateOf(t, store, "first")
	m := state.Checkpoints[1].Manifest
	of := snapshots.Folder{Store: store.store, Path: "default/jobs/first"}
	place, bucket := filepath.Join(t.TempDir(), "snapshot"), server.URL("snapshot")
	for _, to := range []string{place, bucket} {
		must(t, of.CopyTo(t.Context(), snapshots.Folder{Store: opened(t, to).store}, m, false))
	}
	for name, c := range map[string]struct{ job, from, store string }{
		"a checkpoint in the same store": {"second-0", fmt.Sprintf("checkpoint:first/%d", m.Checkpoint), url},
		"a folder":                       {"second-1", place, t.TempDir()},
		"a file URL":                     {"second-2", "file://" + place, t.TempDir()},
		"a bucket":                       {"second-3", bucket, t.TempDir()},
		"a folder, into a bucket":        {"second-4", place, server.URL("second")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			// It dies before and after its first checkpoint: the word of its user counts until
			// there is one, and its own log from then on.
			job := counting(t, c.job, out, often, records)
			p := start(t, job, c.store, "--from", c.from)
			p.stderr.waitFor(t, "to=running")
			signalTo(t, p.cmd.Process.Pid, syscall.SIGKILL)
			p.wait(t, atLongest)
			killed(t, job, c.store, 2, "--from", "latest")
			p = start(t, job, c.store, "--from", "latest")
			if code := p.wait(t, time.Minute); code != exitDone {
				t.Fatalf("exit code %d:\n%s", code, p.stderr)
			}
			got, restored := countsOf(t, rows(t, out)), 0
			for key, all := range want {
				tail := got[key]
				if len(tail) > len(all) || !slices.Equal(tail, all[len(all)-len(tail):]) {
					t.Errorf("key %s: %d counts that are not the last of %d", key, len(tail), len(all))
				}
				restored += len(all) - len(tail)
			}
			if restored == 0 {
				t.Error("it began from nothing")
			}
			for _, file := range matches(t, out, "part-*") {
				var n uint64
				if _, err := fmt.Sscanf(filepath.Base(file), "part-%d-", &n); err != nil || n <= m.Checkpoint {
					t.Errorf("%s is not numbered above %d", file, m.Checkpoint)
				}
			}
		})
	}
}
