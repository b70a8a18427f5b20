package connector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

var (
	// errNotYet is a reader's word that it has no bytes at the moment.
	errNotYet = errors.New("no input at the moment")
	// errLater ends a poll that has read much and found no record.
	errLater = errors.New("more input another time")
	// errOversize is peek's word that the line at hand is longer than allowed.
	errOversize = errors.New("line too long")
)

const (
	scanBuffer = 256 << 10
	keepBuffer = 1 << 20 // a larger buffer is let go when the line that needed it is done
	pollReads  = 64      // reads of one poll; bounds its time when lines are huge
	headBytes  = 1 << 10 // how much of an oversize line is kept for its rejection
)

// scanner cuts bytes into lines. Its memory is bounded by the longest line allowed.
// It has two steps, peek and take, so that a csv row can span lines.
type scanner struct {
	in      io.Reader // may say errNotYet
	maxLine int
	buf     []byte
	from    int // buf[from:to] is not taken yet
	to      int
	offset  int64 // of buf[from] in the input
	line    int64 // lines before buf[from]
	ended   bool
	reads   int // left in this poll

	skipped int64  // bytes of an oversize line that are dropped so far
	head    []byte // its beginning
}

func newScanner(in io.Reader, maxLine int) scanner {
	return scanner{in: in, maxLine: maxLine, buf: make([]byte, min(scanBuffer, maxLine+2)), reads: pollReads}
}

// poll begins a poll: the scanner may read again.
func (s *scanner) poll() { s.reads = pollReads }

// peek finds the end of the line that begins after the first `after` bytes not taken.
// The bytes are s.text(n), with the line's end. io.EOF says that nothing is there.
func (s *scanner) peek(after int) (n int, err error) {
	for searched := after; ; {
		if i := bytes.IndexByte(s.buf[s.from+searched:s.to], '\n'); i >= 0 {
			return s.bounded(searched + i + 1)
		}
		searched = s.to - s.from
		if searched >= s.maxLine+2 {
			return 0, errOversize
		}
		if s.ended {
			if searched == after {
				return 0, io.EOF
			}
			return s.bounded(searched)
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

func (s *scanner) bounded(n int) (int, error) {
	if len(s.text(n)) > s.maxLine {
		return 0, errOversize
	}
	return n, nil
}

// fill reads once, behind the bytes not taken.
func (s *scanner) fill() error {
	if s.reads == 0 {
		return errLater
	}
	if s.to == len(s.buf) || s.oversized() {
		s.makeRoom()
	}
	n, err := s.in.Read(s.buf[s.to:])
	s.to += n
	s.reads--
	if err == io.EOF {
		s.ended = true
		return nil
	}
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// oversized says that the buffer has grown for a line that is done.
func (s *scanner) oversized() bool {
	return len(s.buf) > keepBuffer && s.to-s.from <= scanBuffer/2
}

func (s *scanner) makeRoom() {
	kept := s.buf[s.from:s.to]
	switch size := len(s.buf); {
	case s.oversized():
		s.buf = make([]byte, scanBuffer)
	case len(kept) > size/2 && size < s.maxLine+2:
		s.buf = make([]byte, min(2*size, s.maxLine+2))
	}
	copy(s.buf, kept)
	s.from, s.to = 0, len(kept)
}

// text is the first n bytes not taken, without the line's end: \n or \r\n.
func (s *scanner) text(n int) []byte { return chomp(s.buf[s.from : s.from+n]) }

func chomp(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}

// take moves behind the first n bytes, which are so many lines.
func (s *scanner) take(n int, lines int64) {
	s.from += n
	s.offset += int64(n)
	s.line += lines
}

// skip drops the oversize line at hand, in as many polls as its reading takes. When
// it returns nil the line is taken. Until then offset stays where the line begins, so
// that a position is never in the middle of it.
func (s *scanner) skip() error {
	for {
		rest := s.buf[s.from:s.to]
		if s.skipped == 0 {
			s.head = append(s.head[:0], rest[:min(headBytes, len(rest))]...)
		}
		i := bytes.IndexByte(rest, '\n')
		n := i + 1
		if i < 0 {
			n = len(rest)
		}
		s.from += n
		s.skipped += int64(n)
		if i >= 0 || s.ended {
			s.offset += s.skipped
			s.line++
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// oversize is the reason for rejecting the line that skip has dropped; s.head is how
// it began.
func (s *scanner) oversize() string {
	size := s.skipped
	s.skipped = 0
	return fmt.Sprintf("a line of %d bytes is longer than maxLine, %d; only its first %d bytes are kept", size, s.maxLine, len(s.head))
}
