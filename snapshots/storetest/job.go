package storetest

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// testJob is what a job does with a store: its log, packs, garbage, trims and a
// savepoint, until another coordinator takes over.
func testJob(t *testing.T, s snapshots.Store) {
	job := id.Job{Namespace: "default", Name: "quakes"}
	folder := snapshots.Folder{Store: s, Path: snapshots.JobFolder(job)}
	l := &snapshots.Log{Store: s, Job: job, Writer: "first"}
	state, err := l.Fence(t.Context(), 1, jobTime)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= 5; n++ {
		m := jobCheckpoint(t, folder, n, id.Attempt{Term: 1, Number: 1})
		retain := snapshots.Retain(&state, n, 2)
		if state, err = l.Append(t.Context(), snapshots.Entry{Checkpoint: m, Time: jobTime, Retain: &retain}, 1); err != nil {
			t.Fatal(err)
		}
		if state, err = l.Trim(t.Context(), 1, jobTime); err != nil {
			t.Fatal(err)
		}
	}
	garbage, err := snapshots.Collect(t.Context(), l, id.Attempt{Term: 1, Number: 1}, false)
	if err != nil || len(garbage) != 3 {
		t.Errorf("collected %v, %v", garbage, err)
	}
	saved := snapshots.Folder{Store: s, Path: snapshots.SavepointFolder(job, "before-upgrade")}
	for range 2 {
		if err := folder.CopyTo(t.Context(), saved, state.Newest().Manifest, false); err != nil {
			t.Fatal(err)
		}
	}
	next := &snapshots.Log{Store: s, Job: job, Writer: "second"}
	if state, err = next.Fence(t.Context(), 2, jobTime); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), snapshots.Entry{End: &snapshots.End{}, Time: jobTime}, 1); !errors.Is(err, fault.ErrFenced) {
		t.Errorf("the first one goes on: %v", err)
	}
	choice, err := snapshots.Pick(t.Context(), &state, folder, snapshots.Full, nil)
	if err != nil || choice.Checkpoint.Manifest.Checkpoint != 5 || len(choice.Skipped) > 0 {
		t.Errorf("%+v, %v", choice, err)
	}
	m, err := saved.ReadManifest(t.Context())
	if err == nil {
		err = saved.Check(t.Context(), &m, snapshots.Full)
	}
	if err != nil {
		t.Errorf("savepoint: %v", err)
	}
	if packs := list(t, s, folder.Path+"/packs/"); len(packs) != 2 {
		t.Errorf("there is %v", packs)
	}
}

var jobTime = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func jobCheckpoint(t *testing.T, f snapshots.Folder, n uint64, attempt id.Attempt) *snapshots.Manifest {
	t.Helper()
	data := make([]byte, 700_000)
	for i := range data {
		data[i] = byte(i * int(n) >> (i % 7))
	}
	var section snapshots.Section
	_, err := f.WritePack(t.Context(), snapshots.PackID{Checkpoint: n, Attempt: attempt}, func(w *snapshots.PackWriter) (err error) {
		section, err = w.Section("tables", func(out io.Writer) error { _, err := out.Write(data); return err })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &snapshots.Manifest{
		Checkpoint: n, Attempt: attempt, Created: jobTime, MaxParallelism: 8,
		Operators: []snapshots.Operator{{Name: "op", Parallelism: 1, Subtasks: []snapshots.Subtask{{Groups: snapshots.Range{End: 8}, Tables: &section}}}},
	}
}
