package state_test

import (
	"bytes"
	"testing"

	"github.com/wasmill/wasmill/runtime/state"
)

// What the owner is changing while a snapshot reads it is as it was: large values, all of
// one byte, rewritten without pause.
func TestSnapshotsAreNeverTorn(t *testing.T) {
	m := openMemory(t, state.Options{Tables: benchTable(), End: 1})
	defer func() { must(t, m.Close()) }()
	const keys = 8
	value := func(round uint64) []byte { return bytes.Repeat([]byte{byte(round)}, 256<<10) }
	round := uint64(0)
	write := func() {
		round++
		for key := range byte(keys) {
			must(t, m.Put(0, 0, []byte{key}, nil, value(round)))
		}
	}
	write()
	for checkpoint := range uint64(histories(40)) {
		s, err := m.Snapshot(checkpoint+1, true)
		must(t, err)
		want := byte(round)
		var run bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := s.Write(&run)
			if err == nil {
				err = s.Close()
			}
			done <- err
		}()
		write()
		must(t, <-done)
		r, err := state.NewRunReader(&run)
		must(t, err)
		for range keys {
			e, err := r.Next()
			must(t, err)
			for _, b := range e.Value {
				if b != want {
					t.Fatalf("checkpoint %d: key %d holds %d where all are %d", checkpoint+1, e.Key, b, want)
				}
			}
		}
	}
}

// A snapshot that nobody wants any more is closed while the owner writes.
func TestSnapshotsAreClosedAtAnyTime(t *testing.T) {
	m := openMemory(t, state.Options{Tables: benchTable(), End: 1})
	defer func() { must(t, m.Close()) }()
	const keys = 64
	write := func(round int) {
		for key := range byte(keys) {
			must(t, m.Put(0, 0, []byte{key}, nil, []byte{byte(round), byte(round >> 8)}))
		}
	}
	write(0)
	for round := range histories(20000) {
		s, err := m.Snapshot(uint64(round)+1, true)
		must(t, err)
		done := make(chan error)
		go func() { done <- s.Close() }()
		write(round)
		must(t, <-done)
	}
}
