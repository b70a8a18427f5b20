package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/watermark"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
)

var update = flag.Bool("update", false, "write the golden checkpoint anew: only before it is released")

// golden is a store with one job, three checkpoints of it taken and two retained.
const golden = "testdata/golden-checkpoint"

var (
	goldenJob  = id.Job{Namespace: "default", Name: "quakes"}
	goldenTime = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	// Tables of operator stats.
	goldenKeyed = []state.Table{
		{Name: "counts", Scope: state.ScopeKey}, {Name: "seen", Scope: state.ScopeKey, TTL: time.Hour},
		{Name: "places", Scope: state.ScopeKey}, {Name: state.TimersTable, Scope: state.ScopeKey},
	}
	goldenOwn = []state.Table{
		{Name: "offsets", Scope: state.ScopeSplit}, {Name: "totals", Scope: state.ScopeUnion}, {Name: "rules", Scope: state.ScopeBroadcast},
	}
)

// Indexes in goldenKeyed and goldenOwn.
const (
	countsTable, seenTable, placesTable, timersTable = 0, 1, 2, 3
	offsetsTable, totalsTable, rulesTable            = 0, 1, 2
)

const (
	goldenGroups   = 8
	goldenSubtasks = 2
)

// taker takes the checkpoints of a job as tasks and their coordinator do.
type taker struct {
	t        testing.TB
	log      *snapshots.Log
	folder   snapshots.Folder
	subtasks [goldenSubtasks]struct {
		keyed, own *state.Memory
		timers     *state.Timers
		runs       []snapshots.Run
	}
}

func newTaker(t testing.TB, store snapshots.Store) *taker {
	k := &taker{t: t, log: &snapshots.Log{Store: store, Job: goldenJob, Writer: "golden"}}
	k.folder = snapshots.Folder{Store: store, Path: snapshots.JobFolder(goldenJob)}
	for i := range k.subtasks {
		s := &k.subtasks[i]
		first, end := keygroup.Range(i, goldenSubtasks, goldenGroups)
		var err error
		s.keyed, err = state.NewMemory(state.Options{Tables: goldenKeyed, First: first, End: end})
		must(t, err)
		s.own, err = state.NewOperator(goldenOwn, 0)
		must(t, err)
		s.timers, err = state.NewTimers(s.keyed, timersTable, first, end)
		must(t, err)
		t.Cleanup(func() { must(t, s.keyed.Close()); must(t, s.own.Close()) })
	}
	_, err := k.log.Fence(t.Context(), 7, goldenTime)
	must(t, err)
	k.append(snapshots.Entry{Time: goldenTime, Spec: &snapshots.Spec{Plan: json.RawMessage(`{"job":"quakes","maxParallelism":8}`), Fresh: true}})
	return k
}

func (k *taker) append(e snapshots.Entry) {
	_, err := k.log.Append(k.t.Context(), e, 7)
	must(k.t, err)
}

// at sets the time and the state version of what is written from now on.
func (k *taker) at(now time.Time, version uint32) {
	for i := range k.subtasks {
		for _, b := range []*state.Memory{k.subtasks[i].keyed, k.subtasks[i].own} {
			b.SetTime(now.UnixMilli())
			b.SetVersion(version)
		}
	}
}

// owner finds the key group of a key, and the subtask that has it.
func owner(key string) (subtask, group int) {
	group = keygroup.Of([]byte(key), goldenGroups)
	return keygroup.Subtask(group, goldenSubtasks, goldenGroups), group
}

func (k *taker) put(table int, key, subkey, value string) {
	subtask, group := owner(key)
	must(k.t, k.subtasks[subtask].keyed.Put(group, table, []byte(key), []byte(subkey), []byte(value)))
}

func (k *taker) remove(table int, key, subkey string) {
	subtask, group := owner(key)
	must(k.t, k.subtasks[subtask].keyed.Delete(group, table, []byte(key), []byte(subkey)))
}

