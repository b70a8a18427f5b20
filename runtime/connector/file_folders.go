package connector

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/wasmill/wasmill/runtime/record"
)

const (
	// mostOpen is how many files a subtask has open at once, beside its own.
	mostOpen = 64
	// mostFolders bounds what a transaction has to name.
	mostFolders = 10_000
	// mostHeld is how much text a subtask holds back for all its folders.
	mostHeld = 16 << 20
)

// folders is what a sink writes that cuts its output up into folders. All is staged in
// the sink's own folder; the file which that has open stays empty, as its lock.
type folders struct {
	sink    *fileSink
	pattern folderPattern
	files   map[string]*folderFile // since the last checkpoint, by folder
	opened  []*folderFile          // in that order
	held    int                    // bytes of text, of all files
	// Where the last record went, which had lastKey.
	last    *folderFile
	lastKey []byte
	path    []byte
}

// folderFile is one file that is written.
type folderFile struct {
	folder   string
	name     string   // while it is written; "" before
	file     *os.File // nil before, and while too many others are open
	text     []byte   // encoded, not written yet
	from, to int64    // times of records that go into it, if their key is lastKey
}

func (f *folders) write(batch []byte) error {
	cursor := &f.sink.lines.cursor
	*cursor = *record.NewCursor(batch)
	for r := &cursor.Record; cursor.Next(); {
		file := f.last
		if file == nil || r.Timestamp < file.from || r.Timestamp >= file.to || f.pattern.keyed && string(r.Key) != string(f.lastKey) {
			if err := f.find(r); err != nil {
				return err
			}
			file = f.last
		}
		before := len(file.text)
		file.text = f.sink.lines.encode(file.text, r)
		f.held += len(file.text) - before
		var err error
		if len(file.text) >= sinkBuffer {
			err = f.hand(file)
		} else if f.held >= mostHeld {
			err = f.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find makes the file of a record the last.
func (f *folders) find(r *record.Record) error {
	f.path = f.pattern.append(f.path[:0], r)
	file := f.files[string(f.path)]
	if file == nil {
		folder := string(f.path)
		if !isFolder(folder) {
			return placed(f.sink.dir, fmt.Sprintf("names of folders have at most %d bytes", longestName), fmt.Errorf("write file: %.80q… can't be a folder", folder))
		}
		if len(f.files) == mostFolders {
			return placed(f.sink.dir, "take checkpoints more often, or make partitionBy coarser", fmt.Errorf("write file: results of one checkpoint go into more than %d folders", mostFolders))
		}
		file = &folderFile{folder: folder}
		f.files[folder] = file
	}
	file.from, file.to = f.pattern.span(r.Timestamp)
	f.last, f.lastKey = file, append(f.lastKey[:0], r.Key...)
	return nil
}

// flush hands what is encoded to the operating system.
func (f *folders) flush() error {
	for _, file := range f.files {
		if err := f.hand(file); err != nil {
			return err
		}
	}
	return nil
}

func (f *folders) hand(file *folderFile) error {
	if len(file.text) == 0 {
		return nil
	}
	if err := f.open(file); err != nil {
		return err
	}
	if _, err := file.file.Write(file.text); err != nil {
		return f.sink.failed("write file", err)
	}
	f.held -= len(file.text)
	if file.text = file.text[:0]; len(f.files) > mostOpen || cap(file.text) > 4*sinkBuffer {
		file.text = nil
	}
	return nil
}

// open opens a file, to write at its end. If too many are, the one that has been open
// longest is closed.
func (f *folders) open(file *folderFile) (err error) {
	if file.file != nil {
		return nil
	}
	if len(f.opened) == mostOpen {
		oldest := f.opened[0]
		f.opened = slices.Delete(f.opened, 0, 1)
		err := oldest.file.Close()
		if oldest.file = nil; err != nil {
			return f.sink.failed("close file", err)
		}
	}
	var opened *os.File
	if file.name == "" {
		file.name = openName(f.sink.c.Subtask.Index, f.sink.c.Attempt, nonce())
		opened, err = f.sink.create(filepath.Join(f.sink.dir, file.name))
	} else {
		opened, err = os.OpenFile(filepath.Join(f.sink.dir, file.name), os.O_WRONLY|os.O_APPEND, 0)
	}
	if err != nil {
		return f.sink.failed("open file", err)
	}
	file.file, f.opened = opened, append(f.opened, file)
	return nil
}

// settle makes the files durable under the names of what is prepared. The next records
// go into others.
func (f *folders) settle(checkpoint uint64) ([]filePart, error) {
	var parts []filePart
	for folder := range f.files {
		parts = append(parts, filePart{Folder: folder})
	}
	slices.SortFunc(parts, func(a, b filePart) int { return cmp.Compare(a.Folder, b.Folder) })
	for i, part := range parts {
		file := f.files[part.Folder]
		if err := f.refuse(checkpoint, part.Folder); err != nil {
			return nil, err
		}
		if err := f.open(file); err != nil {
			return nil, err
		}
		parts[i].Staged = preparedName(checkpoint, f.sink.c.Subtask.Index, f.sink.c.Attempt, file.name)
		f.opened = slices.DeleteFunc(f.opened, func(o *folderFile) bool { return o == file })
		closing := file.file
		file.file = nil
		if err := f.sink.seal(closing, parts[i].Staged); err != nil {
			return nil, err
		}
		delete(f.files, part.Folder)
	}
	f.last = nil
	return parts, nil
}

// refuse is an error if what is there would be in the way of the commit.
func (f *folders) refuse(checkpoint uint64, folder string) error {
	if err := inTheWay(f.sink.dir, folder); err != nil {
		return err
	}
	return vacant(f.sink.dir, filepath.Join(folder, visibleName(checkpoint, f.sink.c.Subtask.Index)), f.sink.earlier)
}

// earlier lists what earlier runs have left of the subtask's share in folders that the
// pattern can have made.
func (f *folders) earlier() (earlier []earlierFile, err error) {
	below, err := f.pattern.existing(f.sink.dir)
	for _, folder := range below {
		entries, readErr := os.ReadDir(filepath.Join(f.sink.dir, folder))
		if readErr != nil && !os.IsNotExist(readErr) {
			return nil, readErr
		}
		for _, entry := range entries {
			if part, ok := parsePart(entry.Name()); !ok || part.stage != visible || !f.sink.answersFor(part) {
				continue
			}
			if file, ok := identify(f.sink.dir, filepath.Join(folder, entry.Name())); ok {
				earlier = append(earlier, file)
			}
		}
	}
	return earlier, err
}

// drop removes the files that were not prepared.
func (f *folders) drop() error {
	var errs []error
	for _, file := range f.files {
		if file.file != nil {
			file.file.Close()
		}
		if file.name == "" {
			continue
		}
		if err := os.Remove(filepath.Join(f.sink.dir, file.name)); !os.IsNotExist(err) {
			errs = append(errs, err)
		}
	}
	f.files, f.opened, f.last, f.held = nil, nil, nil, 0
	return errors.Join(errs...)
}
