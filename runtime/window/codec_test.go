package window

import (
	"bytes"
	"errors"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// Whatever stands where the sessions of a key should be is read as what it is, or is a
// corruption.
func FuzzSessions(f *testing.F) {
	var p pool
	p.sessions = []session{{start: -5, end: 7, armed: 7, fired: true, pieces: 0, records: -1, next: 1}, {start: 9, end: 12, armed: 12, dirty: true, pieces: 1, records: -1, next: -1}}
	p.piece([]byte("acc"))
	p.piece(nil)
	f.Add(p.encode(nil, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p pool
		switch head, err := p.decode(b); {
		case err == nil:
			if got := p.encode(nil, head); !bytes.Equal(got, b) {
				t.Errorf("%x became %x", b, got)
			}
		case !errors.Is(err, fault.ErrCorrupt):
			t.Errorf("not a corruption: %v", err)
		}
	})
}

// A ring takes any pane and keeps the others, or is a corruption.
func FuzzRing(f *testing.F) {
	a := newAssigner(&graph.Window{Kind: graph.Sliding, Size: 10e6, Every: 5e6})
	w := &panes{assigner: a}
	ring, err := w.ringPut(nil, nil, 3, []byte("three"), -9)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(ring), int64(4), []byte("four"))
	f.Add([]byte{}, int64(-1), []byte{})
	f.Fuzz(func(t *testing.T, ring []byte, pane int64, acc []byte) {
		w := &panes{assigner: a}
		out, err := w.ringPut(nil, ring, pane, acc, -1<<63)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("not a corruption: %v", err)
			}
			return
		}
		r, err := readRing(out)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := r.find(pane); err != nil || !ok || !bytes.Equal(got, acc) {
			t.Errorf("found %q, %v, %v; want %q", got, ok, err, acc)
		}
	})
}

// Replies that are not one accumulator for each group are the guest's fault.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 'x', 0, 0, 0, 0}, 2)
	f.Add([]byte{255, 255, 255, 255}, 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		r := replies{b, "accumulate"}
		var err error
		for i := 0; i < n%100 && err == nil; i++ {
			_, err = r.next()
		}
		if err == nil {
			err = r.end()
		}
		if err != nil && !errors.Is(err, fault.ErrGuest) {
			t.Errorf("not a guest fault: %v", err)
		}
	})
}

// Room keeps a ring at its size while panes come and go, and most of them are set where
// they are.
func TestRingsKeepTheirSize(t *testing.T) {
	p := &panes{assigner: newAssigner(&graph.Window{Kind: graph.Sliding, Size: 10e6, Every: 1e6})}
	var ring []byte
	sizes := map[int]bool{}
	written := 0
	for pane := int64(0); pane < 200; pane++ {
		for range 2 {
			done, err := p.ringChange(ring, pane, make([]byte, 8), pane-10)
			if err != nil {
				t.Fatal(err)
			}
			if done {
				continue
			}
			if ring, err = p.ringPut(nil, ring, pane, make([]byte, 8), pane-10); err != nil {
				t.Fatal(err)
			}
			written++
		}
		if pane > 20 {
			sizes[len(ring)] = true
		}
	}
	if len(sizes) != 1 || len(ring) > 500 || written > 20 {
		t.Errorf("sizes %v, written anew %d times", sizes, written)
	}
}
