package state

import (
	"bytes"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Either way through which pages were written, each way reads what was written last.
func TestValuesFileIsOne(t *testing.T) {
	f, err := openValuesFile(filepath.Join(t.TempDir(), "values"))
	if err != nil {
		t.Fatal(err)
	}
	two := f.cached != nil // ways: not every file system has one past the page cache
	out, err := mapMemory(4 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	in, err := mapMemory(len(out))
	if err != nil {
		t.Fatal(err)
	}
	for round := range byte(8) {
		copy(out, bytes.Repeat([]byte{round + 1}, len(out)))
		at, cached := int64(round%3)*pageSize, two && round%2 == 0
		if err := f.write(out, at, cached); err != nil {
			t.Fatal(err)
		}
		if two && round >= 4 {
			if err := unix.Fadvise(int(f.cached.Fd()), 0, 2*pageSize, unix.FADV_DONTNEED); err != nil {
				t.Fatal(err)
			}
		}
		for _, way := range []bool{two, false} {
			clear(in)
			if err := f.readUnit(in, at, way); err != nil || !bytes.Equal(in, out) {
				t.Fatalf("round %d, written and read through the cache: %t, %t: %v, it begins with %d", round, cached, way, err, in[0])
			}
		}
		if !two {
			continue
		}
		ok, err := f.readCached(in, at)
		if err != nil || ok && !bytes.Equal(in, out) {
			t.Fatalf("round %d: %t, %v: the page cache has something else", round, ok, err)
		}
	}
	for _, err := range []error{unix.Munmap(in), unix.Munmap(out), f.close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

// What was written through the page cache is read from there, where the kernel can tell.
// Memory may be short just now, but not every time.
func TestValuesFileIsCached(t *testing.T) {
	f, err := openValuesFile(filepath.Join(t.TempDir(), "values"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := mapMemory(16 * pageSize)
	if err != nil {
		t.Fatal(err)
	}
	hit := false
	for range 1000 {
		if hit || !f.spare.on.Load() {
			break
		}
		if err := f.write(b, pageSize, true); err != nil {
			t.Fatal(err)
		}
		if hit, err = f.readCached(b[:216], 2*pageSize+8); err != nil {
			t.Fatal(err)
		}
	}
	if !hit && f.spare.on.Load() {
		t.Error("nothing is found in the page cache")
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if err := unix.Munmap(b); err != nil {
		t.Error(err)
	}
}

// The cache is left alone when little is found there, the longer the longer it was tried.
func TestSpareMemory(t *testing.T) {
	var s spareMemory
	s.on.Store(true)
	units := func(n int, want bool) {
		t.Helper()
		for i := range n {
			if s.write() != want {
				t.Fatalf("unit %d of %d goes through the cache: %t", i, n, !want)
			}
		}
	}
	units(100, true)
	s.read(spareTries-1, 0)
	units(1, true) // not judged yet
	s.read(1, 0)
	if !s.left.Swap(false) {
		t.Error("what the cache holds is not given back")
	}
	units(spareRest*101, false)
	units(1, true)
	s.read(spareTries, spareTries/spareShare)
	units(1, true) // what it finds is worth it
	if s.left.Load() {
		t.Error("the cache is given back although it is of use")
	}
	s.read(spareTries, spareTries/spareShare-1)
	units(leastRest, false)
	units(mostRest, true)
	s.read(spareTries, 0)
	units(mostRest, false)
	units(1, true)
	s.never()
	units(2*mostRest, false)
}
