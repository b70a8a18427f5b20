// Package dir keeps objects as files of a folder, which may be shared by processes of
// one machine or, over a network file system with hard links, of several. It is not for
// object stores (snapshots/s3).
//
// Start with Open. An object appears by rename(2) or link(2) of a file that is written
// and synced: it is never seen half written, and it lasts through a crash of the
// machine once a method returned.
package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

// Store is a folder. Its methods are those of snapshots.Store.
type Store struct {
	root string
	temp string // where files are written before they get their name
}

// tempAge is when a file that nobody finished is taken for left behind.
const tempAge = 24 * time.Hour

// Open opens the folder of a path or a file:// URL, and makes it if it is not there.
func Open(location string) (*Store, error) {
	root, err := pathOf(location)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", location, err)
	}
	s := &Store{root: root, temp: filepath.Join(root, ".tmp")}
	if err := makeDirs(s.temp); err != nil {
		return nil, fmt.Errorf("open store %q: %w", location, err)
	}
	return s, nil
}

func pathOf(location string) (string, error) {
	if !strings.Contains(location, "://") {
		if location == "" {
			return "", errors.New("no path given")
		}
		return filepath.Abs(location)
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "file":
		return "", fmt.Errorf("scheme %q is not file", u.Scheme)
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("host %q: a file URL has three slashes, as in file:///var/lib/wasmill", u.Host)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "", errors.New("a file URL has nothing but a path")
	case !filepath.IsAbs(u.Path):
		return "", errors.New("a file URL has an absolute path")
	}
	return filepath.Clean(u.Path), nil
}

func (s *Store) file(name string) (string, error) {
	if err := snapshots.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(s.root, filepath.FromSlash(name)), nil
}

// Get implements snapshots.Store.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	path, err := s.file(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if length < 0 {
		length = 1<<62 - offset
	}
	return &part{reader: io.NewSectionReader(f, offset, length), file: f, ctx: ctx}, nil
}

// open opens the file of an object.
func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, classify(err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, cmp.Or(classify(err), snapshots.ErrNotFound)
	}
	return f, nil
}

// part reads a part of a file until its context ends.
type part struct {
	reader io.Reader
	file   *os.File
	ctx    context.Context // of the Get whose reader this is
}

func (p *part) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.reader.Read(b)
	if err != nil && err != io.EOF {
		err = classify(err)
	}
	return n, err
}

func (p *part) Close() error { return p.file.Close() }

// List implements snapshots.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[snapshots.Object, error] {
	return func(yield func(snapshots.Object, error) bool) {
		folder := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			folder = prefix[:i]
			if err := snapshots.CheckName(folder); err != nil {
				yield(snapshots.Object{}, err)
				return
			}
		}
		s.list(ctx, folder, prefix, yield)
	}
}

// list walks a folder in the order of whole names, in which "a-b" comes before "a/b".
func (s *Store) list(ctx context.Context, folder, prefix string, yield func(snapshots.Object, error) bool) bool {
	if err := ctx.Err(); err != nil {
		return yield(snapshots.Object{}, err)
	}
	entries, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(folder)))
	if err = classify(err); errors.Is(err, snapshots.ErrNotFound) {
		return true
	}
	if err != nil {
		return yield(snapshots.Object{}, fmt.Errorf("list %s: %w", prefix, err))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortName(a), sortName(b)) })
	for _, e := range entries {
		name := strings.TrimPrefix(folder+"/"+e.Name(), "/")
		if e.Name()[0] == '.' || !strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name+"/") {
			continue
		}
		if e.IsDir() {
			if !s.list(ctx, name, prefix, yield) {
				return false
			}
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return yield(snapshots.Object{}, fmt.Errorf("list %s: %w", prefix, classify(err)))
		}
		if !yield(snapshots.Object{Name: name, Size: info.Size()}, nil) {
			return false
		}
	}
	return true
}

func sortName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// Delete implements snapshots.Store. Folders that become empty stay: another process
// may be about to write there.
func (s *Store) Delete(ctx context.Context, name string) error {
	path, err := s.file(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// unlink(2) alone: os.Remove would take an empty folder, too.
	switch err := syscall.Unlink(path); {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return nil
	default:
		return fmt.Errorf("delete %s: %w", name, classify(err))
	}
}

// Sweep implements snapshots.Sweeper.
func (s *Store) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.temp)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < tempAge {
			continue
		}
		if err := os.Remove(filepath.Join(s.temp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// classify gives errors of the file system their meaning for a store. A full disk, a
// network file system that is away: these pass.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return snapshots.ErrNotFound // a folder is no object
	case errors.Is(err, fs.ErrExist):
		return snapshots.ErrExists
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT),
		errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fault.As(fault.ErrTransient, err)
	}
	return err
}
