package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/watermark"
	"github.com/wasmill/wasmill/snapshots"
)

// goldenHolds is what checkpoint 3 holds an hour and a half minute after the first.
var goldenHolds = map[string]string{
	`counts "us" ""`: "2 v2", `counts "ci" ""`: "3 v2", `counts "nc" ""`: "\x80\x01 v2", `counts "\x00\xff" ""`: "1 v1",
	`counts "tx" ""`: "1 v2",
	// The others have expired.
	`seen "nc" ""`:         "nc v2",
	`places "us" "nevada"`: "Elko\tand Reno v1", `places "us" "oregon"`: " v2",
	`timer 0 13:00:00 "us" "close"`: "", `timer 1 14:00:00 "nc" ""`: "",
	`split 0`: `{"id":"earthquakes.ndjson","position":"300"}`, `transaction 0`: "part-3",
	`watermark`: "12:02:58.999",
}

// checkGolden restores all subtasks at a parallelism and compares what they have.
func checkGolden(t *testing.T, s *snapshot, open func(state.Options) (state.Backend, error), parallelism int) {
	holds := map[string]string{}
	own := map[string]int{}
	for subtask := range parallelism {
		share, err := s.manifest.Assign("stats", parallelism, subtask)
		must(t, err)
		restoreKeyed(t, s, open, share, holds)
		restoreOwn(t, s, share, subtask, parallelism, own)
	}
	in, err := s.manifest.Assign("in", 1, 0)
	must(t, err)
	for i, split := range in.Splits {
		holds[fmt.Sprintf("split %d", i)] = string(split)
	}
	holds["watermark"] = restoreTime(t, in)
	out, err := s.manifest.Assign("out", 1, 0)
	must(t, err)
	for i, transaction := range out.Transactions {
		holds[fmt.Sprintf("transaction %d", i)] = string(transaction)
	}
	for _, name := range slices.Sorted(maps.Keys(goldenHolds)) {
		if got, ok := holds[name]; !ok || got != goldenHolds[name] {
			t.Errorf("%s: %q, %t; want %q", name, got, ok, goldenHolds[name])
		}
		delete(holds, name)
	}
	if len(holds) > 0 {
		t.Errorf("it holds also %q", holds)
	}
	want := map[string]int{
		"offsets file-0=17": 1, "offsets file-1=17": 1, "rules min=2.5": parallelism,
		"totals sum=12": parallelism, "totals sum=11": parallelism,
	}
	if !maps.Equal(own, want) {
		t.Errorf("operator tables: %v, want %v", own, want)
	}
}

func restoreKeyed(t *testing.T, s *snapshot, open func(state.Options) (state.Backend, error), share *snapshots.Share, holds map[string]string) {
	t.Helper()
	b, err := open(state.Options{Tables: goldenKeyed, First: share.Groups.First, End: share.Groups.End})
	must(t, err)
	defer func() { must(t, b.Close()) }()
	b.SetTime(goldenTime.Add(time.Hour + 30*time.Second).UnixMilli())
	from, err := s.fold(t.Context(), "state", share)
	must(t, err)
	defer from.Close()
	must(t, b.Restore(from, s.manifest.Checkpoint))
	for group := share.Groups.First; group < share.Groups.End; group++ {
		for table, declared := range goldenKeyed[:timersTable] {
			var keys []string
			must(t, b.ScanKeys(group, table, nil, func(key []byte) bool { keys = append(keys, string(key)); return true }))
			for _, key := range keys {
				must(t, b.Scan(group, table, []byte(key), nil, nil, func(subkey, value []byte, version uint32) bool {
					holds[fmt.Sprintf("%s %q %q", declared.Name, key, subkey)] = fmt.Sprintf("%s v%d", value, version)
					return true
				}))
			}
		}
	}
	restoreTimers(t, b, share, holds)
}

func restoreTimers(t *testing.T, b state.Backend, share *snapshots.Share, holds map[string]string) {
	t.Helper()
	set, err := state.NewTimers(b, timersTable, share.Groups.First, share.Groups.End)
	must(t, err)
	for _, d := range []state.Domain{state.EventTime, state.ProcessingTime} {
		due := record.NewBuilder(nil)
		_, err := set.Due(d, goldenTime.Add(24*time.Hour).UnixMilli(), 100, &due)
		must(t, err)
		for c := record.NewCursor(due.Bytes()); c.Next(); {
			at := time.UnixMilli(c.Timestamp).UTC().Format(time.TimeOnly)
			holds[fmt.Sprintf("timer %d %s %q %q", d, at, c.Key, c.Value)] = ""
		}
	}
}

// restoreTime is the watermark of a source that goes on.
func restoreTime(t *testing.T, share *snapshots.Share) string {
	t.Helper()
	var written struct {
		Assigned []byte `json:"assigned"`
	}
	must(t, json.Unmarshal(share.Time[0], &written))
	g := watermark.NewGenerator(1000, 0)
	must(t, g.Restore(written.Assigned, func(split string) bool { return split == "earthquakes.ndjson" }))
	current, _ := g.Current()
	return time.UnixMilli(current).UTC().Format("15:04:05.000")
}

// restoreOwn counts the entries of operator tables, whatever subkeys tell them apart.
func restoreOwn(t *testing.T, s *snapshot, share *snapshots.Share, subtask, parallelism int, own map[string]int) {
	t.Helper()
	var before []state.Source
	for _, part := range share.Tables {
		r := s.folder.OpenSection(t.Context(), part.Section)
		defer r.Close()
		run, err := state.NewRunReader(r)
		must(t, err)
		before = append(before, run)
	}
	from, err := state.Spread(before, goldenOwn, subtask, parallelism)
	must(t, err)
	b, err := state.NewOperator(goldenOwn, 0)
	must(t, err)
	defer func() { must(t, b.Close()) }()
	must(t, b.Restore(from, 0))
	for table, declared := range goldenOwn {
		for _, key := range []string{"file-0", "file-1", "sum", "min"} {
			must(t, b.Scan(0, table, []byte(key), nil, nil, func(_, value []byte, _ uint32) bool {
				own[fmt.Sprintf("%s %s=%s", declared.Name, key, value)]++
				return true
			}))
		}
	}
}
