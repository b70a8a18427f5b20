package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asyncReads hands many reads to the kernel by one call and waits for them by another
// (io_submit(2)): a read costs a quarter of the CPU that one by a goroutine of its own
// does, and no thread.
type asyncReads struct {
	context uintptr
	blocks  [asyncDepth]controlBlock
	list    [asyncDepth]*controlBlock
	events  [asyncDepth]asyncEvent
}

const asyncDepth = 256 // reads at once, at most

// controlBlock is struct iocb of linux/aio_abi.h, little-endian.
type controlBlock struct {
	data   uint64
	_      [2]uint32
	_      uint16 // operation; 0: read
	_      int16
	fd     uint32
	buf    uint64
	bytes  uint64
	offset int64
	_      uint64
	_      uint32
	_      uint32
}

// asyncEvent is struct io_event.
type asyncEvent struct {
	data   uint64
	block  uint64
	result int64
	_      int64
}

// openAsync returns nil where the kernel, or who guards it, has none.
func openAsync() *asyncReads {
	a := &asyncReads{}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, asyncDepth, uintptr(unsafe.Pointer(&a.context)), 0); errno != 0 {
		return nil
	}
	return a
}

func (a *asyncReads) close() error {
	if _, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, a.context, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// read does some reads, up to asyncDepth. None is on its way when it returns.
func (a *asyncReads) read(file *os.File, reads []diskRead) error {
	for i, r := range reads {
		a.blocks[i] = controlBlock{
			data: uint64(i), fd: uint32(file.Fd()), offset: r.first,
			buf: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(r.into)))), bytes: uint64(len(r.into)),
		}
		a.list[i] = &a.blocks[i]
	}
	var failed error
	sent, done := 0, 0
	for done < len(reads) && (failed == nil || done < sent) {
		if sent < len(reads) && failed == nil {
			n, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, a.context, uintptr(len(reads)-sent), uintptr(unsafe.Pointer(&a.list[sent])))
			switch {
			case errno == 0:
				sent += int(n)
			case errno != unix.EINTR && (errno != unix.EAGAIN || sent == done):
				failed = fmt.Errorf("read state: %w", errno)
			}
		}
		if sent == done {
			continue
		}
		n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, a.context, uintptr(sent-done), uintptr(len(a.events)), uintptr(unsafe.Pointer(&a.events[0])), 0, 0)
		if errno != 0 {
			if errno == unix.EINTR {
				continue
			}
			return fmt.Errorf("read state: %w", errno)
		}
		for _, e := range a.events[:n] {
			failed = errors.Join(failed, e.check(reads))
		}
		done += int(n)
	}
	return failed
}

// check is what is wrong with a read that is done.
func (e *asyncEvent) check(reads []diskRead) error {
	switch {
	case e.result < 0:
		return fmt.Errorf("read state: %w", unix.Errno(-e.result))
	case e.result < int64(len(reads[e.data].into)):
		return fmt.Errorf("read state: %w", io.ErrUnexpectedEOF)
	}
	return nil
}
