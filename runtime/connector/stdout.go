package connector

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// stdout writes each batch as it comes, in one piece, so that the lines of several
// subtasks don't mix. A pipe that nobody reads makes its writers wait, and nothing can
// end that: a goroutine writes, and the task waits for it as long as its attempt goes
// on.
type stdout struct {
	out   io.Writer
	lines lines
	over  <-chan struct{} // closed when the attempt ends
	why   func() error    // why it did
	texts chan []byte     // to the goroutine
	done  chan error      // from it, for each text; holds one, so that it never waits
	left  bool            // the goroutine still has a text, and nobody waits for it
}

func openStdout(ctx context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	if c.Stdout == nil {
		return nil, placed("stdout", "run the job in one process, or write to a file", errors.New("open stdout: standard output is not there where the operator runs"))
	}
	s := &stdout{
		out: c.Stdout, lines: lines{encode: encoderOf(op.Format.Encode)},
		over: ctx.Done(), why: func() error { return context.Cause(ctx) },
		texts: make(chan []byte), done: make(chan error, 1),
	}
	go s.run(s.texts)
	return s, nil
}

// run ends with Close, or when the Write that waits then ends.
func (s *stdout) run(texts <-chan []byte) {
	for text := range texts {
		_, err := s.out.Write(text)
		s.done <- err
	}
}

func (s *stdout) Write(batch []byte) error {
	if err := s.lines.write(batch, batchBytes, s.Flush); err != nil {
		return err
	}
	return s.Flush()
}

func (s *stdout) Flush() error {
	if s.left {
		return fmt.Errorf("write stdout: %w", s.why())
	}
	if len(s.lines.text) == 0 {
		return nil
	}
	s.texts <- s.lines.text
	select {
	case err := <-s.done:
		s.lines.reset(keepBuffer)
		if err != nil {
			return placed("stdout", writeHint(err), fmt.Errorf("write stdout: %w", cause(err)))
		}
		return nil
	case <-s.over:
		s.left, s.lines.text = true, nil // the goroutine's now
		return fmt.Errorf("write stdout: %w", s.why())
	}
}

// Close does not wait for a text that nobody reads.
func (s *stdout) Close() error {
	if s.texts != nil {
		close(s.texts)
		s.texts = nil
	}
	return nil
}
