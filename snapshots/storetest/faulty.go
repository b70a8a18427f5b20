package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

// Fault is what happens to one operation of a store.
type Fault int

// The faults.
const (
	None        Fault = iota
	Unavailable       // 503: nothing is done
	Reset             // the connection breaks before anything is done, or in the middle of reading
	LostReply         // it is done, but an error comes back
	Late              // an error comes back, and it is done afterwards: when one more operation is over
	Stall             // it is done, but takes Faulty.Delay, or until the context ends
	Torn              // half of what is written arrives; the object is not there, as in any store
	Crash             // as Reset, and from then on every operation fails: the process is dead
	CrashAfter        // as LostReply, and from then on every operation fails
)

// ErrCrashed is the error of a store whose process is dead.
var ErrCrashed = errors.New("crashed")

// Op is an operation of a store that is about to happen.
type Op struct {
	Number int    // from 1
	Verb   string // Get, Put, PutIfAbsent, List, Delete, Copy
	Name   string // of the object, or the prefix
}

// Faulty is a store in front of another that fails on demand. Its fields are set before
// its first use.
type Faulty struct {
	snapshots.Store
	// Decide says what happens to an operation; nil: nothing. It is called by one
	// goroutine at a time.
	Decide func(Op) Fault
	// Delay of Stall; 0: 10 s.
	Delay time.Duration

	mu      sync.Mutex
	count   int         // guarded by mu
	crashed bool        // guarded by mu
	late    []lateWrite // guarded by mu
}

// lateWrite is a write that will still arrive.
type lateWrite struct {
	due int // before which operation
	do  func() error
}

// Ops is how many operations there were.
func (f *Faulty) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// CrashAt makes a decision: the k-th operation never happens, nor any after it.
func CrashAt(k int) func(Op) Fault {
	return func(op Op) Fault {
		if op.Number == k {
			return Crash
		}
		return None
	}
}

// At makes a decision: a fault happens to the k-th operation alone.
func At(k int, fault Fault) func(Op) Fault {
	return func(op Op) Fault {
		if op.Number == k {
			return fault
		}
		return None
	}
}

// begin counts an operation and decides on its fate. What was late arrives.
func (f *Faulty) begin(verb, name string) (Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	f.late = slices.DeleteFunc(f.late, func(l lateWrite) bool {
		if l.due <= f.count {
			_ = l.do() // nobody waits for its result
		}
		return l.due <= f.count
	})
	if f.crashed {
		return None, ErrCrashed
	}
	what := None
	if f.Decide != nil {
		what = f.Decide(Op{f.count, verb, name})
	}
	switch what {
	case Unavailable, Reset:
		return what, failure(what, verb, name)
	case Crash:
		f.crashed = true
		return what, ErrCrashed
	case CrashAfter:
		f.crashed = true
	}
	return what, nil
}

func failure(what Fault, verb, name string) error {
	switch what {
	case Unavailable:
		return fault.Transientf("%s %s: 503 service unavailable", verb, name)
	case CrashAfter:
		return ErrCrashed
	}
	return fault.Transientf("%s %s: %w", verb, name, syscall.ECONNRESET)
}

// write does a writing operation with its fault.
func (f *Faulty) write(ctx context.Context, verb, name string, do func(context.Context) error) error {
	what, err := f.begin(verb, name)
	if err != nil {
		return err
	}
	switch what {
	case Torn:
		return failure(what, verb, name)
	case Late:
		f.mu.Lock()
		f.late = append(f.late, lateWrite{f.count + 2, func() error { return do(context.WithoutCancel(ctx)) }})
		f.mu.Unlock()
		return failure(what, verb, name)
	case Stall:
		if err := f.stall(ctx); err != nil {
			return fault.As(fault.ErrTransient, fmt.Errorf("%s %s: %w", verb, name, err))
		}
	}
	err = do(ctx)
	if what == LostReply || what == CrashAfter {
		return failure(what, verb, name)
	}
	return err
}

func (f *Faulty) stall(ctx context.Context) error {
	delay := f.Delay
	if delay == 0 {
		delay = 10 * time.Second
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements snapshots.Store. A reset comes in the middle of reading if asked for by
// LostReply or Torn.
func (f *Faulty) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	what, err := f.begin("Get", name)
	if err != nil {
		return nil, err
	}
	if what == Stall {
		if err := f.stall(ctx); err != nil {
			return nil, fault.As(fault.ErrTransient, err)
		}
	}
	r, err := f.Store.Get(ctx, name, offset, length)
	if err != nil || what != LostReply && what != Torn && what != Late && what != CrashAfter {
		return r, err
	}
	data, err := io.ReadAll(r)
	r.Close()
	if err != nil {
		return nil, err
	}
	return io.NopCloser(&brokenReader{bytes.NewReader(data[:len(data)/2]), failure(what, "Get", name)}), nil
}

type brokenReader struct {
	r   io.Reader
	err error
}

func (b *brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// Put implements snapshots.Store.
func (f *Faulty) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	what, err := f.begin("Put", name)
	if err != nil {
		return err
	}
	switch what {
	case Stall:
		if err := f.stall(ctx); err != nil {
			return fault.As(fault.ErrTransient, err)
		}
	case Torn:
		if _, err := io.CopyN(io.Discard, data, max(size/2, 1)); err != nil && err != io.EOF {
			return err
		}
		return failure(what, "Put", name)
	}
	err = f.Store.Put(ctx, name, data, size)
	if what == LostReply || what == Late || what == CrashAfter {
		return failure(what, "Put", name)
	}
	return err
}

// PutIfAbsent implements snapshots.Store.
func (f *Faulty) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	data = bytes.Clone(data)
	return f.write(ctx, "PutIfAbsent", name, func(ctx context.Context) error { return f.Store.PutIfAbsent(ctx, name, data) })
}

// Delete implements snapshots.Store.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	return f.write(ctx, "Delete", name, func(ctx context.Context) error { return f.Store.Delete(ctx, name) })
}

// Copy implements snapshots.Store.
func (f *Faulty) Copy(ctx context.Context, from, to string) error {
	return f.write(ctx, "Copy", to, func(ctx context.Context) error { return f.Store.Copy(ctx, from, to) })
}

// List implements snapshots.Store.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[snapshots.Object, error] {
	return func(yield func(snapshots.Object, error) bool) {
		what, err := f.begin("List", prefix)
		if err == nil && what == Stall {
			err = f.stall(ctx)
		}
		if err == nil && (what == LostReply || what == Torn || what == Late || what == CrashAfter) {
			err = failure(what, "List", prefix)
		}
		if err != nil {
			yield(snapshots.Object{}, err)
			return
		}
		f.Store.List(ctx, prefix)(yield)
	}
}
