package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

// say runs a command line and returns what it prints and its exit code.
func say(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	var out, problems bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&problems)
	err := root.ExecuteContext(t.Context())
	if err != nil {
		t.Log(err)
	}
	return out.String(), exitCode(err)
}

// A bucket is read as a folder is: what is printed is the same.
func TestOfflineVerbsReadBuckets(t *testing.T) {
	server := storetest.StartMinIO(t)
	bucket, folder := server.URL("some/where"), t.TempDir()
	for _, url := range []string{bucket, folder} {
		s, err := openStore(t.Context(), url)
		must(t, err)
		writeGolden(t, s.store)
	}
	for _, args := range [][]string{
		{"checkpoint", "list", "quakes"},
		{"checkpoint", "show", "quakes/latest", "--entries", "-o", "json"},
		{"state", "list", "quakes/latest", "--groups"},
		{"state", "get", "quakes/3", "stats", "counts", "us"},
		{"state", "get", "quakes/3", "stats", "counts", "ak"}, // absent
		{"state", "diff", "quakes/2", "quakes/3"},
		{"state", "export", "quakes/3"},
		{"store", "check"},
		{"store", "gc", "--dry-run"},
	} {
		want, wantCode := say(t, append(args, "--store", folder)...)
		got, code := say(t, append(args, "--store", bucket)...)
		if got != want || code != wantCode {
			t.Errorf("%q on a bucket: code %d\n%s\nin a folder: code %d\n%s", args, code, got, wantCode, want)
		}
	}
	server.Kill()
	if _, code := say(t, "checkpoint", "list", "quakes", "--store", bucket); code != exitUnreachable {
		t.Errorf("without a server the exit code is %d, want %d", code, exitUnreachable)
	}
}

const (
	bigGroups  = 128
	bigEntries = 150_000
	bigValue   = 100 // bytes, which don't compress
)

// bigSnapshot is a checkpoint of an operator with much state.
func bigSnapshot(t *testing.T, store snapshots.Store) *snapshot {
	t.Helper()
	b, err := state.NewMemory(state.Options{Tables: []state.Table{{Name: "seen", Scope: state.ScopeKey}}, End: bigGroups})
	must(t, err)
	defer func() { must(t, b.Close()) }()
	random, value := rand.NewChaCha8([32]byte{1}), make([]byte, bigValue)
	for i := range bigEntries {
		key := fmt.Appendf(nil, "key-%d", i)
		random.Read(value)
		must(t, b.Put(keygroup.Of(key, bigGroups), 0, key, nil, value))
	}
	folder := snapshots.Folder{Store: store, Path: snapshots.JobFolder(goldenJob)}
	run := snapshots.Run{Checkpoint: 1}
	_, err = folder.WritePack(t.Context(), snapshots.PackID{Checkpoint: 1}, func(w *snapshots.PackWriter) error {
		section, info, err := writeRun(w, "big/keyed", b, 1, true)
		run.Section, run.Header = section, info.Header
		for _, g := range info.Groups {
			run.Groups = append(run.Groups, snapshots.GroupOffset(g))
		}
		return err
	})
	must(t, err)
	m := &snapshots.Manifest{Checkpoint: 1, MaxParallelism: bigGroups, Operators: []snapshots.Operator{{
		Name: "big", Parallelism: 1, Tables: []snapshots.Table{{Name: "seen", Scope: "key"}},
		Subtasks: []snapshots.Subtask{{Groups: snapshots.Range{End: bigGroups}, Runs: []snapshots.Run{run}}},
	}}}
	return &snapshot{job: goldenJob, folder: folder, manifest: m}
}

// counted counts the bytes that are read from a store.
type counted struct {
	snapshots.Store
	read atomic.Int64
}

func (c *counted) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r, err := c.Store.Get(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, c), r}, nil
}

func (c *counted) Write(b []byte) (int, error) {
	c.read.Add(int64(len(b)))
	return len(b), nil
}

func openCounted(t *testing.T) *counted {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	must(t, err)
	return &counted{Store: s}
}

// An export is written while state is read, in memory that does not grow with it.
func TestExportStreams(t *testing.T) {
	store := openCounted(t)
	s := bigSnapshot(t, store)
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(s.export(context.Background(), pw, nil, encodeAuto)) }()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	buffer := make([]byte, 1<<20)
	var lines int
	for first := true; ; first = false {
		n, err := io.ReadFull(pr, buffer)
		lines += bytes.Count(buffer[:n], []byte{'\n'})
		if read := store.read.Load(); first && read > 4<<20 {
			t.Errorf("%d bytes were read for the first megabyte", read)
		}
		most = max(most, heap())
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		must(t, err)
	}
	if lines != bigEntries {
		t.Errorf("%d lines, want %d", lines, bigEntries)
	}
	if read := store.read.Load(); read < bigEntries*bigValue {
		t.Errorf("all that was read is %d bytes: too little to tell", read)
	}
	if limit := uint64(6 << 20); most > before+limit {
		t.Errorf("the heap grew by %d bytes, of %d of state", most-before, bigEntries*bigValue)
	}
}

