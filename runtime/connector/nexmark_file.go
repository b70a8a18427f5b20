package connector

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// nexmarkFile gives out events that were written down, one JSON object on a line. The
// number of an event is that of its line, from 0. Each subtask reads the whole file, and
// a restored one from its start: what is compressed can't be entered in the middle. With
// a schedule, a restored one goes on with it from the first line that it has not given out.
type nexmarkFile struct {
	path   string
	c      Context
	splits nexmarkSplits
	file   *os.File
	size   int64 // of the file, when it was opened
	scan   scanner
	end    int64    // how many lines are read; known when the file has ended
	clock  schedule // says when a line is due, and nothing of its timestamp
	out    record.Builder
}

func openNexmarkFile(with nexmarkSettings, c Context) (operator.Source, error) {
	file, info, err := openRegular(with.File)
	if err != nil {
		return nil, err
	}
	s := &nexmarkFile{path: with.File, c: c, file: file, size: info.Size(), end: with.Events}
	if err := s.open(with.MaxLine); err != nil {
		file.Close()
		return nil, err
	}
	if with.Speed == "scheduled" {
		s.clock = newSchedule(time.Time{}, with.Rate, 0)
		s.clock.since = time.Duration(mulDiv(uint64(s.splits.round), uint64(time.Second), uint64(with.Rate)))
	}
	return s, nil
}

func (s *nexmarkFile) open(maxLine int) error {
	if err := s.restore(); err != nil {
		return err
	}
	var in io.Reader = fileReader{s.file}
	magic := make([]byte, 2)
	if n, _ := s.file.ReadAt(magic, 0); n == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		zip, err := gzip.NewReader(in)
		if err != nil {
			return placed(s.path, "", &fileError{err})
		}
		in = zipReader{zip}
	}
	s.scan = newScanner(in, maxLine)
	return nil
}

// restore takes the file's size off the positions, which is there to notice that
// another file lies at the path.
func (s *nexmarkFile) restore() error {
	c := s.c
	for i, from := range c.Restore {
		if i == 0 {
			c.Restore = make([]operator.Split, len(s.c.Restore))
		}
		number, size, found := strings.Cut(from.Position, ":")
		was, err := strconv.ParseInt(size, 10, 64)
		if !found || err != nil {
			return fault.Corruptf("read position: %q of split %s is not NUMBER:SIZE", from.Position, from.ID)
		}
		if was != s.size {
			return placed(s.path, "give it files that are complete; move them into place when they are", errors.New("read file: it has changed since the job began to read it"))
		}
		c.Restore[i] = operator.Split{ID: from.ID, Position: number, Done: from.Done}
	}
	var err error
	s.splits, err = openNexmarkSplits(c)
	return err
}

func (s *nexmarkFile) Poll(most int) (operator.Status, error) {
	s.out.Reset()
	s.scan.poll()
	status, err := s.read(most)
	if err != nil {
		return operator.End, err
	}
	return status, s.c.give(&s.out)
}

func (s *nexmarkFile) read(most int) (operator.Status, error) {
	due := s.end
	if s.clock.rate > 0 {
		due = s.clock.due()
	}
	for met := 0; met < most && s.out.Len() < batchBytes; {
		if len(s.splits.own) == 0 || s.scan.line >= s.end {
			return operator.End, nil
		}
		if s.scan.line >= due {
			s.clock.wake(s.scan.line)
			return operator.Idle, nil
		}
		next := &s.splits.next[s.scan.line%nexmarkParts]
		own := *next == s.scan.line
		switch err := s.line(own); {
		case err == nil:
		case err == io.EOF:
			s.end = s.scan.line
			return operator.End, nil
		case err == errLater:
			return operator.More, nil
		default:
			return operator.End, s.readError(err)
		}
		if own {
			*next += nexmarkParts
			met++
		}
	}
	return operator.More, nil
}

func (s *nexmarkFile) readError(err error) error {
	if fileErr := (*fileError)(nil); errors.As(err, &fileErr) {
		return placed(s.path, fileErr.hint(), fileErr)
	}
	return err
}

// line reads the next line, and gives it out if it is the subtask's own.
func (s *nexmarkFile) line(own bool) error {
	n, err := 0, errOversize
	if s.scan.skipped == 0 {
		n, err = s.scan.peek(0)
	}
	if err == errOversize {
		if err = s.scan.skip(); err != nil {
			return err
		}
		reason := s.scan.oversize()
		if !own {
			return nil
		}
		return s.reject(s.scan.head, s.scan.line, reason)
	}
	if err != nil {
		return err
	}
	text, number := s.scan.text(n), s.scan.line
	s.scan.take(n, 1)
	if !own || blank(text) {
		return nil
	}
	if reason := addNexmark(&s.out, text, number); reason != "" {
		return s.reject(text, s.scan.line, reason)
	}
	return nil
}

func (s *nexmarkFile) reject(text []byte, line int64, reason string) error {
	return s.c.Collector.Reject(operator.Rejection{
		Record: record.Record{Kind: record.KeyAbsent, Timestamp: record.NoTimestamp, Value: text},
		Place:  s.path + ":" + strconv.FormatInt(line, 10),
		Reason: reason,
	})
}

func (s *nexmarkFile) Ready() <-chan struct{} { return s.clock.ready }

func (s *nexmarkFile) Position() []operator.Split {
	splits := s.splits.positions(s.end)
	for i := range splits {
		splits[i].Position += ":" + strconv.FormatInt(s.size, 10)
	}
	return splits
}

// zipReader marks the errors of what is compressed as such of the file.
type zipReader struct{ zip *gzip.Reader }

func (r zipReader) Read(p []byte) (int, error) {
	n, err := r.zip.Read(p)
	if fileErr := (*fileError)(nil); err != nil && err != io.EOF && !errors.As(err, &fileErr) {
		err = &fileError{err}
	}
	return n, err
}

func (s *nexmarkFile) Close() error {
	s.clock.stop()
	return s.file.Close()
}
