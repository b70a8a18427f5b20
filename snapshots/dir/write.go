package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/wasmill/wasmill/snapshots"
)

// Put implements snapshots.Store.
func (s *Store) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	path, err := s.file(name)
	if err != nil {
		return err
	}
	temp, err := s.write(ctx, data, size)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := s.rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// PutIfAbsent implements snapshots.Store.
func (s *Store) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	path, err := s.file(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("create %s: %w", name, snapshots.ErrExists)
	}
	temp, err := s.write(ctx, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	defer os.Remove(temp)
	if err := s.link(temp, path); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return nil
}

// Copy implements snapshots.Store: by a hard link, or byte by byte where there are none.
func (s *Store) Copy(ctx context.Context, from, to string) error {
	source, err := s.file(from)
	if err != nil {
		return err
	}
	target, err := s.file(to)
	if err != nil {
		return err
	}
	original, err := open(source)
	if err == nil {
		defer original.Close()
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if source == target {
		return nil
	}
	temp, err := s.copyToTemp(ctx, original)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := s.rename(temp, target); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}

func (s *Store) copyToTemp(ctx context.Context, original *os.File) (temp string, err error) {
	f, err := os.CreateTemp(s.temp, "copy-")
	if err != nil {
		return "", classify(err)
	}
	temp = f.Name()
	f.Close()
	if err := os.Remove(temp); err != nil {
		return "", err
	}
	switch err := os.Link(original.Name(), temp); {
	case err == nil:
		return temp, nil
	case !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EMLINK) && !errors.Is(err, syscall.ENOTSUP):
		return "", classify(err)
	}
	return s.write(ctx, original, -1)
}

// write makes a synced file of data that has no name of an object yet.
func (s *Store) write(ctx context.Context, data io.Reader, size int64) (temp string, err error) {
	f, err := os.CreateTemp(s.temp, "put-")
	if err != nil {
		return "", classify(err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = classify(closeErr)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if size >= 0 {
		data = io.LimitReader(data, size+1)
	}
	n, err := io.Copy(f, &interruptible{data, ctx})
	switch {
	case err != nil:
		return "", classify(err)
	case size >= 0 && n < size:
		return "", fmt.Errorf("%d bytes came, %d were announced: %w", n, size, io.ErrUnexpectedEOF)
	case size >= 0 && n > size:
		return "", fmt.Errorf("more than the announced %d bytes came", size)
	}
	if err := f.Sync(); err != nil {
		return "", classify(err)
	}
	return f.Name(), nil
}

// rename gives a file its name, replacing another.
func (s *Store) rename(temp, path string) error {
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return classify(err)
	}
	err := os.Rename(temp, path)
	// Two names of one file: rename(2) does nothing, and on success the old name is gone.
	os.Remove(temp)
	if err != nil {
		return classify(err)
	}
	return syncDir(filepath.Dir(path))
}

// link gives a file its name unless that is taken: link(2) decides, also among machines.
func (s *Store) link(temp, path string) error {
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return classify(err)
	}
	if err := os.Link(temp, path); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) {
			return fmt.Errorf("%w (the store needs a file system with hard links)", err)
		}
		return classify(err)
	}
	return syncDir(filepath.Dir(path))
}

// makeDirs makes a folder that lasts: each new one is synced into its parent.
func makeDirs(path string) error {
	switch err := os.Mkdir(path, 0o777); {
	case err == nil:
		return syncDir(filepath.Dir(path))
	case errors.Is(err, fs.ErrExist):
		return nil
	case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path:
		return err
	}
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return err
	}
	return makeDirs(path)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return classify(err)
	}
	defer d.Close()
	return classify(d.Sync())
}

// interruptible ends reading with its context.
type interruptible struct {
	r   io.Reader
	ctx context.Context // of the Put whose reader this is
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
