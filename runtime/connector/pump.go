package connector

import (
	"errors"
	"io"
	"sync"
)

// input is what a pump reads.
type input struct {
	io.Reader
	interrupt func() error // ends a Read that waits; nil if nothing can
	release   func() error // called once, when no Read is under way; may be nil
}

// pump lets a source read without waiting from an input that makes its readers wait:
// one goroutine moves bytes into a bounded buffer.
type pump struct {
	in       input
	ready    chan struct{} // signalled when Read has something to say again
	space    chan struct{} // signalled when the buffer has room again
	stopping chan struct{}
	ended    chan struct{} // closed when the goroutine is gone; nil before it is there

	mu     sync.Mutex
	buf    []byte // guarded by mu; a ring
	first  int    // guarded by mu
	filled int    // guarded by mu
	err    error  // guarded by mu; why nothing comes behind the buffer
	hungry bool   // guarded by mu; Read has said errNotYet and wants a signal
}

const (
	pumpBuffer = 1 << 20
	pumpRead   = 64 << 10
)

// streamError is an error of the input, and not of its records.
type streamError struct{ err error }

func (e *streamError) Error() string { return e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }

func newPump(in input) *pump {
	return &pump{in: in, ready: make(chan struct{}, 1), space: make(chan struct{}, 1), stopping: make(chan struct{})}
}

func (p *pump) start() {
	p.buf = make([]byte, pumpBuffer)
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.run()
	}()
}

func (p *pump) run() {
	chunk := make([]byte, pumpRead)
	for {
		n, err := p.in.Read(chunk)
		for rest := chunk[:n]; len(rest) > 0; {
			rest = rest[p.put(rest):]
			if len(rest) == 0 {
				break
			}
			select {
			case <-p.space:
			case <-p.stopping:
				return
			}
		}
		if err != nil {
			p.fail(err)
			return
		}
		select {
		case <-p.stopping:
			return
		default:
		}
	}
}

// put moves what there is room for.
func (p *pump) put(from []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved := 0
	for moved < len(from) && p.filled < len(p.buf) {
		at := (p.first + p.filled) % len(p.buf)
		n := copy(p.buf[at:min(len(p.buf), at+len(p.buf)-p.filled)], from[moved:])
		moved += n
		p.filled += n
	}
	p.wake()
	return moved
}

func (p *pump) fail(err error) {
	if err != io.EOF {
		err = &streamError{err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.wake()
}

// wake is called with mu held.
func (p *pump) wake() {
	if p.hungry {
		p.hungry = false
		signal(p.ready)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Read never waits: it says errNotYet, and ready is signalled when that has changed.
func (p *pump) Read(to []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filled == 0 {
		if p.err == nil {
			p.hungry = true
			return 0, errNotYet
		}
		return 0, p.err
	}
	n := copy(to, p.buf[p.first:min(len(p.buf), p.first+p.filled)])
	p.first = (p.first + n) % len(p.buf)
	p.filled -= n
	signal(p.space)
	return n, nil
}

// stop ends the goroutine, if it was started, and waits for its end unless the input
// can't be interrupted: then it ends when its Read does.
func (p *pump) stop() error {
	select {
	case <-p.stopping:
		return nil
	default:
		close(p.stopping)
	}
	if p.in.interrupt == nil {
		return nil
	}
	err := p.in.interrupt()
	if p.ended != nil {
		<-p.ended
	}
	if p.in.release != nil {
		err = errors.Join(err, p.in.release())
	}
	return err
}
