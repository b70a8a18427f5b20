package connector

import (
	"errors"
	"io/fs"
	"syscall"
)

// writeHint is what helps against an error of writing.
func writeHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: make room, or choose another path"
	case errors.Is(err, syscall.EDQUOT):
		return "the user's share of the disk is used up: make room, or choose another path"
	case errors.Is(err, syscall.EFBIG):
		return "files may not grow larger here: see ulimit -f"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only: choose another path"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open: see ulimit -n"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return "a file is in the way: the path must be a folder"
	case errors.Is(err, fs.ErrPermission):
		return "the user that runs wasmill must be allowed to write there"
	case errors.Is(err, syscall.EPIPE):
		return "whoever read it has gone"
	}
	return ""
}
