package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/wasmill/wasmill/snapshots"
)

// meter says on stderr how much of a store has been read: redrawn on a terminal, a line
// now and then elsewhere. Nil says nothing.
type meter struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	total int64     // guarded by mu; bytes, about
	read  int64     // guarded by mu
	last  time.Time // guarded by mu
	drawn bool      // guarded by mu
}

func newMeter(quiet bool) *meter {
	if quiet {
		return nil
	}
	return &meter{out: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd())), last: time.Now()}
}

// expect says that about n more bytes are to be read.
func (m *meter) expect(n int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += n
}

func (m *meter) add(n int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read += int64(n)
	every := lineEvery
	if m.terminal {
		every = redrawEvery
	}
	if time.Since(m.last) < every {
		return
	}
	m.last, m.drawn = time.Now(), true
	text := fmt.Sprintf("read %s of %s", size(m.read), size(max(m.read, m.total)))
	if m.terminal {
		fmt.Fprint(m.out, "\r", erase, text)
	} else {
		fmt.Fprintln(m.out, text)
	}
}

// close leaves a terminal as it was; what is read later is not shown.
func (m *meter) close() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.terminal && m.drawn {
		fmt.Fprint(m.out, "\r", erase)
	}
	m.drawn = false
}

// meteredStore counts what is read from a store.
type meteredStore struct {
	snapshots.Store
	meter *meter
}

// Get implements snapshots.Store.
func (s *meteredStore) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, name, offset, length)
	if err != nil || s.meter == nil {
		return r, err
	}
	return &meteredReader{r, s.meter}, nil
}

type meteredReader struct {
	io.ReadCloser
	meter *meter
}

func (r *meteredReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.meter.add(n)
	return n, err
}