func (k *taker) timer(d state.Domain, at time.Time, key, tag string) {
	subtask, group := owner(key)
	must(k.t, k.subtasks[subtask].timers.Set(d, group, at.UnixMilli(), []byte(key), []byte(tag)))
}

func (k *taker) putOwn(subtask, table int, key, value string) {
	must(k.t, k.subtasks[subtask].own.Put(0, table, []byte(key), nil, []byte(value)))
}

// take takes a checkpoint: what each subtask of stats holds, a position of in and a
// transaction of out.
func (k *taker) take(n uint64, retain ...uint64) {
	attempt := id.Attempt{Term: 7, Number: 1}
	stats := snapshots.Operator{Name: "stats", Module: fmt.Sprintf("%064x", 0xabcd), StateVersion: 2, Parallelism: goldenSubtasks}
	for _, t := range append(goldenKeyed, goldenOwn...) {
		stats.Tables = append(stats.Tables, snapshots.Table{Name: t.Name, Scope: string(t.Scope)})
	}
	for i := range k.subtasks {
		pack := snapshots.PackID{Checkpoint: n, Attempt: attempt, Task: 1, Subtask: i}
		_, err := k.folder.WritePack(k.t.Context(), pack, func(w *snapshots.PackWriter) error {
			sub, err := k.write(w, n, i)
			stats.Subtasks = append(stats.Subtasks, sub)
			return err
		})
		must(k.t, err)
	}
	whole := snapshots.Range{End: goldenGroups}
	m := &snapshots.Manifest{
		Checkpoint: n, Attempt: attempt, Created: goldenTime.Add(time.Duration(n) * time.Minute), Duration: 1500 * time.Millisecond, MaxParallelism: goldenGroups,
		Operators: []snapshots.Operator{
			{Name: "in", Parallelism: 1, Subtasks: []snapshots.Subtask{{
				Groups: whole, Splits: json.RawMessage(fmt.Sprintf(`[{"id":"earthquakes.ndjson","position":"%d"}]`, 100*n)),
				Time: goldenWatermark(k.t, n), SyncNanos: 1e5,
			}}},
			{Name: "out", Parallelism: 1, Subtasks: []snapshots.Subtask{{Groups: whole, Transactions: [][]byte{fmt.Appendf(nil, "part-%d", n)}}}},
			stats,
		},
	}
	k.append(snapshots.Entry{Time: m.Created, Checkpoint: m, Retain: &retain})
	for i := range k.subtasks {
		k.subtasks[i].keyed.Confirm(n)
		k.subtasks[i].own.Confirm(n)
	}
}

func (k *taker) write(w *snapshots.PackWriter, n uint64, subtask int) (snapshots.Subtask, error) {
	s := &k.subtasks[subtask]
	first, end := keygroup.Range(subtask, goldenSubtasks, goldenGroups)
	sub := snapshots.Subtask{Index: subtask, Groups: snapshots.Range{First: first, End: end}, AlignNanos: 3e6, SyncNanos: 2e5, AsyncNanos: 25e6}
	section, info, err := writeRun(w, "stats/keyed", s.keyed, n, false)
	if err != nil {
		return sub, err
	}
	run := snapshots.Run{Section: section, Checkpoint: info.Checkpoint, Since: info.Since, Header: info.Header}
	for _, g := range info.Groups {
		run.Groups = append(run.Groups, snapshots.GroupOffset(g))
	}
	if run.Since == 0 {
		s.runs = nil
	}
	s.runs = append(s.runs, run)
	sub.Runs = append(sub.Runs, s.runs...)
	section, _, err = writeRun(w, "stats/own", s.own, n, true)
	sub.Tables = &section
	return sub, err
}

