package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/near"
	"github.com/wasmill/wasmill/snapshots/s3"
)

// ownFolder is a folder that one worker has to itself while it runs, for state that
// does not fit into memory. What killed workers left in base is removed: the system
// drops the locks of a process that dies.
type ownFolder struct {
	path string
	lock *os.File
}

func makeOwnFolder(base string) (*ownFolder, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	all, err := os.Open(base)
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	defer all.Close() // and with it its lock
	// Nobody sweeps between the making of a folder and its lock.
	if err := unix.Flock(int(all.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", base, err)
	}
	if err := sweep(base); err != nil {
		return nil, fmt.Errorf("remove what killed workers left: %w", err)
	}
	path, err := os.MkdirTemp(base, "worker-*")
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := os.Open(path)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	return &ownFolder{path: path, lock: lock}, nil
}

// sweep removes the folders of workers that are gone.
func sweep(base string) error {
	left, err := filepath.Glob(filepath.Join(base, "worker-*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // its worker has just ended
		}
		if err != nil {
			return err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		f.Close()
		if err == unix.EWOULDBLOCK {
			continue
		}
		if err == nil {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxNearby is how many bytes of packs a worker keeps beside a store that is far away.
const maxNearby = 4 << 30

// storeFor is the store as a worker uses it.
func (f *ownFolder) storeFor(s *jobStore) (snapshots.Store, error) {
	if _, far := s.store.(*s3.Store); !far {
		return s.store, nil
	}
	return near.New(s.store, filepath.Join(f.path, "packs"), maxNearby)
}

func (f *ownFolder) remove() error {
	return errors.Join(os.RemoveAll(f.path), f.lock.Close())
}
