package statetest

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
)

// take takes a snapshot and writes it at once.
func take(t testing.TB, b state.Backend, checkpoint uint64, full bool) (state.RunInfo, []byte) {
	t.Helper()
	s, err := b.Snapshot(checkpoint, full)
	must(t, err)
	var run bytes.Buffer
	info, err := s.Write(&run)
	must(t, err)
	must(t, s.Close())
	return info, run.Bytes()
}

// restore opens a backend with what runs hold, oldest first.
func restore(t testing.TB, open Open, options state.Options, now int64, base uint64, runs ...[]byte) state.Backend {
	t.Helper()
	b := openWith(t, open, options)
	b.SetTime(now)
	var readers []*state.RunReader
	for _, run := range runs {
		r, err := state.NewRunReader(bytes.NewReader(run))
		must(t, err)
		readers = append(readers, r)
	}
	merged, err := state.Merge(readers, options.First, options.End)
	must(t, err)
	must(t, b.Restore(merged, base))
	return b
}

func deltas(t *testing.T, open Open) {
	options := state.Options{Tables: keyed("a", "b"), End: 4}
	b := openWith(t, open, options)
	key := func(i int) []byte { return fmt.Appendf(nil, "key-%d", i) }
	for i := range 1000 {
		must(t, b.Put(i%4, 0, key(i), nil, make([]byte, 100)))
	}
	info, base := take(t, b, 1, false)
	if info.Since != 0 || info.Entries != 1000 || len(info.Groups) != 4 || info.Bytes != int64(len(base)) {
		t.Fatalf("the first snapshot: %+v; want everything", info)
	}
	b.Confirm(1)
	for i := range 10 {
		must(t, b.Put(0, 0, key(4*i), nil, []byte("new")))
		must(t, b.Delete(1, 0, key(4*i+1), nil))
		must(t, b.Put(2, 1, key(i), nil, []byte("short-lived")))
		must(t, b.Delete(2, 1, key(i), nil))
	}
	info, lost := take(t, b, 2, false)
	if info.Since != 1 || info.Entries != 20 || info.Deleted != 10 || len(info.Groups) != 2 || len(lost) > len(base)/20 {
		t.Errorf("a delta: %+v, %d bytes; want ten entries and ten that are gone", info, len(lost))
	}
	// Checkpoint 2 is never confirmed: what changed before it is in the next one.
	must(t, b.Put(3, 0, key(3), nil, []byte("new")))
	info, delta := take(t, b, 3, false)
	if info.Since != 1 || info.Entries != 21 || info.Deleted != 10 {
		t.Errorf("the delta after an aborted checkpoint: %+v; want its changes, too", info)
	}
	b.Confirm(3)
	info, empty := take(t, b, 4, false)
	if info.Since != 3 || info.Entries != 0 {
		t.Errorf("a delta without changes: %+v", info)
	}
	if info, _ := take(t, b, 5, true); info.Since != 0 || info.Entries != 990 {
		t.Errorf("a full snapshot when asked for: %+v", info)
	}
	r := restore(t, open, options, 0, 3, base, delta, empty)
	want(t, r, 0, 0, "key-4", "", []byte("new"))
	want(t, r, 1, 0, "key-1", "", nil)
	want(t, r, 1, 0, "key-401", "", make([]byte, 100))
	want(t, r, 3, 0, "key-3", "", []byte("new"))
	must(t, r.Delete(3, 0, key(3), nil))
	if info, _ := take(t, r, 6, false); info.Since != 3 || info.Entries != 1 || info.Deleted != 1 {
		t.Errorf("the first snapshot on a restored base: %+v", info)
	}
	if _, err := r.Snapshot(6, false); err == nil {
		t.Error("checkpoint 6 twice: no error")
	}
	r = restore(t, open, state.Options{Tables: keyed("b", "a"), First: 1, End: 2}, 0, 0, base, delta)
	want(t, r, 1, 1, "key-401", "", make([]byte, 100))
	if info, _ := take(t, r, 6, false); info.Since != 0 || info.Entries != 240 {
		t.Errorf("the first snapshot after a restore without a base: %+v", info)
	}
	for name, err := range map[string]error{
		"into what is not empty": r.Restore(noEntries{}, 0),
		"of an unknown table":    restoreErr(t, open, state.Options{Tables: keyed("b"), End: 4}, base),
	} {
		if err == nil {
			t.Errorf("restore %s: no error", name)
		}
	}
}

type noEntries struct{}

func (noEntries) Next() (state.Entry, error) { return state.Entry{}, io.EOF }

func restoreErr(t *testing.T, open Open, options state.Options, run []byte) error {
	b := openWith(t, open, options)
	reader, err := state.NewRunReader(bytes.NewReader(run))
	must(t, err)
	merged, err := state.Merge([]*state.RunReader{reader}, options.First, options.End)
	must(t, err)
	return b.Restore(merged, 0)
}

func versions(t *testing.T, open Open) {
	options := state.Options{Tables: keyed("a"), End: 1}
	b := openWith(t, open, options)
	b.SetVersion(7)
	must(t, b.Put(0, 0, []byte("old"), nil, []byte("o")))
	must(t, b.Put(0, 0, []byte("both"), nil, []byte("o")))
	_, run := take(t, b, 1, true)
	b = restore(t, open, options, 0, 1, run)
	b.SetVersion(1 << 31)
	must(t, b.Put(0, 0, []byte("both"), nil, []byte("n")))
	for key, want := range map[string]uint32{"old": 7, "both": 1 << 31} {
		if _, version, ok, err := b.Get(0, 0, []byte(key), nil); err != nil || !ok || version != want {
			t.Errorf("%s: version %d, %t, %v; want %d", key, version, ok, err, want)
		}
	}
}
