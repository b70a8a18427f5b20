package state

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// liveBytes is what of the records in each unit of the file is some entry's value.
func (l *valueLog) liveBytes(t *testing.T) map[uint32]int64 {
	live := map[uint32]int64{}
	m := l.names
	for i := range m.parts {
		p := m.parts[i].Load()
		if p == nil {
			continue
		}
		for s := range p.segments {
			for _, word := range m.slots(&p.segments[s]) {
				if word == 0 {
					continue
				}
				place := *placeOf(m.at(word & refMask))
				if place&placeRing != 0 {
					at := l.at(place)
					head := *(*uint32)(unsafe.Add(at, ringWord))
					if int(head&lengthMask) != placeLen(place) {
						t.Fatalf("a value of %d bytes lies where one of %d is", placeLen(place), head&lengthMask)
					}
					if head&recordDirty != 0 {
						continue
					}
					place = *(*uint64)(unsafe.Add(at, ringDisk))
				}
				if place != 0 {
					live[l.unitOf[place&placeMask>>(pageShift-3)]] += int64(onDisk(placeLen(place)))
				}
			}
		}
	}
	return live
}

func (l *valueLog) verify(t *testing.T) {
	t.Helper()
	live, sum, used := l.liveBytes(t), int64(0), int64(0)
	for u := range l.units {
		unit := &l.units[u]
		if unit.live != live[uint32(u)] {
			t.Fatalf("unit %d of %d pages: %d bytes live, %d are counted", u, unit.pages, live[uint32(u)], unit.live)
		}
		sum, used = sum+unit.live, used+int64(unit.pages)<<pageShift
	}
	if sum != l.live || used != l.used {
		t.Fatalf("%d bytes live of %d, %d of %d are counted", sum, used, l.live, l.used)
	}
}

// TestValuesAreCounted writes many times what the ring holds: values of all sizes, so
// that buffers are emptied and units cleaned, with snapshots that hold them back. It does
// so on every kind of system.
func TestValuesAreCounted(t *testing.T) {
	t.Run("as it is", func(t *testing.T) { countValues(t, func(*valueLog, int) {}) })
	t.Run("no asynchronous reads", func(t *testing.T) {
		countValues(t, func(l *valueLog, step int) {
			if step == 0 && l.reader.async != nil {
				if err := l.reader.async.close(); err != nil {
					t.Fatal(err)
				}
				l.reader.async = nil
			}
		})
	})
	t.Run("no reads of the page cache", func(t *testing.T) {
		countValues(t, func(l *valueLog, _ int) { l.file.spare.never() })
	})
	t.Run("no way past the page cache", func(t *testing.T) {
		countValues(t, func(l *valueLog, step int) {
			if f := l.file; step == 0 && f.cached != nil {
				if err := f.direct.Close(); err != nil {
					t.Fatal(err)
				}
				f.direct, f.cached = f.cached, nil
				f.spare.on.Store(false)
			}
		})
	})
	t.Run("a page cache that forgets and is turned on and off", func(t *testing.T) {
		countValues(t, func(l *valueLog, step int) {
			f := l.file
			if f.cached == nil {
				return // there is one way only
			}
			switch step % 2000 {
			case 0:
				f.spare.on.Store(true)
			case 1000:
				f.spare.on.Store(false)
			case 300, 600, 900:
				half := int64(l.pages.end) << (pageShift - 1)
				if err := unix.Fadvise(int(f.cached.Fd()), half, 0, unix.FADV_DONTNEED); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

// countValues checks all that is read; as tells, before each step, how the system is.
func countValues(t *testing.T, as func(l *valueLog, step int)) {
	dir := filepath.Join(t.TempDir(), "state")
	d, err := NewDisk(Options{Tables: []Table{{Name: "t", Scope: ScopeKey}}, End: 2, Dir: dir, Cache: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	const keys = 10_000
	wanted := make([][]byte, keys)
	checkpoint, most := uint64(0), int64(0)
	for i := range 5 * keys {
		as(d.values, i)
		k := i
		if i >= keys {
			k = r.IntN(keys)
		}
		name := fmt.Append(nil, k)
		if i%64 == 0 {
			for range 64 {
				ahead := r.IntN(keys)
				d.want(ahead%2, 0, fmt.Append(nil, ahead), nil)
			}
			if err := d.fetch(); err != nil {
				t.Fatal(err)
			}
		}
		value, _, ok, err := d.Get(k%2, 0, name, nil)
		if err != nil || ok != (wanted[k] != nil) || !bytes.Equal(value, wanted[k]) {
			t.Fatalf("key %d, step %d: %.20q, %t, %v; want %.20q", k, i, value, ok, err, wanted[k])
		}
		switch n := r.IntN(1000); {
		case n < 2:
			wanted[k] = bytes.Repeat(name, 8000) // in a unit of its own
		case n < 10:
			wanted[k] = name
		case n < 20:
			wanted[k] = nil
		default:
			wanted[k] = bytes.Repeat(name, 50+r.IntN(10))
		}
		if wanted[k] == nil {
			err = d.Delete(k%2, 0, name, nil)
		} else {
			err = d.Put(k%2, 0, name, nil, wanted[k])
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%(keys/2) == 0 {
			d.values.verify(t)
			checkpoint++
			s, err := d.Snapshot(checkpoint, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(io.Discard); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			d.Confirm(checkpoint)
		}
		most = max(most, d.values.used)
	}
	if limit := 3 * d.values.live; most > limit {
		t.Errorf("the file had %d bytes of units, %d live: more than %d", most, d.values.live, limit)
	}
	if d.Memory() > 9<<20 {
		t.Errorf("%d bytes of RAM are taken, asked for were %d", d.Memory(), 8<<20)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// TestPageRuns hands pages out and takes them back: no two owners have one in common, and
// in the end there is nothing left over.
func TestPageRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	runs := pageRuns{end: 1}
	var held []pageRun
	owner := map[uint32]bool{}
	for range 20_000 {
		if n := len(held); n > 0 && r.IntN(100) < 48 {
			i := r.IntN(n)
			run := held[i]
			held[i], held = held[n-1], held[:n-1]
			for p := range run.pages {
				delete(owner, run.first+p)
			}
			runs.give(run)
			continue
		}
		run := pageRun{pages: 1 + uint32(r.IntN(20))}
		run.first = runs.take(run.pages)
		for p := range run.pages {
			if owner[run.first+p] {
				t.Fatalf("page %d is handed out twice", run.first+p)
			}
			owner[run.first+p] = true
		}
		held = append(held, run)
	}
	for _, run := range held {
		runs.give(run)
	}
	if len(runs.free) != 0 || runs.end != 1 {
		t.Errorf("%d runs are left, the end is page %d", len(runs.free), runs.end)
	}
}
