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
	"github.com/wasmill/wasmill/runtime/record"
)

// fileSink stages what it writes at its destination, in files that begin with a dot
// (see partName), and has the committer rename them (D5).
type fileSink struct {
	dir     string
	c       Context
	encode  encode
	cursor  record.Cursor // of the batch being written; here, so that it is not allocated for each
	create  func(path string) (*os.File, error)
	open    string // name of the file being written; "" for none
	file    *os.File
	written bool   // the file has bytes
	buf     []byte // encoded, not written yet
	broken  error  // a write that failed: part of buf may be in the file
	// earlier is, in a run from nothing, what earlier runs left of this subtask's
	// share; it goes when the first transaction is committed.
	earlier []earlierFile
}

const sinkBuffer = 256 << 10

func openFileSink(_ context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	dir, err := sinkFolder(op)
	if err != nil {
		return nil, err
	}
	s := &fileSink{dir: dir, c: c, encode: encoderOf(op.Format.Encode), create: createNew}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, s.failed("make folder", err)
	}
	if err := s.lookAround(); err != nil {
		return nil, s.failed("clean folder", err)
	}
	// A folder that can't be written to is told before the first record is read.
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

func sinkFolder(op *graph.Operator) (string, error) {
	var with struct {
		Path string `json:"path"`
	}
	err := settings(op, &with)
	return with.Path, err
}

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// lookAround removes what earlier attempts of this subtask staged. Of p subtasks,
// subtask i answers for all files whose subtask number leaves the remainder i when
// divided by p, so that no two meet, nor is any file of a larger run forgotten. In a
// run that goes on, what is prepared stays: the committer has still to end it.
func (s *fileSink) lookAround() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		part, ok := parsePart(entry.Name())
		if !ok || part.subtask%s.c.Parallelism != s.c.Subtask.Index || s.c.Restore != nil && part.stage != writing {
			continue
		}
		if part.stage == visible {
			if f, ok := identify(s.dir, entry.Name()); ok {
				s.earlier = append(s.earlier, f)
			}
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func (s *fileSink) begin() error {
	var nonce [8]byte
	rand.Read(nonce[:])
	name := openName(s.c.Subtask.Index, hex.EncodeToString(nonce[:]))
	file, err := s.create(filepath.Join(s.dir, name))
	if err != nil {
		return s.failed("create file", err)
	}
	s.open, s.file, s.written = name, file, false
	return nil
}

func (s *fileSink) Write(batch []byte) error {
	s.cursor = *record.NewCursor(batch)
	for s.cursor.Next() {
		if s.buf = s.encode(s.buf, &s.cursor.Record); len(s.buf) >= sinkBuffer {
			if err := s.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush hands what is encoded to the operating system.
func (s *fileSink) Flush() error {
	if s.broken != nil || len(s.buf) == 0 {
		return s.broken
	}
	if s.file == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(s.buf); err != nil {
		s.broken = s.failed("write file", err)
		return s.broken
	}
	s.written = true
	if s.buf = s.buf[:0]; cap(s.buf) > 4*sinkBuffer {
		s.buf = nil
	}
	return nil
}

func (s *fileSink) Prepare(checkpoint uint64) (operator.Transaction, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	t := fileTransaction{Checkpoint: checkpoint, Subtask: s.c.Subtask.Index}
	if s.written {
		t.Staged = preparedName(checkpoint, s.c.Subtask.Index, s.open)
		if err := s.settle(t.Staged); err != nil {
			return nil, err
		}
	} else if err := s.drop(); err != nil {
		return nil, s.failed("remove file", err)
	}
	if s.earlier = stillThere(s.dir, s.earlier); len(s.earlier) > 0 {
		t.Marker = markerName(checkpoint, s.c.Subtask.Index)
		if err := s.mark(t.Marker); err != nil {
			return nil, err
		}
	}
	if t.Staged == "" && t.Marker == "" {
		return nil, nil
	}
	if err := syncFolder(s.dir); err != nil {
		return nil, s.failed("sync folder", err)
	}
	return json.Marshal(t)
}

// settle makes the open file durable under the name of what is prepared.
func (s *fileSink) settle(name string) error {
	if err := s.file.Sync(); err != nil {
		return s.failed("sync file", err)
	}
	file := s.file
	s.file = nil
	if err := file.Close(); err != nil {
		return s.failed("close file", err)
	}
	if err := os.Rename(filepath.Join(s.dir, s.open), filepath.Join(s.dir, name)); err != nil {
		return s.failed("rename file", err)
	}
	s.open, s.written = "", false
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

// drop removes the file that is open, or was when settle failed.
func (s *fileSink) drop() error {
	if s.open == "" {
		return nil
	}
	if s.file != nil {
		s.file.Close()
	}
	err := os.Remove(filepath.Join(s.dir, s.open))
	s.open, s.file, s.written = "", nil, false
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// Close drops what was not prepared.
func (s *fileSink) Close() error {
	s.buf = nil
	if err := s.drop(); err != nil {
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
