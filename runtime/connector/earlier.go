package connector

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// earlierFile is a result file of an earlier run. It is known by more than its name,
// which a file of this run may take.
type earlierFile struct {
	Name     string `json:"name"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // ns since 1970
}

// identify describes a file as it is now; false if there is none.
func identify(dir, name string) (earlierFile, bool) {
	info, err := os.Lstat(filepath.Join(dir, name))
	if err != nil || !info.Mode().IsRegular() {
		return earlierFile{}, false
	}
	f := earlierFile{Name: name, Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Inode = stat.Ino
	}
	return f, true
}

// stillThere leaves out the files that are gone, or replaced by others.
func stillThere(dir string, files []earlierFile) []earlierFile {
	return slices.DeleteFunc(files, func(f earlierFile) bool {
		now, ok := identify(dir, f.Name)
		return !ok || now != f
	})
}
