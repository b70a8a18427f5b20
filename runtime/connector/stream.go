package connector

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// streamSource reads lines that come when they come and are read only once: stdin and
// sockets. After a restore it goes on with what comes then.
type streamSource struct {
	name    string // of the input: the split, and the place of a rejection
	c       Context
	pump    *pump
	feed    feed
	out     record.Builder
	running bool
	done    bool
}

func newStreamSource(name string, in input, maxLine int, format graph.Format, c Context) (operator.Source, error) {
	p := newPump(in)
	s := &streamSource{name: name, c: c, pump: p}
	s.feed = feed{scan: newScanner(p, maxLine), dec: newDecoder(format), place: name}
	for _, from := range c.Restore {
		line, err := strconv.ParseInt(from.Position, 10, 64)
		if err != nil || line < 0 {
			return nil, errors.Join(placed(name, "", fault.Corruptf("read position: %q is not a number of lines", from.Position)), s.Close())
		}
		s.feed.scan.line, s.done = line, from.Done
	}
	if c.Restore != nil && len(c.Restore) == 0 {
		s.done = true
	}
	return s, nil
}

// Poll starts the reading when it is first called, so that no byte is taken from the
// input of a job that never starts.
func (s *streamSource) Poll(most int) (operator.Status, error) {
	if s.done {
		return operator.End, nil
	}
	if !s.running {
		s.running = true
		s.pump.start()
	}
	s.out.Reset()
	s.feed.poll()
	_, err := s.feed.read(&s.out, most, s.c.Collector)
	if emitErr := s.c.give(&s.out); emitErr != nil {
		return operator.End, emitErr
	}
	var lost *streamError
	switch {
	case err == nil || err == errLater:
		return operator.More, nil
	case err == errNotYet:
		return operator.Idle, nil
	case err == io.EOF:
		s.done = true
		return operator.End, nil
	case errors.As(err, &lost):
		return operator.End, placed(s.name, "", fault.As(fault.ErrTransient, fmt.Errorf("read: %w", syscallCause(lost.err))))
	}
	return operator.End, err
}

func (s *streamSource) Ready() <-chan struct{} { return s.pump.ready }

func (s *streamSource) Position() []operator.Split {
	return []operator.Split{{ID: s.name, Position: strconv.FormatInt(s.feed.scan.line, 10), Done: s.done}}
}

func (s *streamSource) Close() error { return s.pump.stop() }
