package connector

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// fileSink stages what it writes at its destination, in files that begin with a dot
// (see part), and has the committer rename them (D5).
type fileSink struct {
	dir     string
	c       Context
	acts    acts
	lines   lines // encoded, not written yet
	create  func(path string) (*os.File, error)
	open    string // name of the file being written, which is locked; "" for none
	file    *os.File
	written bool     // the file has bytes
	broken  error    // a write that failed: part of lines may be in the file
	folders *folders // nil: all goes into the folder itself
	// earlier is, in a run from nothing, what earlier runs left of this subtask's
	// share; it goes when the first transaction is committed.
	earlier []earlierFile
}

const sinkBuffer = 256 << 10

func openFileSink(ctx context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	var with fileSettings
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	s := &fileSink{dir: with.Path, c: c, lines: lines{encode: encoderOf(op.Format.Encode)}, create: createNew}
	if with.PartitionBy != "" {
		pattern, err := parseFolderPattern(with.PartitionBy)
		if err != nil {
			return nil, fmt.Errorf("open sink: partitionBy %w", err)
		}
		s.folders = &folders{sink: s, pattern: pattern, files: map[string]*folderFile{}}
	}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return nil, s.failed("make folder", err)
	}
	// A folder that can't be written to is told before the first record is read.
	if err := s.moveIn(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

type fileSettings struct {
	Path        string `json:"path"`
	PartitionBy string `json:"partitionBy"`
}

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (s *fileSink) begin() error {
	name := openName(s.c.Subtask.Index, s.c.Attempt, nonce())
	file, err := s.create(filepath.Join(s.dir, name))
	if err != nil {
		return s.failed("create file", err)
	}
	if _, err := lock(file); err != nil {
		file.Close()
		os.Remove(file.Name())
		return s.failed("lock file", err)
	}
	s.open, s.file, s.written = name, file, false
	return nil
}

// nonce is a name that nothing else has.
func nonce() string {
	var random [8]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

func (s *fileSink) Write(batch []byte) error {
	if s.folders != nil {
		if s.broken == nil {
			s.broken = s.folders.write(batch)
		}
		return s.broken
	}
	return s.lines.write(batch, sinkBuffer, s.Flush)
}

// Flush hands what is encoded to the operating system.
func (s *fileSink) Flush() error {
	if s.folders != nil && s.broken == nil {
		s.broken = s.folders.flush()
	}
	if s.broken != nil || len(s.lines.text) == 0 {
		return s.broken
	}
	if _, err := s.file.Write(s.lines.text); err != nil {
		s.broken = s.failed("write file", err)
		return s.broken
	}
	s.written = true
	s.lines.reset(4 * sinkBuffer)
	return nil
}

func (s *fileSink) Prepare(checkpoint uint64) (operator.Transaction, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	t := fileTransaction{Checkpoint: checkpoint, Subtask: s.c.Subtask.Index}
	s.earlier = stillThere(s.dir, s.earlier)
	if s.written {
		if err := vacant(s.dir, visibleName(checkpoint, s.c.Subtask.Index), s.earlier); err != nil {
			return nil, err
		}
		t.Staged = preparedName(checkpoint, s.c.Subtask.Index, s.c.Attempt, s.open)
		if err := s.settle(t.Staged); err != nil {
			return nil, err
		}
	}
	if s.folders != nil {
		var err error
		if t.Parts, err = s.folders.settle(checkpoint); err != nil {
			return nil, err
		}
	}
	if len(s.earlier) > 0 {
		if err := s.acts.next(); err != nil {
			return nil, err
		}
		t.Marker = markerName(checkpoint, s.c.Subtask.Index, s.c.Attempt)
		if err := s.mark(t.Marker); err != nil {
			return nil, err
		}
	}
	if t.Staged == "" && len(t.Parts) == 0 && t.Marker == "" {
		return nil, nil
	}
	if err := s.acts.next(); err != nil {
		return nil, err
	}
	if err := syncFolder(s.dir); err != nil {
		return nil, s.failed("sync folder", err)
	}
	return json.Marshal(t)
}

// settle makes the open file durable under the name of what is prepared. The next one
// is opened before, so that there is never a time without a lock.
func (s *fileSink) settle(name string) error {
	file := s.file
	if err := s.begin(); err != nil {
		return err
	}
	return s.seal(file, name)
}

// seal makes a file durable under another name.
func (s *fileSink) seal(file *os.File, name string) error {
	if err := s.acts.next(); err != nil {
		return errors.Join(err, file.Close())
	}
	what, err := "sync file", file.Sync()
	if closeErr := file.Close(); err == nil && closeErr != nil {
		what, err = "close file", closeErr
	}
	if err == nil {
		if err := s.acts.next(); err != nil {
			return err
		}
		what, err = "rename file", os.Rename(file.Name(), filepath.Join(s.dir, name))
	}
	if err != nil {
		os.Remove(file.Name())
		return s.failed(what, err)
	}
	return nil
}

// mark leaves a file that says what the commit removes: it may be more than a
// transaction should hold.
func (s *fileSink) mark(name string) error {
	text, err := json.Marshal(s.earlier)
	if err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	file, err := s.create(filepath.Join(s.dir, name))
	if err != nil {
		return s.failed("create file", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		os.Remove(filepath.Join(s.dir, name))
		return s.failed("write file", err)
	}
	return nil
}

// drop removes the file that is open.
func (s *fileSink) drop() error {
	if s.open == "" {
		return nil
	}
	s.file.Close()
	err := os.Remove(filepath.Join(s.dir, s.open))
	s.open, s.file, s.written = "", nil, false
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// Close drops what was not prepared.
func (s *fileSink) Close() error {
	s.lines.text = nil
	err := s.drop()
	if s.folders != nil {
		err = errors.Join(err, s.folders.drop())
	}
	if err != nil {
		return s.failed("remove file", err)
	}
	return nil
}

func (s *fileSink) failed(what string, err error) error {
	return placed(s.dir, writeHint(err), fmt.Errorf("%s: %w", what, cause(err)))
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
