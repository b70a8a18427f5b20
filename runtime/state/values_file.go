package state

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// valuesFile is the file of values, by two ways: through the page cache, as long as the
// system has memory to hold what is written there, and past it. A read that goes past
// the cache sees what was written through it, and the other way round.
type valuesFile struct {
	direct *os.File // where the file system can't do that, through the cache, too
	cached *os.File // nil: every read waits for the disk
	spare  spareMemory
}

func openValuesFile(name string) (*valuesFile, error) {
	f := &valuesFile{}
	var err error
	const flags = os.O_RDWR | os.O_CREATE
	if f.direct, err = os.OpenFile(name, flags|os.O_EXCL|unix.O_DIRECT, 0o600); errors.Is(err, unix.EINVAL) {
		f.direct, err = os.OpenFile(name, flags, 0o600)
		return f, err
	}
	if err != nil {
		return nil, err
	}
	f.cached, err = os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, f.direct.Close())
	}
	f.spare.on.Store(true)
	return f, nil
}

func (f *valuesFile) close() error {
	var err error
	if f.cached != nil {
		err = f.cached.Close()
	}
	return errors.Join(err, f.direct.Close())
}

// write writes whole pages. What goes through the page cache is on the disk, too, when
// it returns: pages that are clean can be given up at once, and a slow disk is felt.
func (f *valuesFile) write(b []byte, at int64, cached bool) error {
	to := f.direct
	if cached {
		to = f.cached
	} else if f.spare.left.Swap(false) {
		// Others may need what was tried in vain.
		if err := unix.Fadvise(int(f.cached.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil && !missing(err) {
			return fmt.Errorf("give back page cache: %w", err)
		}
	}
	_, err := to.WriteAt(b, at)
	if err == nil && cached {
		err = unix.SyncFileRange(int(to.Fd()), at, int64(len(b)), unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		if missing(err) {
			f.spare.never()
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// readUnit reads what was written at once.
func (f *valuesFile) readUnit(b []byte, at int64, cached bool) error {
	if cached && f.spare.on.Load() {
		if ok, err := f.readCached(b, at); ok || err != nil {
			return err
		}
	}
	if _, err := f.direct.ReadAt(b, at); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	return nil
}

// readCached reads what the page cache has, without waiting.
func (f *valuesFile) readCached(b []byte, at int64) (ok bool, err error) {
	v := unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	n, _, errno := unix.Syscall6(unix.SYS_PREADV2, f.cached.Fd(), uintptr(unsafe.Pointer(&v)), 1, uintptr(at), 0, unix.RWF_NOWAIT)
	switch {
	case errno == 0:
		return int(n) == len(b), nil
	case errno == unix.EAGAIN, errno == unix.EINTR:
		return false, nil
	case missing(errno):
		f.spare.never()
		return false, nil
	}
	return false, fmt.Errorf("read state: %w", errno)
}

// missing tells of an error that the kernel, the file system, or who guards them, has no
// such call.
func missing(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM)
}

// spareMemory judges whether the system has memory to hold the file: by how many of the
// reads of what was written through the page cache were found there. When they are few
// the cache is left alone for a while, which grows with how long it was tried in vain.
type spareMemory struct {
	on      atomic.Bool
	tries   int
	hits    int
	written int // units since it was turned on
	rest    int // units to be written before it is tried again
	barred  atomic.Bool
	left    atomic.Bool // it was turned off; what it holds is to be given back
}

const (
	spareTries = 4096 // reads that are judged together
	spareShare = 4    // one of so many must be a hit
	spareRest  = 8    // units written past the cache for one through it in vain
	leastRest  = 64
	mostRest   = 4096
)

// never turns the cache off for good. Any goroutine may call it.
func (s *spareMemory) never() {
	s.barred.Store(true)
	s.on.Store(false)
}

// read tells of reads.
func (s *spareMemory) read(tries, hits int) {
	s.tries, s.hits = s.tries+tries, s.hits+hits
	if s.tries < spareTries {
		return
	}
	if s.hits < s.tries/spareShare && s.on.Load() {
		s.on.Store(false)
		s.left.Store(true)
		s.rest = min(max(spareRest*s.written, leastRest), mostRest)
		s.written = 0
	}
	s.tries, s.hits = 0, 0
}

// write tells whether the next unit goes through the cache.
func (s *spareMemory) write() bool {
	if s.on.Load() {
		s.written++
		return true
	}
	if s.rest--; s.rest == 0 && !s.barred.Load() {
		s.on.Store(true)
	}
	return false
}
