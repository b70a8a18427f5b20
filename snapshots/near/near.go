// Package near keeps copies of the packs that a process wrote in a folder of its own,
// in front of a store that is far away: after a failure, a worker that lives restores
// what it wrote itself without fetching it again. It is not a cache of what others
// wrote, and it makes nothing more durable.
//
// Start with New. Packs are written once under names that are used once, so a copy is
// never out of date; readers check what they read, wherever it comes from.
package near

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/wasmill/wasmill/snapshots"
)

// Store is a store with copies nearby. Its methods are those of snapshots.Store.
type Store struct {
	far   snapshots.Store
	dir   string
	limit int64

	mu    sync.Mutex
	kept  []copied // oldest first; guarded by mu
	bytes int64    // of kept; guarded by mu
}

type copied struct {
	name string
	size int64
}

// New keeps up to limit bytes of copies in a folder that nobody else uses, and makes
// it.
func New(far snapshots.Store, dir string, limit int64) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open folder for packs: %w", err)
	}
	return &Store{far: far, dir: dir, limit: limit}, nil
}

var _ snapshots.Store = (*Store)(nil)

// isPack tells what is kept: the rest is small, and others write it, too.
func isPack(name string) bool { return strings.HasSuffix(name, ".pack") }

func (s *Store) file(name string) string { return filepath.Join(s.dir, url.PathEscape(name)) }

// Get implements snapshots.Store. A copy that can't be read is as if it were not there.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if isPack(name) && offset >= 0 {
		f, err := os.Open(s.file(name))
		if err == nil {
			if length < 0 {
				length = 1<<63 - 1 - offset
			}
			return struct {
				io.Reader
				io.Closer
			}{io.NewSectionReader(f, offset, length), f}, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			slog.Warn("pack is fetched again", "pack", name, "err", err)
		}
	}
	return s.far.Get(ctx, name, offset, length)
}

// Put implements snapshots.Store: what the far store has is kept, too, if there is room.
func (s *Store) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	if !isPack(name) || size > s.limit {
		return s.far.Put(ctx, name, data, size)
	}
	s.forget(name) // it is replaced
	f, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		slog.Warn("pack is not kept nearby", "pack", name, "err", err)
		return s.far.Put(ctx, name, data, size)
	}
	defer os.Remove(f.Name()) // of one that was not kept
	w := &bounded{file: f, left: s.limit}
	err = s.far.Put(ctx, name, io.TeeReader(data, w), size)
	if cerr := f.Close(); w.err == nil {
		w.err = cerr
	}
	if err != nil {
		return err
	}
	if w.err == nil {
		w.err = s.keep(name, f.Name(), s.limit-w.left)
	}
	if w.err != nil {
		slog.Warn("pack is not kept nearby", "pack", name, "err", w.err)
	}
	return nil
}

// bounded writes to a file as long as it goes well, and never fails.
type bounded struct {
	file *os.File
	left int64
	err  error
}

var errTooLarge = errors.New("it is too large")

func (b *bounded) Write(p []byte) (int, error) {
	if b.err == nil && int64(len(p)) > b.left {
		b.err = errTooLarge
	}
	if b.err == nil {
		_, b.err = b.file.Write(p)
		b.left -= int64(len(p))
	}
	return len(p), nil
}

// keep takes a copy in, and lets go of the oldest ones that there is no room for.
func (s *Store) keep(name, file string, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(file, s.file(name)); err != nil {
		return err
	}
	s.kept = append(s.kept, copied{name, size})
	s.bytes += size
	for s.bytes > s.limit {
		s.drop(0)
	}
	return nil
}

func (s *Store) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.kept {
		if s.kept[i].name == name {
			s.drop(i)
			return
		}
	}
}

// drop is called with mu held. A file that can't be removed goes with the folder.
func (s *Store) drop(i int) {
	_ = os.Remove(s.file(s.kept[i].name))
	s.bytes -= s.kept[i].size
	s.kept = append(s.kept[:i:i], s.kept[i+1:]...)
}

// PutIfAbsent implements snapshots.Store.
func (s *Store) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return s.far.PutIfAbsent(ctx, name, data)
}

// List implements snapshots.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[snapshots.Object, error] {
	return s.far.List(ctx, prefix)
}

// Delete implements snapshots.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if isPack(name) {
		s.forget(name)
	}
	return s.far.Delete(ctx, name)
}

// Copy implements snapshots.Store.
func (s *Store) Copy(ctx context.Context, from, to string) error {
	if isPack(to) {
		s.forget(to)
	}
	return s.far.Copy(ctx, from, to)
}
