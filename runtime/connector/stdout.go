package connector

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// stdout writes each batch as it comes, in one piece, so that the lines of several
// subtasks don't mix.
type stdout struct {
	out    io.Writer
	encode encode
	text   []byte
	cursor record.Cursor // of the batch being written; here, so that it is not allocated for each
}

func openStdout(_ context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	if c.Stdout == nil {
		return nil, placed("stdout", "run the job in one process, or write to a file", errors.New("open stdout: standard output is not there where the operator runs"))
	}
	return &stdout{out: c.Stdout, encode: encoderOf(op.Format.Encode)}, nil
}

func (s *stdout) Write(batch []byte) error {
	s.cursor = *record.NewCursor(batch)
	for s.cursor.Next() {
		if s.text = s.encode(s.text, &s.cursor.Record); len(s.text) >= batchBytes {
			if err := s.Flush(); err != nil {
				return err
			}
		}
	}
	return s.Flush()
}

func (s *stdout) Flush() error {
	if len(s.text) == 0 {
		return nil
	}
	_, err := s.out.Write(s.text)
	if s.text = s.text[:0]; cap(s.text) > keepBuffer {
		s.text = nil
	}
	if err != nil {
		return placed("stdout", writeHint(err), fmt.Errorf("write stdout: %w", cause(err)))
	}
	return nil
}

func (s *stdout) Close() error { return nil }