// goldenWatermark is the time of a source that assigns watermarks: a second behind what
// it has seen.
func goldenWatermark(t testing.TB, n uint64) json.RawMessage {
	g := watermark.NewGenerator(1000, 0)
	g.Split("earthquakes.ndjson").Observe(goldenTime.Add(time.Duration(n) * time.Minute).UnixMilli())
	g.Current()
	raw, err := json.Marshal(map[string]any{"watermark": watermark.Beginning, "assigned": g.Encode(nil)})
	must(t, err)
	return raw
}

func writeRun(w *snapshots.PackWriter, name string, b state.Backend, n uint64, full bool) (section snapshots.Section, info state.RunInfo, err error) {
	s, err := b.Snapshot(n, full)
	if err != nil {
		return section, info, err
	}
	defer s.Close()
	section, err = w.Section(name, func(w io.Writer) error {
		info, err = s.Write(w)
		return err
	})
	return section, info, err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeGolden takes the checkpoints of the golden store.
func writeGolden(t testing.TB, store snapshots.Store) {
	k := newTaker(t, store)
	k.at(goldenTime, 1)
	for _, key := range []string{"us", "ci", "ak", "\x00\xff"} {
		k.put(countsTable, key, "", "1")
		k.put(seenTable, key, "", key)
	}
	k.put(placesTable, "us", "alaska", "Anchorage")
	k.put(placesTable, "us", "nevada", "Elko\tand Reno")
	k.timer(state.EventTime, goldenTime.Add(time.Hour), "us", "close")
	for i := range k.subtasks {
		k.putOwn(i, offsetsTable, fmt.Sprintf("file-%d", i), "17")
		k.putOwn(i, totalsTable, "sum", fmt.Sprint(10+i))
		k.putOwn(i, rulesTable, "min", "2.5")
	}
	k.take(1, 1)

	k.at(goldenTime.Add(time.Minute), 2)
	k.put(countsTable, "us", "", "2")
	k.put(countsTable, "nc", "", "\x80\x01")
	k.put(seenTable, "nc", "", "nc")
	k.remove(countsTable, "ak", "")
	k.remove(placesTable, "us", "alaska")
	k.put(placesTable, "us", "oregon", "")
	k.timer(state.ProcessingTime, goldenTime.Add(2*time.Hour), "nc", "")
	k.take(2, 1, 2)

	k.put(countsTable, "ci", "", "3")
	k.put(countsTable, "tx", "", "1")
	k.remove(seenTable, "ak", "")
	k.putOwn(0, totalsTable, "sum", "12")
	k.take(3, 2, 3)
}

// copyGolden gives a store of its own to a test.
func copyGolden(t testing.TB, to string) {
	t.Helper()
	must(t, os.CopyFS(to, os.DirFS(golden)))
}

// The golden checkpoint is restored for ever, by both backends and at any parallelism,
// with all that it holds.
func TestGoldenCheckpoint(t *testing.T) {
	if *update {
		must(t, os.RemoveAll(golden))
		store, err := dir.Open(golden)
		must(t, err)
		writeGolden(t, store)
		must(t, os.Remove(golden+"/.tmp"))
	}
	root := t.TempDir()
	copyGolden(t, root)
	store, err := dir.Open(root)
	must(t, err)
	s, err := (&jobStore{root, store}).snapshot(t.Context(), snapshotName{job: goldenJob}, nil)
	must(t, err)
	must(t, s.folder.Check(t.Context(), s.manifest, snapshots.Full))
	for _, parallelism := range []int{1, 2, 3, 8} {
		for name, open := range map[string]func(state.Options) (state.Backend, error){
			"memory": func(o state.Options) (state.Backend, error) { return state.NewMemory(o) },
			"disk": func(o state.Options) (state.Backend, error) {
				o.Dir = t.TempDir()
				return state.NewDisk(o)
			},
		} {
			t.Run(fmt.Sprintf("%s at parallelism %d", name, parallelism), func(t *testing.T) {
				checkGolden(t, s, open, parallelism)
			})
		}
	}
}
