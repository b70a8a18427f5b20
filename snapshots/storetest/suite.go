package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wasmill/wasmill/snapshots"
)

// Run tests that a store keeps the contract of snapshots.Store. Open opens a store over
// the same objects each time within one test, and over none at first in each.
func Run(t *testing.T, open func(t *testing.T) snapshots.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, snapshots.Store)
	}{
		{"what is put is there, whole and in parts", testGet},
		{"put replaces", testReplace},
		{"put takes as much as was announced", testSize},
		{"an error of the data leaves nothing", testDataError},
		{"what is not there", testMissing},
		{"create if absent, once", testPutIfAbsent},
		{"create if absent, many at once: one wins", testRace},
		{"list sorts by whole names", testList},
		{"list stops when told to", testListStops},
		{"copy outlives its source", testCopy},
		{"large objects stream", testLarge},
		{"many at once", testConcurrent},
		{"a job", testJob},
		{"names that are none", testNames},
		{"an ended context", testContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s snapshots.Store, name, data string) {
	t.Helper()
	if err := s.Put(t.Context(), name, bytes.NewReader([]byte(data)), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s snapshots.Store, name string, offset, length int64) string {
	t.Helper()
	r, err := s.Get(t.Context(), name, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func list(t *testing.T, s snapshots.Store, prefix string) (found []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s %d", o.Name, o.Size))
	}
	return found
}

func testGet(t *testing.T, s snapshots.Store) {
	put(t, s, "a/b/c", "0123456789")
	put(t, s, "empty", "")
	for _, c := range []struct {
		name           string
		offset, length int64
		want           string
	}{
		{"a/b/c", 0, -1, "0123456789"},
		{"a/b/c", 3, -1, "3456789"},
		{"a/b/c", 3, 4, "3456"},
		{"a/b/c", 0, 1, "0"},
		{"a/b/c", 9, 1, "9"},
		{"a/b/c", 4, 0, ""},
		{"a/b/c", 8, 5, "89"},
		{"a/b/c", 10, 1, ""},
		{"a/b/c", 11, -1, ""},
		{"empty", 0, -1, ""},
		{"empty", 0, 3, ""},
	} {
		if got := get(t, s, c.name, c.offset, c.length); got != c.want {
			t.Errorf("%s from %d, %d bytes: %q, want %q", c.name, c.offset, c.length, got, c.want)
		}
	}
}

func testReplace(t *testing.T, s snapshots.Store) {
	put(t, s, "a", "first")
	reading, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "2nd")
	if got := get(t, s, "a", 0, -1); got != "2nd" {
		t.Errorf("got %q", got)
	}
	// Who reads meanwhile gets one of them, or an error: never a mixture.
	data, err := io.ReadAll(reading)
	if err == nil && string(data) != "first" && string(data) != "2nd" {
		t.Errorf("a mixture: %q", data)
	}
	if err := reading.Close(); err != nil {
		t.Error(err)
	}
}

func testSize(t *testing.T, s snapshots.Store) {
	for _, c := range []struct {
		name string
		size int64
		ok   bool
	}{{"exact", 5, true}, {"unknown", -1, true}, {"fewer come", 6, false}, {"more come", 4, false}, {"none is announced", 0, false}} {
		err := s.Put(t.Context(), "x", bytes.NewReader([]byte("12345")), c.size)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if there := len(list(t, s, "")) == 1; there != c.ok {
			t.Errorf("%s: there: %v", c.name, there)
		}
		if err := s.Delete(t.Context(), "x"); err != nil {
			t.Error(err)
		}
	}
}

var errData = errors.New("no more")

func testDataError(t *testing.T, s snapshots.Store) {
	for _, n := range []int{0, 5, 10 << 20} {
		data := io.MultiReader(bytes.NewReader(make([]byte, n)), &brokenReader{bytes.NewReader(nil), errData})
		if err := s.Put(t.Context(), "x", data, -1); !errors.Is(err, errData) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if found := list(t, s, ""); len(found) > 0 {
			t.Errorf("after %d bytes: there is %v", n, found)
		}
	}
}

func testMissing(t *testing.T, s snapshots.Store) {
	put(t, s, "folder/a", "")
	for _, name := range []string{"a", "folder", "folder/b", "folder/a/b"} {
		if r, err := s.Get(t.Context(), name, 0, -1); !errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("get %s: %v, %v", name, r, err)
		}
		if err := s.Copy(t.Context(), name, "target"); !errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("copy %s: %v", name, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %s: %v", name, err)
		}
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"folder/a 0"}) {
		t.Errorf("there is %q", got)
	}
	if found := list(t, s, "nothing/"); len(found) > 0 {
		t.Errorf("there is %v", found)
	}
}

