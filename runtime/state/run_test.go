package state_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

var update = flag.Bool("update", false, "write testdata/runs.txt anew")

const goldenFile = "testdata/runs.txt"

// goldenRuns are a base and a delta on it, as backend writes them.
func goldenRuns(t testing.TB, open func(testing.TB, state.Options) state.Backend) (runs [2][]byte, infos [2]state.RunInfo) {
	t.Helper()
	b := open(t, state.Options{First: 7, End: 9, Tables: []state.Table{
		{Name: "words", Scope: state.ScopeKey},
		{Name: "$timers", Scope: state.ScopeKey},
		{Name: "seen", Scope: state.ScopeKey, TTL: time.Hour},
	}})
	defer func() { must(t, b.Close()) }()
	put := func(group, table int, key, subkey, value string) {
		must(t, b.Put(group, table, []byte(key), []byte(subkey), []byte(value)))
	}
	snapshot := func(i int) {
		s, err := b.Snapshot(uint64(40+i), false)
		must(t, err)
		var run bytes.Buffer
		infos[i], err = s.Write(&run)
		must(t, err)
		must(t, s.Close())
		b.Confirm(uint64(40 + i))
		runs[i] = run.Bytes()
	}
	b.SetTime(1_700_000_000_000)
	b.SetVersion(3)
	put(7, 0, "hadoop", "", "\x01")
	put(7, 0, "flink", "", "\x03")
	put(7, 1, "\x00", "ts1", "")
	put(7, 1, "\x00", "ts2", "")
	put(8, 0, "", "", "")
	put(8, 2, "id", "a", "x")
	snapshot(0)
	b.SetVersion(300)
	put(7, 0, "flink", "", "\x05")
	must(t, b.Delete(7, 1, []byte{0}, []byte("ts1")))
	put(8, 2, "id", "b", "")
	snapshot(1)
	return runs, infos
}

// The bytes of a run never change, and both backends write the same.
func TestGoldenRuns(t *testing.T) {
	runs, _ := goldenRuns(t, openMemory)
	disk, _ := goldenRuns(t, openDisk)
	text := ""
	for i, name := range []string{"base", "delta"} {
		if !bytes.Equal(runs[i], disk[i]) {
			t.Errorf("%s: memory writes\n%x, disk\n%x", name, runs[i], disk[i])
		}
		text += name + " " + hex.EncodeToString(runs[i]) + "\n"
		for _, e := range entriesOf(t, runs[i]) {
			text += "  " + e + "\n"
		}
	}
	text += "folded\n"
	for _, e := range folded(t, runs[:], 0, 100) {
		text += "  " + e + "\n"
	}
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(goldenFile, []byte(text), 0o644))
	}
	want, err := os.ReadFile(goldenFile)
	must(t, err)
	if text != string(want) {
		t.Errorf("runs differ from %s:\n%s", goldenFile, text)
	}
}

func show(e state.Entry) string {
	if e.Deleted {
		return fmt.Sprintf("%d %s %q %q gone", e.Group, e.Table, e.Key, e.Subkey)
	}
	return fmt.Sprintf("%d %s %q %q %q version %d stamp %d", e.Group, e.Table, e.Key, e.Subkey, e.Value, e.Version, e.Stamp)
}

func entriesOf(t testing.TB, run []byte) (list []string) {
	t.Helper()
	r, err := state.NewRunReader(bytes.NewReader(run))
	must(t, err)
	list, err = all(r)
	must(t, err)
	return list
}

func all(s state.Source) (list []string, err error) {
	for {
		e, err := s.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, show(e))
	}
}

func folded(t testing.TB, runs [][]byte, first, end int) []string {
	t.Helper()
	var readers []*state.RunReader
	for _, run := range runs {
		r, err := state.NewRunReader(bytes.NewReader(run))
		must(t, err)
		readers = append(readers, r)
	}
	m, err := state.Merge(readers, first, end)
	must(t, err)
	list, err := all(m)
	must(t, err)
	return list
}

// The header and any of the groups are read without the rest.
func TestPartsOfARun(t *testing.T) {
	runs, infos := goldenRuns(t, openMemory)
	for i, info := range infos {
		for _, g := range info.Groups {
			var want []string
			for _, e := range entriesOf(t, runs[i]) {
				if strings.HasPrefix(e, fmt.Sprint(g.Group, " ")) {
					want = append(want, e)
				}
			}
			part := append(bytes.Clone(runs[i][:info.Header]), runs[i][g.Offset:][:g.Length]...)
			r, err := state.NewPartialReader(bytes.NewReader(part))
			must(t, err)
			got, err := all(r)
			must(t, err)
			if fmt.Sprint(got) != fmt.Sprint(want) || len(got) == 0 {
				t.Errorf("run %d, group %d: %q, want %q", i, g.Group, got, want)
			}
			r, err = state.NewPartialReader(bytes.NewReader(part[:len(part)-1]))
			must(t, err)
			if _, err := all(r); !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("run %d, group %d, cut off: %v, want a corruption", i, g.Group, err)
			}
		}
	}
}

