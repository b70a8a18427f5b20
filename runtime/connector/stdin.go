package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func openStdin(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	var with struct {
		MaxLine int `json:"maxLine"`
	}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	if c.Stdin == nil {
		return nil, placed("stdin", "run the job in one process, without --workers", errors.New("open stdin: standard input is not there where the operator runs"))
	}
	in := input{Reader: c.Stdin}
	switch stdin := c.Stdin.(type) {
	case *os.File:
		var err error
		if in, err = waitingInput(stdin); err != nil {
			return nil, placed("stdin", "", fmt.Errorf("open stdin: %w", err))
		}
	case io.Closer:
		in.interrupt = stdin.Close
	}
	return newStreamSource("stdin", in, with.MaxLine, op.Format, c)
}

// waitingFile reads a file that may be a terminal or a pipe which other processes
// share. Such a read can't be ended by closing it, nor be made non-blocking without
// making it so for the others: it waits in poll(2), for the file or for a pipe of its
// own.
type waitingFile struct {
	file *os.File
	wake *os.File // readable when the reading is to end
}

func waitingInput(file *os.File) (input, error) {
	wake, stop, err := os.Pipe()
	if err != nil {
		return input{}, err
	}
	return input{Reader: waitingFile{file, wake}, interrupt: stop.Close, release: wake.Close}, nil
}

func (w waitingFile) Read(p []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(w.file.Fd()), Events: unix.POLLIN}, {Fd: int32(w.wake.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case fds[1].Revents != 0:
			return 0, os.ErrClosed
		case fds[0].Revents != 0:
			return w.file.Read(p)
		}
	}
}