func testPutIfAbsent(t *testing.T, s snapshots.Store) {
	if err := s.PutIfAbsent(t.Context(), "log/1", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "log/1", []byte("second")); !errors.Is(err, snapshots.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	if got := get(t, s, "log/1", 0, -1); got != "first" {
		t.Errorf("got %q", got)
	}
	if err := s.Delete(t.Context(), "log/1"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "log/1", nil); err != nil {
		t.Errorf("after it was deleted: %v", err)
	}
}

func testRace(t *testing.T, s snapshots.Store) {
	const writers, rounds = 8, 4
	for round := range rounds {
		name := fmt.Sprintf("log/%d", round)
		var wins atomic.Int32
		var winner atomic.Value
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				data := fmt.Sprintf("%d of %d", w, round)
				err := s.PutIfAbsent(t.Context(), name, []byte(data))
				if err == nil {
					wins.Add(1)
					winner.Store(data)
				} else if !errors.Is(err, snapshots.ErrExists) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := get(t, s, name, 0, -1); wins.Load() != 1 || got != winner.Load() {
			t.Errorf("%d won, the last of them %v; it is %q", wins.Load(), winner.Load(), got)
		}
	}
}

func testList(t *testing.T, s snapshots.Store) {
	for _, name := range []string{"a/log/2", "a/log/1", "a-b", "a/b", "a.b", "a/log-1", "ab", "b/log/1", "A"} {
		put(t, s, name, name)
	}
	for prefix, want := range map[string][]string{
		"":         {"A 1", "a-b 3", "a.b 3", "a/b 3", "a/log-1 7", "a/log/1 7", "a/log/2 7", "ab 2", "b/log/1 7"},
		"a/":       {"a/b 3", "a/log-1 7", "a/log/1 7", "a/log/2 7"},
		"a/log":    {"a/log-1 7", "a/log/1 7", "a/log/2 7"},
		"a/log/":   {"a/log/1 7", "a/log/2 7"},
		"a/log/1":  {"a/log/1 7"},
		"a/log/1/": nil,
		"c":        nil,
	} {
		if got := list(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func testListStops(t *testing.T, s snapshots.Store) {
	for i := range 5 {
		put(t, s, fmt.Sprintf("a/%d/b", i), "")
	}
	n := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d objects", n)
	}
}

func testCopy(t *testing.T, s snapshots.Store) {
	put(t, s, "job/pack", "state")
	put(t, s, "saved/other", "old")
	for _, to := range []string{"saved/pack", "saved/other", "saved/pack", "job/pack"} {
		if err := s.Copy(t.Context(), "job/pack", to); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "job/pack", "changed")
	if err := s.Delete(t.Context(), "job/pack"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"saved/pack", "saved/other"} {
		if got := get(t, s, name, 0, -1); got != "state" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := list(t, s, ""); len(got) != 2 {
		t.Errorf("there is %q", got)
	}
}

func testLarge(t *testing.T, s snapshots.Store) {
	const size = 21<<20 + 7
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, size)
	random.Read(data) // never fails
	if err := s.Put(t.Context(), "large", io.MultiReader(bytes.NewReader(data[:100]), bytes.NewReader(data[100:])), -1); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{0, size}, {8<<20 - 3, 6}, {size - 5, 5}, {1, 16 << 20}} {
		if got := get(t, s, "large", part[0], part[1]); got != string(data[part[0]:part[0]+part[1]]) {
			t.Errorf("%d bytes from %d differ", part[1], part[0])
		}
	}
	if err := s.Copy(t.Context(), "large", "copy"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "copy", 0, -1); got != string(data) {
		t.Error("the copy differs")
	}
}

func testConcurrent(t *testing.T, s snapshots.Store) {
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 4 {
				name := fmt.Sprintf("w/%d/%d", w, i)
				put(t, s, name, name)
				if got := get(t, s, name, 0, -1); got != name {
					t.Errorf("%s: %q", name, got)
				}
				if i%2 == 0 {
					if err := s.Delete(t.Context(), name); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	if got := list(t, s, "w/"); len(got) != 16 {
		t.Errorf("%d objects: %q", len(got), got)
	}
}

func testNames(t *testing.T, s snapshots.Store) {
	for _, name := range []string{"", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.hidden", ".tmp/x", "a b", "a\x00", "ä", "a\\b", "a:b"} {
		if _, err := s.Get(t.Context(), name, 0, -1); err == nil || errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("get %q: %v", name, err)
		}
		if err := s.Put(t.Context(), name, bytes.NewReader(nil), 0); err == nil {
			t.Errorf("put %q", name)
		}
		if err := s.PutIfAbsent(t.Context(), name, nil); err == nil || errors.Is(err, snapshots.ErrExists) {
			t.Errorf("create %q: %v", name, err)
		}
		if err := s.Delete(t.Context(), name); err == nil {
			t.Errorf("delete %q", name)
		}
		if err := s.Copy(t.Context(), "a", name); err == nil || errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("copy to %q: %v", name, err)
		}
	}
}

func testContext(t *testing.T, s snapshots.Store) {
	put(t, s, "a", "data")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := s.Get(ctx, "a", 0, -1); err == nil {
		if _, err := io.ReadAll(r); err == nil {
			t.Error("get did it")
		}
	}
	errs := map[string]error{
		"put":    s.Put(ctx, "b", bytes.NewReader([]byte("b")), 1),
		"create": s.PutIfAbsent(ctx, "c", []byte("c")),
		"delete": s.Delete(ctx, "a"),
		"copy":   s.Copy(ctx, "a", "d"),
	}
	for _, err := range s.List(ctx, "") {
		errs["list"] = err
	}
	for _, verb := range []string{"put", "create", "delete", "copy", "list"} {
		if !errors.Is(errs[verb], context.Canceled) {
			t.Errorf("%s: %v", verb, errs[verb])
		}
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"a 4"}) {
		t.Errorf("there is %q", got)
	}
}
