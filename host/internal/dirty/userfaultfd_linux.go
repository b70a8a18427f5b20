package dirty

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the headers <linux/userfaultfd.h> and <linux/fs.h> define.
const (
	uffdUserModeOnly = 1
	uffdAPI          = 0xaa
	uffdioAPI        = 0xc018aa3f
	uffdioRegister   = 0xc020aa00
	featureWPAsync   = 1 << 15
	registerModeWP   = 1 << 1
	pagemapScan      = 0xc0606610
	scanWPMatching   = 1 << 0
	scanCheckWPAsync = 1 << 1
	pageIsWritten    = 1 << 1
	pageIsPresent    = 1 << 3
	pageIsSwapped    = 1 << 4
	regionsPerScan   = 1024
)

type uffdioAPIArg struct{ api, features, ioctls uint64 }

type uffdioRegisterArg struct{ start, len, mode, ioctls uint64 }

type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages         uint64
	categoryInverted, categoryMask, categoryAnyOfMask, categoryGive uint64
}

type pageRegion struct{ start, end, categories uint64 }

// userfaultfd has the kernel note writes: a page that was written is not write-protected
// any more. Nobody has to answer faults, the kernel lets them pass.
type userfaultfd struct {
	mapping []byte
	fd      int
	pagemap *os.File
	regions []pageRegion
}

func newUserfaultfd(mapping []byte) (Tracker, error) {
	if os.Getpagesize() != PageSize {
		return nil, fmt.Errorf("pages of this machine have %d bytes", os.Getpagesize())
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK|uffdUserModeOnly, 0, 0)
	if errno != 0 {
		return nil, fmt.Errorf("open userfaultfd: %w", errno)
	}
	u := &userfaultfd{mapping: mapping, fd: int(fd), regions: make([]pageRegion, regionsPerScan)}
	if err := u.register(); err != nil {
		u.Close()
		return nil, err
	}
	// A kernel that can't scan says so now.
	if _, err := u.Written(mapping[:PageSize], nil); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

func (u *userfaultfd) register() error {
	api := uffdioAPIArg{api: uffdAPI, features: featureWPAsync}
	if err := u.ioctl(u.fd, uffdioAPI, unsafe.Pointer(&api)); err != nil {
		return fmt.Errorf("ask userfaultfd for asynchronous write protection: %w", err)
	}
	r := uffdioRegisterArg{start: u.address(), len: uint64(len(u.mapping)), mode: registerModeWP}
	if err := u.ioctl(u.fd, uffdioRegister, unsafe.Pointer(&r)); err != nil {
		return fmt.Errorf("register memory with userfaultfd: %w", err)
	}
	var err error
	u.pagemap, err = os.Open("/proc/self/pagemap")
	return err
}

func (u *userfaultfd) address() uint64 { return uint64(uintptr(unsafe.Pointer(&u.mapping[0]))) }

func (u *userfaultfd) ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}

// Written implements Tracker: it finds the pages that are written, and protects them
// again in the same moment.
func (u *userfaultfd) Written(memory []byte, ranges []Range) ([]Range, error) {
	base := u.address()
	at, end := base, base+uint64(len(memory))
	for at < end {
		arg := scanArg{
			flags: scanWPMatching | scanCheckWPAsync, start: at, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&u.regions[0]))), vecLen: uint64(len(u.regions)),
			categoryMask: pageIsWritten, categoryAnyOfMask: pageIsPresent | pageIsSwapped, categoryGive: pageIsWritten,
		}
		arg.size = uint64(unsafe.Sizeof(arg))
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, u.pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		runtime.KeepAlive(u.regions)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return ranges, fmt.Errorf("scan pages: %w", errno)
		}
		for _, r := range u.regions[:n] {
			ranges = add(ranges, int(r.start-base)/PageSize, int(r.end-base)/PageSize)
		}
		at = arg.walkEnd
	}
	return ranges, nil
}

// Method implements Tracker.
func (u *userfaultfd) Method() Method { return Userfaultfd }

// Close implements Tracker.
func (u *userfaultfd) Close() error {
	if u.pagemap != nil {
		u.pagemap.Close()
	}
	return unix.Close(u.fd)
}
