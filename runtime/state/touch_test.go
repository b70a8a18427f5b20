package state_test

import (
	"bytes"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
)

// What is edited in place is of the next snapshot, not of one that is being written.
func TestEditFound(t *testing.T) {
	m, err := state.NewMemory(state.Options{Tables: benchTable(), End: 1})
	must(t, err)
	defer m.Close()
	places := []state.Place{{Key: []byte("a")}, {Key: []byte("b")}}
	found := make([]state.Found, len(places))
	m.Find(places, found)
	if _, ok, err := m.EditFound(&places[0], &found[0]); ok || err != nil {
		t.Errorf("edits what is not there: %t, %v", ok, err)
	}
	must(t, m.Put(0, 0, []byte("a"), nil, []byte("old")))
	first, err := m.Snapshot(1, true)
	must(t, err)
	value, ok, err := m.EditFound(&places[0], &found[0])
	if !ok || err != nil || string(value) != "old" {
		t.Fatalf("%q, %t, %v", value, ok, err)
	}
	m.Near([][]byte{value, nil})
	copy(value, "new")
	second, err := m.Snapshot(2, true)
	must(t, err)
	for i, want := range []string{"old", "new"} {
		s := []state.Snapshot{first, second}[i]
		var run bytes.Buffer
		_, err := s.Write(&run)
		must(t, err)
		must(t, s.Close())
		r, err := state.NewRunReader(&run)
		must(t, err)
		e, err := r.Next()
		must(t, err)
		if string(e.Value) != want {
			t.Errorf("snapshot %d holds %q, want %q", i+1, e.Value, want)
		}
	}
}
