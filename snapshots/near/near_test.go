package near_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/near"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestSuite(t *testing.T) {
	var mu sync.Mutex
	farOf := map[*testing.T]string{}
	storetest.Run(t, func(t *testing.T) snapshots.Store {
		mu.Lock()
		defer mu.Unlock()
		if farOf[t] == "" {
			farOf[t] = t.TempDir()
		}
		far, err := dir.Open(farOf[t])
		if err != nil {
			t.Fatal(err)
		}
		s, err := near.New(far, t.TempDir(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// asked counts what the far store is asked for.
type asked struct {
	snapshots.Store
	gets []string
	err  error // of Put
}

func (a *asked) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	a.gets = append(a.gets, name)
	return a.Store.Get(ctx, name, offset, length)
}

func (a *asked) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	if a.err != nil {
		_, _ = io.Copy(io.Discard, data)
		return a.err
	}
	return a.Store.Put(ctx, name, data, size)
}

func open(t *testing.T, limit int64) (s *near.Store, far *asked, folder string) {
	t.Helper()
	d, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	far, folder = &asked{Store: d}, filepath.Join(t.TempDir(), "packs")
	if s, err = near.New(far, folder, limit); err != nil {
		t.Fatal(err)
	}
	return s, far, folder
}

func put(t *testing.T, s snapshots.Store, name, value string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(value), -1); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s snapshots.Store, name string, offset, length int64) string {
	t.Helper()
	r, err := s.Get(t.Context(), name, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnesOwnPacksAreNotFetched(t *testing.T) {
	s, far, _ := open(t, 100)
	put(t, s, "j/packs/1.pack", "0123456789")
	put(t, s, "j/log/1.json", "{}")
	if got := get(t, s, "j/packs/1.pack", 2, 3) + get(t, s, "j/packs/1.pack", 5, -1); got != "23456789" {
		t.Errorf("read %q", got)
	}
	if len(far.gets) > 0 {
		t.Errorf("the far store was asked for %q", far.gets)
	}
	if get(t, s, "j/log/1.json", 0, -1); len(far.gets) != 1 {
		t.Errorf("the far store was asked for %q, want the log", far.gets)
	}
}

func TestCopiesAreBounded(t *testing.T) {
	s, far, folder := open(t, 30)
	for i := range 6 {
		put(t, s, fmt.Sprintf("j/packs/%d.pack", i), strings.Repeat(fmt.Sprint(i), 10))
	}
	put(t, s, "j/packs/large.pack", strings.Repeat("x", 31))
	for i := range 6 {
		if got, want := get(t, s, fmt.Sprintf("j/packs/%d.pack", i), 0, -1), strings.Repeat(fmt.Sprint(i), 10); got != want {
			t.Errorf("pack %d is %q", i, got)
		}
	}
	if want := []string{"j/packs/0.pack", "j/packs/1.pack", "j/packs/2.pack"}; fmt.Sprint(far.gets) != fmt.Sprint(want) {
		t.Errorf("the far store was asked for %q, want %q", far.gets, want)
	}
	if err := s.Delete(t.Context(), "j/packs/5.pack"); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 2 {
		t.Errorf("%d files are left, %v; want 2", len(files), err)
	}
	if _, err := s.Get(t.Context(), "j/packs/5.pack", 0, -1); !errors.Is(err, snapshots.ErrNotFound) {
		t.Errorf("a deleted pack: %v", err)
	}
}

func TestWhatIsNotFarIsNotNear(t *testing.T) {
	s, far, folder := open(t, 1000)
	far.err = errors.New("refused")
	if err := s.Put(t.Context(), "j/packs/1.pack", bytes.NewReader(make([]byte, 100)), -1); !errors.Is(err, far.err) {
		t.Errorf("put: %v", err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

func TestACopyThatIsGoneIsFetched(t *testing.T) {
	s, far, folder := open(t, 1000)
	put(t, s, "j/packs/1.pack", "abc")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "j/packs/1.pack", 0, -1); got != "abc" || len(far.gets) != 1 {
		t.Errorf("read %q, the far store was asked for %q", got, far.gets)
	}
}