// Every single bit that flips, and every cut, is noticed.
func TestEveryCorruptionIsNoticed(t *testing.T) {
	runs, _ := goldenRuns(t, openMemory)
	read := func(run []byte) error {
		r, err := state.NewRunReader(bytes.NewReader(run))
		if err == nil {
			_, err = all(r)
		}
		return err
	}
	for i, run := range runs {
		must(t, read(run))
		for at := range run {
			for bit := range 8 {
				bad := bytes.Clone(run)
				bad[at] ^= 1 << bit
				if err := read(bad); !errors.Is(err, fault.ErrCorrupt) {
					t.Fatalf("run %d, bit %d of byte %d flipped: %v", i, bit, at, err)
				}
			}
			if err := read(run[:at]); !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("run %d cut at %d: %v", i, at, err)
			}
		}
		if err := read(append(bytes.Clone(run), 0)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("run %d with a byte more: %v", i, err)
		}
	}
}

func FuzzRunReader(f *testing.F) {
	runs, _ := goldenRuns(f, openMemory)
	for _, run := range runs {
		f.Add(run)
	}
	f.Fuzz(func(t *testing.T, run []byte) {
		for _, open := range []func(io.Reader) (*state.RunReader, error){state.NewRunReader, state.NewPartialReader} {
			r, err := open(bytes.NewReader(run))
			if err == nil {
				_, err = all(r)
			}
			if err != nil && !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%v is no corruption", err)
			}
		}
	})
}

// FuzzEntries gets past the checksums: the payload is sealed into a run.
func FuzzEntries(f *testing.F) {
	f.Add([]byte{0, 1, 'k', 0, 3, 1, 'v', 2, 0, 0}, uint8(2))
	f.Add([]byte{1, 1, 'k', 1, 's', 5, 4, 2, 1, 'v'}, uint8(2))
	f.Fuzz(func(t *testing.T, payload []byte, entries uint8) {
		r, err := state.NewRunReader(bytes.NewReader(state.SealedRun(payload, int(entries))))
		must(t, err)
		if _, err := all(r); err != nil && !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("%v is no corruption", err)
		}
	})
}

func TestSpread(t *testing.T) {
	tables := []state.Table{
		{Name: "offsets", Scope: state.ScopeSplit}, {Name: "all", Scope: state.ScopeUnion}, {Name: "rules", Scope: state.ScopeBroadcast},
	}
	// What a subtask of three writes.
	write := func(subtask int) []byte {
		b, err := state.NewOperator(tables, 0)
		must(t, err)
		defer func() { must(t, b.Close()) }()
		for i := range 2 {
			must(t, b.Put(0, 0, fmt.Appendf(nil, "split-%d-%d", subtask, i), nil, []byte("o")))
		}
		must(t, b.Put(0, 1, []byte("count"), nil, []byte{byte('0' + subtask)}))
		must(t, b.Put(0, 2, []byte("rule"), nil, []byte("same")))
		s, err := b.Snapshot(1, true)
		must(t, err)
		var run bytes.Buffer
		_, err = s.Write(&run)
		must(t, err)
		must(t, s.Close())
		return run.Bytes()
	}
	runs := [][]byte{write(0), write(1), write(2)}
	spread := func(subtask, parallelism int) (splits []string, union, rules string) {
		var before []state.Source
		for _, run := range runs {
			r, err := state.NewRunReader(bytes.NewReader(run))
			must(t, err)
			before = append(before, r)
		}
		source, err := state.Spread(before, tables, subtask, parallelism)
		must(t, err)
		b, err := state.NewOperator(tables, 0)
		must(t, err)
		defer func() { must(t, b.Close()) }()
		must(t, b.Restore(source, 0))
		must(t, b.ScanKeys(0, 0, nil, func(key []byte) bool { splits = append(splits, string(key)); return true }))
		must(t, b.Scan(0, 1, []byte("count"), nil, nil, func(subkey, value []byte, _ uint32) bool {
			union += fmt.Sprintf("%q=%s ", subkey, value)
			return true
		}))
		must(t, b.Scan(0, 2, []byte("rule"), nil, nil, func(_, value []byte, _ uint32) bool { rules += string(value); return true }))
		return splits, union, rules
	}
	for _, parallelism := range []int{1, 2, 3, 4, 7} {
		seen := map[string]int{}
		for subtask := range parallelism {
			splits, union, rules := spread(subtask, parallelism)
			for _, s := range splits {
				seen[s]++
				if parallelism == 3 && !strings.HasPrefix(s, fmt.Sprintf("split-%d-", subtask)) {
					t.Errorf("at the same parallelism subtask %d has %s", subtask, s)
				}
			}
			if most := (6 + parallelism - 1) / parallelism; len(splits) > most {
				t.Errorf("subtask %d of %d has %d of 6 splits, more than %d", subtask, parallelism, len(splits), most)
			}
			if want := `""=0 "\x00\x00\x00\x00\x01"=1 "\x00\x00\x00\x00\x02"=2 `; union != want {
				t.Errorf("subtask %d of %d: union %s, want %s", subtask, parallelism, union, want)
			}
			if rules != "same" {
				t.Errorf("subtask %d of %d: broadcast %q", subtask, parallelism, rules)
			}
		}
		if len(seen) != 6 {
			t.Errorf("at parallelism %d these splits are left: %v", parallelism, seen)
		}
		for s, n := range seen {
			if n != 1 {
				t.Errorf("at parallelism %d split %s is there %d times", parallelism, s, n)
			}
		}
	}
}
