package connector

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
)

// findFiles resolves a path: itself if it is there, else the files that it matches as
// a glob, sorted. Folders are left out, and names that begin with a dot unless the
// glob asks for them: what a file sink stages is not there.
func findFiles(path string) ([]string, error) {
	if _, err := os.Lstat(path); err == nil || !strings.ContainsAny(path, `*?[`) {
		return []string{path}, nil
	}
	matches, err := filepath.Glob(path)
	if err != nil {
		return nil, placed(path, `a glob is made of *, ? and [a-z]; \ takes away their meaning`, fmt.Errorf("read glob: %w", err))
	}
	hidden := strings.HasPrefix(filepath.Base(path), ".")
	matches = slices.DeleteFunc(matches, func(match string) bool {
		info, err := os.Stat(match)
		return err == nil && info.IsDir() || !hidden && strings.HasPrefix(filepath.Base(match), ".")
	})
	if len(matches) == 0 {
		return nil, placed(path, "check the path; it is seen from where the operator runs", errors.New("no file matches"))
	}
	slices.Sort(matches)
	return matches, nil
}

// fileError is an error of an input file.
type fileError struct{ err error }

func (e *fileError) Error() string { return "read file: " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func (e *fileError) hint() string {
	switch {
	case errors.Is(e.err, fs.ErrNotExist):
		return "check the path; it is seen from where the operator runs"
	case errors.Is(e.err, fs.ErrPermission):
		return "the user that runs wasmill must be allowed to read it"
	}
	return ""
}

// openRegular opens a file that can be read from any place.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	// Without O_NONBLOCK the opening of a named pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		e := &fileError{cause(err)}
		return nil, nil, placed(path, e.hint(), e)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = placed(path, "", &fileError{cause(err)})
	case info.IsDir():
		err = placed(path, "name the files in it: "+filepath.Join(path, "*"), errors.New("read file: is a folder"))
	case !info.Mode().IsRegular():
		err = placed(path, "source stdin reads what can be read only once", errors.New("read file: is not a regular file"))
	default:
		return f, info, nil
	}
	f.Close()
	return nil, nil, err
}

// cause is an error without the path, which the place already names.
func cause(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	if linkErr := (*os.LinkError)(nil); errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}

// openFile is a split that is being read.
type openFile struct {
	file    *os.File
	path    string
	size    int64 // when it was opened
	changed time.Time
	feed    feed
}

// openSplit opens a split where its position is.
func openSplit(split *fileSplit, format graph.Format, maxLine int) (*openFile, error) {
	file, info, err := openRegular(split.path)
	if err != nil {
		return nil, err
	}
	o := &openFile{file: file, path: split.path, size: info.Size(), changed: info.ModTime()}
	o.feed = feed{scan: newScanner(fileReader{file}, maxLine), dec: newDecoder(format), place: split.path}
	if split.started {
		if err := o.resume(split.position); err != nil {
			file.Close()
			return nil, err
		}
	}
	return o, nil
}

// resume goes on at a position, if the file is still the one that was read.
func (o *openFile) resume(p filePosition) error {
	if o.size != p.size || o.fingerprint(p.offset) != p.fingerprint {
		return o.changedError()
	}
	if o.feed.dec.Decode == "csv" && p.offset > 0 {
		if err := o.readHeader(); err != nil {
			return err
		}
	}
	if _, err := o.file.Seek(p.offset, io.SeekStart); err != nil {
		return placed(o.path, "", &fileError{cause(err)})
	}
	o.feed.scan = newScanner(fileReader{o.file}, o.feed.scan.maxLine)
	o.feed.scan.offset, o.feed.scan.line = p.offset, p.line
	return nil
}

// readHeader reads the header of a csv file again, at whose end or behind it the
// reading goes on.
func (o *openFile) readHeader() error {
	for o.feed.dec.header == nil {
		o.feed.scan.poll()
		n, err := o.feed.scan.peek(0)
		if err == nil {
			n, _, err = o.feed.csvRow(n)
		}
		if err == nil {
			_, err = o.feed.dec.decode(nil, o.feed.scan.text(n))
			o.feed.scan.take(n, 1)
		}
		if err == io.EOF {
			return nil // nothing but blank lines was read before
		}
		if err != nil && err != errLater {
			return placed(o.path, "", &fileError{err})
		}
	}
	return nil
}

// unchanged is asked at the end of the file: a file that was written to meanwhile was
// read neither as it was nor as it is.
func (o *openFile) unchanged() error {
	info, err := o.file.Stat()
	if err != nil {
		return placed(o.path, "", &fileError{cause(err)})
	}
	if info.Size() != o.size || !info.ModTime().Equal(o.changed) || o.feed.scan.offset != o.size {
		return o.changedError()
	}
	return nil
}

func (o *openFile) changedError() error {
	return placed(o.path, "give it files that are complete; move them into place when they are", errors.New("read file: it has changed since the job began to read it"))
}

func (o *openFile) position() filePosition {
	s := &o.feed.scan
	return filePosition{offset: s.offset, line: s.line, size: o.size, fingerprint: o.fingerprint(s.offset)}
}

// fingerprint is a checksum of the last bytes before an offset: enough to notice that
// another file lies at the path, cheap enough for every checkpoint.
func (o *openFile) fingerprint(offset int64) uint32 {
	last := make([]byte, min(offset, 1<<10))
	n, _ := o.file.ReadAt(last, offset-int64(len(last)))
	return crc32.ChecksumIEEE(last[:n])
}

func (o *openFile) Close() error { return o.file.Close() }

// fileReader marks the errors of the file as such.
type fileReader struct{ file *os.File }

func (r fileReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	if err != nil && err != io.EOF {
		err = &fileError{cause(err)}
	}
	return n, err
}