// Of a key, its key group is read and nothing else.
func TestGetReadsOneGroup(t *testing.T) {
	store := openCounted(t)
	s := bigSnapshot(t, store)
	for _, key := range []string{"key-7", "key-149999"} {
		store.read.Store(0)
		found, err := s.get(t.Context(), &query{operator: "big", table: "seen", key: []byte(key), all: true})
		if err != nil || len(found.entries) != 1 || len(found.entries[0].Value) != bigValue {
			t.Fatalf("%s: %+v, %v", key, found, err)
		}
		// A group has about 130 kB, and lies in two chunks at most, after the header's.
		if read := store.read.Load(); read > 1<<20 {
			t.Errorf("%s: %d bytes were read", key, read)
		}
	}
}

// A checkpoint that its job deletes while it is read is no damage: try another.
func TestCheckpointDeletedWhileRead(t *testing.T) {
	store := new(storetest.Memory)
	writeGolden(t, store)
	j := &jobStore{"memory", store}
	s, err := j.snapshot(t.Context(), snapshotName{goldenJob, 2}, nil)
	must(t, err)
	log := &snapshots.Log{Store: store, Job: goldenJob, Writer: "other"}
	_, err = log.Fence(t.Context(), 8, goldenTime)
	must(t, err)
	_, err = log.Append(t.Context(), snapshots.Entry{Time: goldenTime, Spec: &snapshots.Spec{}, Retain: &[]uint64{3}}, 8)
	must(t, err)
	must(t, store.Delete(t.Context(), snapshots.JobFolder(goldenJob)+"/packs/00000000000000000002-7.1-1-0.pack"))
	list := stateList{}
	damage := list.read(t.Context(), s, nil)
	err = j.stillThere(t.Context(), []*snapshot{s}, damage)
	if code := exitCode(err); code != exitLostRace || err.Error() != "checkpoint quakes/2 was deleted while it was read (retained: 3)" {
		t.Errorf("exit code %d, %v", code, err)
	}
	// Checkpoint 3 is still there, and consists of that pack: damage.
	if s, err = j.snapshot(t.Context(), snapshotName{goldenJob, 3}, nil); err != nil {
		t.Fatal(err)
	}
	err = j.stillThere(t.Context(), []*snapshot{s}, list.read(t.Context(), s, nil))
	if code := exitCode(err); code != exitFailed {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// Whatever byte of a pack is damaged: the check tells, and an export is right or fails
// with a corruption.
func TestEveryDamageIsTold(t *testing.T) {
	sound := new(storetest.Memory)
	writeGolden(t, sound)
	export := func(store snapshots.Store) (string, error) {
		s, err := (&jobStore{"memory", store}).snapshot(t.Context(), snapshotName{goldenJob, 3}, nil)
		must(t, err)
		var out strings.Builder
		err = s.export(t.Context(), &out, nil, encodeAuto)
		return out.String(), err
	}
	want, err := export(sound)
	must(t, err)
	for _, name := range sound.Names(snapshots.JobFolder(goldenJob) + "/packs/") {
		for at := range sound.Bytes(name) {
			store := sound.Clone()
			damaged := bytes.Clone(sound.Bytes(name))
			damaged[at] ^= 1
			store.Damage(name, damaged)
			c, err := (&jobStore{"memory", store}).check(t.Context(), goldenJob, nil, false)
			if err != nil || len(c.Problems) != 1 || c.Problems[0].Object != name || len(c.Problems[0].Checkpoints) == 0 {
				t.Fatalf("byte %d of %s: check says %+v, %v", at, name, c, err)
			}
			if got, err := export(store); err == nil && got != want || err != nil && !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("byte %d of %s: export says %s, %v", at, name, got, err)
			}
		}
	}
}

// Garbage is collected while a job goes on, and what it retains is left alone.
func TestCollectWhileTheJobRuns(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	must(t, err)
	j := &jobStore{"folder", store}
	k := newTaker(t, store)
	k.put(countsTable, "us", "", "0")
	k.take(1, 1)
	done, collected := make(chan struct{}), make(chan error, 1)
	var deleted atomic.Int64
	go func() {
		for {
			var g garbage
			if err := g.collect(context.Background(), j, goldenJob); err != nil {
				collected <- err
				return
			}
			deleted.Add(int64(len(g.Objects)))
			select {
			case <-done:
				collected <- nil
				return
			default:
			}
		}
	}()
	for n := uint64(2); n <= 40; n++ {
		k.put(countsTable, fmt.Sprint(n%5), "", fmt.Sprint(n))
		// An attempt that failed leaves something behind.
		_, err := k.folder.WritePack(t.Context(), snapshots.PackID{Checkpoint: n - 1, Attempt: id.Attempt{Term: 7}, Task: 5}, func(w *snapshots.PackWriter) error {
			_, err := w.Section("x", func(w io.Writer) error { _, err := io.WriteString(w, "lost"); return err })
			return err
		})
		must(t, err)
		k.take(n, n-1, n)
		state, err := k.log.Read(t.Context())
		must(t, err)
		for _, c := range state.Checkpoints {
			must(t, k.folder.Check(t.Context(), &c.Manifest, snapshots.Full))
		}
	}
	close(done)
	must(t, <-collected)
	var g garbage
	must(t, g.collect(t.Context(), j, goldenJob))
	if n := deleted.Load() + int64(len(g.Objects)); n < 39 {
		t.Errorf("%d objects were collected, want those of 39 failed attempts at least", n)
	}
}

// What differs is found whoever knows the operator, and at any parallelism.
func TestDiff(t *testing.T) {
	store := new(storetest.Memory)
	writeGolden(t, store)
	j := &jobStore{"memory", store}
	read := func(n uint64) *snapshot {
		s, err := j.snapshot(t.Context(), snapshotName{goldenJob, n}, nil)
		must(t, err)
		copied := *s.manifest
		copied.Operators = append([]snapshots.Operator{}, s.manifest.Operators...)
		s.manifest = &copied
		return s
	}
	compare := func(a, b *snapshot) (string, error) {
		d := diff{limit: 3, tables: map[[2]string]*tableDiff{}}
		err := d.read(t.Context(), a, b, nil)
		var text []string
		for _, table := range d.Tables {
			text = append(text, fmt.Sprintf("%s +%d ~%d -%d", table.Table, table.Added, table.Changed, table.Removed))
		}
		if len(d.Entries) != min(3, int(d.differ)) {
			t.Errorf("%d entries are listed of %d", len(d.Entries), d.differ)
		}
		return strings.Join(text, ", "), err
	}
	a, b := read(2), read(3)
	nothing := read(3)
	nothing.manifest.Operators = nothing.manifest.Operators[:2]
	// The same entries as if two former subtasks were one.
	rescaled := read(3)
	stats := rescaled.manifest.Operators[2]
	stats.Parallelism = 1
	one := stats.Subtasks[0]
	one.Runs = append(append([]snapshots.Run{}, one.Runs...), stats.Subtasks[1].Runs...)
	one.Groups = snapshots.Range{End: goldenGroups}
	stats.Subtasks = []snapshots.Subtask{one}
	rescaled.manifest.Operators[2] = stats
	for _, c := range []struct {
		name string
		a, b *snapshot
		want string
	}{
		{"forward", a, b, "counts +1 ~1 -0, seen +0 ~0 -1, totals +0 ~1 -0"},
		{"backward", b, a, "counts +0 ~1 -1, seen +1 ~0 -0, totals +0 ~1 -0"},
		{"with itself", b, read(3), ""},
		{"a new operator", nothing, b, "$timers +2 ~0 -0, counts +5 ~0 -0, offsets +2 ~0 -0, places +2 ~0 -0, rules +1 ~0 -0, seen +4 ~0 -0, totals +2 ~0 -0"},
		{"an operator that is gone", b, nothing, "$timers +0 ~0 -2, counts +0 ~0 -5, offsets +0 ~0 -2, places +0 ~0 -2, rules +0 ~0 -1, seen +0 ~0 -4, totals +0 ~0 -2"},
		{"rescaled, one part of operator tables lost", b, rescaled, "offsets +0 ~0 -1, totals +0 ~0 -1"},
	} {
		if got, err := compare(c.a, c.b); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	other := read(3)
	other.manifest.MaxParallelism = 16
	if _, err := compare(a, other); exitCode(err) != exitRefused {
		t.Errorf("other key groups: %v", err)
	}
}

// Keys are given and shown in the same notations.
func TestBytesOnTheCommandLine(t *testing.T) {
	for _, c := range []struct{ text, bytes, shown, json string }{
		{"us", "us", "us", `"us"`},
		{"text:hex:00", "hex:00", "text:hex:00", `"hex:00"`},
		{"hex:00ff", "\x00\xff", "base64:AP8=", `{"base64":"AP8="}`},
		{"base64:gAE=", "\x80\x01", "base64:gAE=", `{"base64":"gAE="}`},
		{"text:", "", `""`, `""`},
		{"a b", "a b", "a b", `"a b"`},
		{"hex:31000000", "1\x00\x00\x00", "base64:MQAAAA==", `{"base64":"MQAAAA=="}`},
		{"hex:09", "\t", `"\t"`, `"\t"`},
		{"größer", "größer", "größer", `"größer"`},
		{"a:b", "a:b", "a:b", `"a:b"`},
	} {
		b, err := parseBytes("KEY", c.text)
		if err != nil || string(b) != c.bytes {
			t.Errorf("%s is %q, %v; want %q", c.text, b, err, c.bytes)
		}
		text, err := json.Marshal(encodeAuto.json(b))
		if got := encodeAuto.cell(b); err != nil || got != c.shown || string(text) != c.json {
			t.Errorf("%q is shown as %s and as %s, %v; want %s and %s", b, got, text, err, c.shown, c.json)
		}
	}
	for _, bad := range []string{"hex:0", "hex:zz", "base64:?"} {
		if _, err := parseBytes("KEY", bad); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
