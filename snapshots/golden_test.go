package snapshots_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

const golden = "testdata/golden-v1"

// goldenEntries has every kind and every field.
func goldenEntries(m *snapshots.Manifest) []snapshots.Entry {
	ended := &snapshots.End{Failure: `no such file "x"`}
	spec := &snapshots.Spec{Plan: json.RawMessage(`{"job":"quakes","maxParallelism":8}`), Fresh: true, From: "savepoint:quakes/before"}
	retain := []uint64{1}
	first := snapshots.Checkpoint{Manifest: *m, Entry: 3, Former: true}
	entries := []snapshots.Entry{
		{Fence: &snapshots.Fence{}},
		{Spec: spec},
		{Checkpoint: m, Retain: &retain},
		{End: &snapshots.End{Canceled: true}, Retain: &[]uint64{}},
		{End: ended},
		{Trim: &snapshots.Trim{Spec: spec, Checkpoints: []snapshots.Checkpoint{first}, Last: 1, Began: true, End: ended, Below: 0}},
	}
	for i := range entries {
		entries[i].Number, entries[i].Term, entries[i].Writer, entries[i].Time = uint64(i+1), 9, "w", noon
	}
	return entries
}

func goldenManifest(t *testing.T, s snapshots.Store) *snapshots.Manifest {
	m, err := takeCheckpoint(t.Context(), s, 1, id.Attempt{Term: 9, Number: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Savepoint, m.Duration, m.Unaligned = "before", 1500*time.Millisecond, true
	o := &m.Operators[0]
	o.Module, o.StateVersion = strings.Repeat("ab", 32), 3
	sub := &o.Subtasks[1]
	sub.Splits, sub.Time = json.RawMessage(`[{"id":"a.csv","position":"17"}]`), json.RawMessage(`{"watermark":5}`)
	sub.Transactions, sub.InFlight = [][]byte{{0, 1, 255}}, sub.Tables
	sub.AlignNanos, sub.SyncNanos, sub.AsyncNanos = 1, 2, 3
	o.Subtasks[0].Finished = true
	return m
}

// What was ever written is read for ever: a log with every kind of entry, packs, and a
// savepoint. Entries are also written as they were, byte for byte.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	store := new(storetest.Memory)
	err := filepath.WalkDir(golden, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		store.Damage(strings.TrimPrefix(filepath.ToSlash(file), golden+"/"), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	saved := snapshots.Folder{Store: store, Path: snapshots.SavepointFolder(quakes, "before")}
	m, err := saved.ReadManifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Check(t.Context(), &m, snapshots.Full); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(saved.OpenRun(t.Context(), m.Operators[0].Subtasks[1].Runs[0]))
	if want := "headergroup 4 of checkpoint 1;group 5 of checkpoint 1;group 6 of checkpoint 1;group 7 of checkpoint 1;"; err != nil || string(got) != want {
		t.Errorf("a run: %q, %v", got, err)
	}
	want := goldenManifest(t, new(storetest.Memory))
	// How well zstd compresses may change; what is in the pack may not.
	for i := range want.Operators[0].Subtasks {
		a, b := &want.Operators[0].Subtasks[i], &m.Operators[0].Subtasks[i]
		a.Runs[0].Section, a.Tables, a.InFlight = b.Runs[0].Section, b.Tables, b.InFlight
	}
	if !reflect.DeepEqual(&m, want) {
		t.Errorf("manifest %+v, want %+v", m, want)
	}
	for _, e := range goldenEntries(&m) {
		name := store.Names(snapshots.JobFolder(quakes) + "/log/")[e.Number-1]
		read, err := snapshots.DecodeEntry(e.Number, store.Bytes(name))
		if err != nil || !reflect.DeepEqual(read, e) {
			t.Errorf("%s: %+v, %v, want %+v", name, read, err, e)
		}
		if written, err := snapshots.EncodeEntry(&e); err != nil || !bytes.Equal(written, store.Bytes(name)) {
			t.Errorf("%s is written %s, %v", name, written, err)
		}
	}
	state, err := newLog(store, "").Read(t.Context())
	if err != nil || state.Next != 7 || len(state.Checkpoints) != 1 || len(state.Ignored)+len(state.Unreadable) > 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

func writeGolden(t *testing.T) {
	store := new(storetest.Memory)
	m := goldenManifest(t, store)
	for _, e := range goldenEntries(m) {
		data, err := snapshots.EncodeEntry(&e)
		if err != nil {
			t.Fatal(err)
		}
		store.Damage(snapshots.EntryObject(quakes, e.Number), data)
	}
	target := snapshots.Folder{Store: store, Path: snapshots.SavepointFolder(quakes, "before")}
	if err := folderOf(store).CopyTo(t.Context(), target, *m, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range store.Names("") {
		if strings.Contains(name, "/jobs/quakes/packs/") {
			continue // the savepoint has them
		}
		file := filepath.Join(golden, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, store.Bytes(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for _, e := range goldenEntries(&snapshots.Manifest{Checkpoint: 1}) {
		data, err := snapshots.EncodeEntry(&e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[snapshots.SumSize:])
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		// With a checksum that is right: else nothing gets through.
		e, err := snapshots.DecodeEntry(1, snapshots.SealRest(rest))
		if err != nil {
			return
		}
		if _, err := snapshots.EncodeEntry(&e); err != nil && !e.Time.IsZero() {
			t.Errorf("read, but not written: %v", err)
		}
		state := snapshots.NewState()
		if err := state.Step(e); err != nil {
			t.Error(err)
		}
		if m := e.Checkpoint; m != nil {
			m.Packs()
			m.Size()
			_ = m.Fits(nil, 8, nil)
			for i := range m.Operators {
				_, _ = m.Assign(m.Operators[i].Name, 2, 1)
			}
			state.Dangling(m)
		}
		if _, err := snapshots.DecodeEntry(1, rest); err == nil {
			t.Error("read without a checksum")
		}
	})
}
