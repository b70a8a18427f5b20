package dir_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func open(t *testing.T, location string) *dir.Store {
	t.Helper()
	s, err := dir.Open(location)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) snapshots.Store { return open(t, t.TempDir()) })
}

func TestOpen(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for _, c := range []struct {
		location string
		want     string // folder below root, or what the error says
		ok       bool
	}{
		{root + "/a", "a", true},
		{"b/c", "b/c", true},
		{"file://" + root + "/d%20e", "d e", true},
		{"file://localhost" + root + "/f", "f", true},
		{"", "no path", false},
		{"file://folder/x", "three slashes", false},
		{"file://" + root + "/g?x=1", "nothing but a path", false},
		{"s3://bucket", "not file", false},
		{"file://%zz", "invalid", false},
	} {
		s, err := dir.Open(c.location)
		if !c.ok {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.location, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.location, err)
			continue
		}
		if err := s.PutIfAbsent(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(root, c.want, "x")); err != nil {
			t.Errorf("%q: %v", c.location, err)
		}
	}
}

// A copy shares its bytes with the original: a savepoint costs no space.
func TestCopyIsALink(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	if err := s.PutIfAbsent(t.Context(), "a", []byte("state")); err != nil {
		t.Fatal(err)
	}
	if err := s.Copy(t.Context(), "a", "b/c"); err != nil {
		t.Fatal(err)
	}
	a, errA := os.Stat(filepath.Join(root, "a"))
	b, errB := os.Stat(filepath.Join(root, "b/c"))
	if errors.Join(errA, errB) != nil || !os.SameFile(a, b) {
		t.Errorf("%v %v: not one file", errA, errB)
	}
}

// While an object is being written nothing is seen of it; what a dead writer left is
// no object, and is swept after a day.
func TestTornWritesAreInvisible(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	r, w := io.Pipe()
	done := make(chan error)
	go func() { done <- s.Put(t.Context(), "a", r, -1) }()
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	for o, err := range s.List(t.Context(), "") {
		t.Errorf("there is %v, %v", o, err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(root, ".tmp", "put-old")
	fresh := filepath.Join(root, ".tmp", "put-fresh")
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(root, ".tmp"))
	if err != nil || len(left) != 1 || left[0].Name() != "put-fresh" {
		t.Errorf("%v, %v", left, err)
	}
}

// No operation leaves files behind that are not objects.
func TestNothingIsLeftBehind(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	for range 2 {
		_ = s.Put(t.Context(), "a", bytes.NewReader([]byte("1")), 1)
		_ = s.Put(t.Context(), "a", bytes.NewReader([]byte("1")), 2)
		_ = s.PutIfAbsent(t.Context(), "b", nil)
		_ = s.Copy(t.Context(), "a", "c")
		_ = s.Copy(t.Context(), "a", "a")
		_ = s.Copy(t.Context(), "missing", "d")
	}
	left, err := os.ReadDir(filepath.Join(root, ".tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
