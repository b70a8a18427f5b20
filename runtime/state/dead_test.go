package state_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
)

// What is gone is told of in a delta, however much that is; who looks through it rests.
func TestDeletionsInADelta(t *testing.T) {
	const entries, kept, groups = 120, 5, 3
	rests := 0
	m := openMemory(t, state.Options{Tables: []state.Table{{Name: "t", Scope: state.ScopeKey}}, End: groups, Pace: func() state.Pacer {
		return func(done float64) {
			if done == 0 {
				rests++
			}
		}
	}})
	defer m.Close()
	key := func(i int) []byte { return fmt.Appendf(nil, "%05d%s", i, strings.Repeat("k", 30_000)) }
	for i := range entries {
		if err := m.Put(i%groups, 0, key(i), nil, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := delta(t, m, 1); err != nil {
		t.Fatal(err)
	}
	m.Confirm(1)
	gone := map[string]bool{}
	for i := kept; i < entries; i++ {
		if err := m.Delete(i%groups, 0, key(i), nil); err != nil {
			t.Fatal(err)
		}
		gone[string(key(i))] = true
	}
	rests = 0
	info, run, err := delta(t, m, 2)
	if err != nil || info.Since != 1 {
		t.Fatalf("the delta builds on checkpoint %d: %v", info.Since, err)
	}
	if least := 2 * 30_000 * (entries - kept) / (2 * 64 << 10); rests < least {
		t.Errorf("%d rests before anything was written, want %d at least", rests, least)
	}
	reader, err := state.NewRunReader(bytes.NewReader(run))
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !e.Deleted || !gone[string(e.Key)] {
			t.Errorf("%.5q is not gone, or twice: %v", e.Key, e.Deleted)
		}
		delete(gone, string(e.Key))
	}
	if len(gone) > 0 {
		t.Errorf("%d of what is gone are not told of", len(gone))
	}
}

// When more is gone than is worth remembering, the next snapshot stands alone: as a
// delta it would bring back what it has forgotten.
func TestManyDeletionsBetweenTwoCheckpoints(t *testing.T) {
	const entries, left = 1300, 50
	key := func(i int) []byte { return fmt.Appendf(nil, "%s%d", strings.Repeat("k", 60_000), i) }
	m := openMemory(t, state.Options{Tables: []state.Table{{Name: "t", Scope: state.ScopeKey}}, End: 1})
	defer m.Close()
	for i := range entries {
		if err := m.Put(0, 0, key(i), nil, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := func(n uint64) (state.RunInfo, []byte) {
		info, run, err := delta(t, m, n)
		if err != nil {
			t.Fatal(err)
		}
		return info, run
	}
	snapshot(1)
	m.Confirm(1)
	for i := range entries - left {
		if err := m.Delete(0, 0, key(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	info, run := snapshot(2)
	if info.Since != 0 {
		t.Fatalf("it builds on checkpoint %d", info.Since)
	}
	reader, err := state.NewRunReader(bytes.NewReader(run))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for ; err == nil; found++ {
		var e state.Entry
		if e, err = reader.Next(); err == nil && e.Deleted {
			t.Errorf("a full run tells of what is gone: %.5q", e.Key)
		}
	}
	if err != io.EOF || found-1 != left {
		t.Errorf("%d entries, %v; want %d", found-1, err, left)
	}
	m.Confirm(2)
	if info, _ := snapshot(3); info.Since != 2 {
		t.Errorf("the next one builds on checkpoint %d, want 2", info.Since)
	}
}

// delta writes a snapshot that need not stand alone.
func delta(t *testing.T, m state.Backend, checkpoint uint64) (state.RunInfo, []byte, error) {
	t.Helper()
	s, err := m.Snapshot(checkpoint, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var run bytes.Buffer
	info, err := s.Write(&run)
	return info, run.Bytes(), err
}
