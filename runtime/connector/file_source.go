package connector

import (
	"context"
	"errors"
	"io"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// fileSource reads files one after another. Each is a split.
type fileSource struct {
	format  graph.Format
	maxLine int
	c       Context
	splits  []fileSplit
	at      int       // the split being read
	last    int       // the split of what was read last
	file    *openFile // it, once it is open
	out     record.Builder
}

type fileSplit struct {
	path     string
	position filePosition
	started  bool
	done     bool
}

func openFileSource(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	var with struct {
		Path    string `json:"path"`
		MaxLine int    `json:"maxLine"`
	}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	s := &fileSource{format: op.Format, maxLine: with.MaxLine, c: c}
	if c.Restore != nil {
		return s, s.restore()
	}
	paths, err := findFiles(with.Path)
	if err != nil {
		return nil, err
	}
	for j, path := range paths {
		if j%c.Parallelism == c.Subtask.Index {
			s.splits = append(s.splits, fileSplit{path: path})
		}
	}
	return s, s.checkReadable()
}

// checkReadable opens what will be read, so that a job fails before it began and not
// at its last file.
func (s *fileSource) checkReadable() error {
	for i := range s.splits {
		f, _, err := openRegular(s.splits[i].path)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

func (s *fileSource) restore() error {
	for _, from := range s.c.Restore {
		split := fileSplit{path: from.ID, done: from.Done, started: from.Position != ""}
		if split.started {
			var err error
			if split.position, err = parseFilePosition(from.Position); err != nil {
				return placed(from.ID, "", err)
			}
		}
		s.splits = append(s.splits, split)
	}
	return nil
}

func (s *fileSource) Poll(most int) (operator.Status, error) {
	s.out.Reset()
	status, err := s.read(most)
	if err != nil {
		return operator.End, err
	}
	return status, s.c.give(&s.out)
}

func (s *fileSource) read(most int) (operator.Status, error) {
	for s.at < len(s.splits) {
		split := &s.splits[s.at]
		if split.done {
			s.at++
			continue
		}
		s.last = s.at
		if s.file == nil {
			var err error
			if s.file, err = openSplit(split, s.format, s.maxLine); err != nil {
				return operator.End, err
			}
			split.started = true
		}
		s.file.feed.poll()
		_, err := s.file.feed.read(&s.out, most, s.c.Collector)
		switch {
		case err == nil || err == errLater:
			return operator.More, nil
		case err != io.EOF:
			return operator.End, s.readError(split.path, err)
		}
		return operator.More, s.finish(split)
	}
	return operator.End, nil
}

// Reading implements operator.Splitted.
func (s *fileSource) Reading() (split string, done bool) {
	if len(s.splits) == 0 {
		return "", false
	}
	return s.splits[s.last].path, s.splits[s.last].done
}

func (s *fileSource) finish(split *fileSplit) error {
	if err := s.file.unchanged(); err != nil {
		return err
	}
	split.position, split.done = s.file.position(), true
	err := s.file.Close()
	s.file = nil
	return err
}

func (s *fileSource) readError(path string, err error) error {
	if fileErr := (*fileError)(nil); errors.As(err, &fileErr) {
		return placed(path, fileErr.hint(), fileErr)
	}
	return err
}

func (s *fileSource) Ready() <-chan struct{} { return nil }

func (s *fileSource) Position() []operator.Split {
	splits := make([]operator.Split, len(s.splits))
	for i := range s.splits {
		split := &s.splits[i]
		splits[i] = operator.Split{ID: split.path, Done: split.done}
		if i == s.at && s.file != nil {
			split.position = s.file.position()
		}
		if split.started {
			splits[i].Position = split.position.String()
		}
	}
	return splits
}

func (s *fileSource) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// give gives out the records that a source has built, if there are any, and lets go of a
// batch that a huge one has grown.
func (c Context) give(out *record.Builder) error {
	if out.Count() == 0 {
		return nil
	}
	err := c.Collector.Emit(0, out.Bytes())
	if out.Len() > keepBuffer {
		*out = record.Builder{}
	}
	return err
}
