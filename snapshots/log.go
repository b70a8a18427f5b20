package snapshots

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
)

// Log is the truth about a job: entries numbered from 1 without holes, each created if
// absent and never changed (D3). Who wants to write fences first, under a term above
// all others; from then on nothing that a former writer does has an effect (C1).
//
// Methods may be called by several goroutines; they wait for each other.
type Log struct {
	Store  Store
	Job    id.Job
	Writer string // unique among all that ever write; not needed to read

	mu     sync.Mutex
	loaded bool
	state  State // guarded by mu; as far as the log is known
}

// TrimAfter is how many entries may follow a trim until the next is due.
const TrimAfter = 64

// rereads is how often a log is read anew that changes under the reader.
const rereads = 5

func (l *Log) object(number uint64) string { return JobFolder(l.Job) + "/" + entryName(number) }

// Read reads what is new in the log and says what it says. An empty log is no error.
func (l *Log) Read(ctx context.Context) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.refresh(ctx)
	return l.state, err
}

// Confirm is Read for the writer who took the log over with a term. ErrFenced: somebody
// else did since.
func (l *Log) Confirm(ctx context.Context, term uint64) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return l.state, err
	}
	return l.state, l.owned(term)
}

// Fence takes the log over: it creates a fence entry under the term, which must be above
// all others: State.NextTerm. ErrFenced: somebody else took it with that term or a
// higher one. The state has all that was in time.
func (l *Log) Fence(ctx context.Context, term uint64, now time.Time) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return l.state, err
	}
	return l.append(ctx, Entry{Fence: &Fence{}, Term: term, Time: now}, func() error {
		if l.state.Term >= term {
			return fencedf("take over log of %s: term %d is not above %d", l.Job, term, l.state.Term)
		}
		return nil
	})
}

// Append creates an entry in the lowest free place, under a term that Fence took.
//
// ErrFenced: somebody else took the log over, and the entry is not in it. DanglingError:
// a manifest that names what may be deleted is not in it either. After any other error
// it may or may not be there, or come to be until the next Append succeeds:
// the state that one returns tells. Trying again with the same entry is always right.
func (l *Log) Append(ctx context.Context, e Entry, term uint64) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.loaded {
		if err := l.refresh(ctx); err != nil {
			return l.state, err
		}
	}
	e.Term = term
	return l.append(ctx, e, func() error {
		if err := l.owned(term); err != nil {
			return err
		}
		// D4: what a manifest names is its own or retained.
		if e.Checkpoint != nil {
			if packs := l.state.Dangling(e.Checkpoint); len(packs) > 0 {
				return &DanglingError{e.Checkpoint.Checkpoint, packs}
			}
		}
		return nil
	})
}

// owned refuses who did not take the log over, or lost it.
func (l *Log) owned(term uint64) error {
	if l.state.Term != term || l.state.Writer != l.Writer {
		return fencedf("own the log of %s: term %d by %q, the log has %d by %q", l.Job, term, l.Writer, l.state.Term, l.state.Writer)
	}
	return nil
}

// append creates an entry where the known log ends, as long as allowed says so.
func (l *Log) append(ctx context.Context, e Entry, allowed func() error) (State, error) {
	if l.Writer == "" {
		return l.state, fmt.Errorf("append to log of %s: no writer is named", l.Job)
	}
	e.Writer = l.Writer
	data, err := EncodeEntry(&e)
	if err != nil {
		return l.state, err
	}
	for {
		if err := allowed(); err != nil {
			return l.state, err
		}
		e.Number = l.state.Next
		there, err := l.create(ctx, e.Number, data)
		if err != nil {
			return l.state, fmt.Errorf("append to log of %s: %w", l.Job, err)
		}
		if there == nil {
			err = l.state.Step(e)
			l.state.tail = head(data)
			return l.state, err
		}
		if err := l.take(e.Number, there); err != nil {
			return l.state, err
		}
	}
}

// create creates an entry, or returns what lies in its place.
func (l *Log) create(ctx context.Context, number uint64, data []byte) (there []byte, err error) {
	err = l.Store.PutIfAbsent(ctx, l.object(number), data)
	if err != nil {
		// Whatever went wrong, what lies there now decides: a reply may have been lost.
		there, readErr := ReadAll(ctx, l.Store, l.object(number), maxEntry)
		switch {
		case readErr == nil && !bytes.Equal(there, data):
			return there, nil
		case readErr != nil && errors.Is(err, ErrExists):
			return nil, readErr
		case readErr != nil:
			return nil, err
		}
	}
	// C1: who slept may have found a place that is free because the log was trimmed.
	joined, err := l.joined(ctx, number, l.state.tail)
	if err == nil && !joined {
		l.loaded = false
		err = fencedf("entry %d is far behind the log's end", number)
	}
	return nil, err
}

// joined tells whether an entry has its place at the end of a log: the one before must
// be that which is known. Entries are deleted oldest first: if it is there, the place
// had never been taken.
func (l *Log) joined(ctx context.Context, number uint64, known string) (bool, error) {
	if number > 1 {
		r, err := l.Store.Get(ctx, l.object(number-1), 0, int64(sumSize))
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		return head(data) == known, err
	}
	numbers, err := l.list(ctx)
	return len(numbers) > 0 && numbers[len(numbers)-1] == uint64(len(numbers)), err
}

// head is how an entry begins: its checksum, by which it is known.
func head(data []byte) string { return string(data[:min(len(data), sumSize)]) }

// take steps over an entry that somebody wrote. One that can't be read and is not known
// to be ours may be a fence.
func (l *Log) take(number uint64, data []byte) error {
	e, err := DecodeEntry(number, data)
	if err != nil {
		l.loaded = false
		return fencedf("append to log of %s: somebody else wrote: %w", l.Job, err)
	}
	l.state.tail = head(data)
	return l.state.Step(e)
}

// refresh reads on from where the log is known to, or all of it the first time.
func (l *Log) refresh(ctx context.Context) (err error) {
	for range rereads {
		state := l.state
		if !l.loaded {
			state, err = l.load(ctx)
		}
		if err == nil {
			state, err = l.follow(ctx, state)
		}
		if err == nil {
			l.state, l.loaded = state, true
			return nil
		}
		// Entries may be deleted below a trim while they are read.
		if !errors.Is(err, ErrNotFound) && !errors.Is(err, fault.ErrCorrupt) {
			return err
		}
		l.state, l.loaded = NewState(), false
	}
	return err
}

// load reads the whole log. A listing says where it begins: what lies before a hole is
// what a deposed writer left below a trim.
func (l *Log) load(ctx context.Context) (State, error) {
	state := NewState()
	numbers, err := l.list(ctx)
	if err != nil {
		return state, err
	}
	from := len(numbers)
	for from > 0 && (from == len(numbers) || numbers[from-1]+1 == numbers[from]) {
		from--
	}
	for _, n := range numbers[from:] {
		if err := l.step(ctx, &state, n); err != nil {
			return state, err
		}
	}
	return state, state.whole()
}

// follow reads entries until there is no next.
func (l *Log) follow(ctx context.Context, state State) (State, error) {
	for {
		err := l.step(ctx, &state, state.Next)
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrNotFound) || state.Next == 1 {
			return state, ignoreNotFound(err)
		}
		joined, err := l.joined(ctx, state.Next, state.tail)
		if err == nil && !joined {
			err = fmt.Errorf("read log of %s: it was trimmed: %w", l.Job, ErrNotFound)
		}
		return state, err
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// step reads one entry into the state. A damaged one is skipped, and said to be.
func (l *Log) step(ctx context.Context, state *State, number uint64) error {
	data, err := ReadAll(ctx, l.Store, l.object(number), maxEntry)
	if err != nil {
		return fmt.Errorf("read log of %s: %w", l.Job, err)
	}
	e, err := DecodeEntry(number, data)
	state.tail = head(data)
	switch {
	case errors.Is(err, fault.ErrCorrupt):
		return state.Skip(number, fmt.Errorf("%s: %w", l.object(number), err))
	case err != nil:
		return fmt.Errorf("read log of %s: %w", l.Job, err)
	}
	return state.Step(e)
}

func (l *Log) list(ctx context.Context) (numbers []uint64, err error) {
	folder := JobFolder(l.Job) + "/"
	for o, err := range l.Store.List(ctx, folder+"log/") {
		if err != nil {
			return nil, fmt.Errorf("list log of %s: %w", l.Job, err)
		}
		if n, ok := parseEntryName(strings.TrimPrefix(o.Name, folder)); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Trim appends what is still true, and deletes what came before the trim before. It is
// due when State.TrimDue.
func (l *Log) Trim(ctx context.Context, term uint64, now time.Time) (State, error) {
	state, err := l.appendTrim(ctx, term, now)
	if err != nil {
		return state, err
	}
	numbers, err := l.list(ctx)
	if err != nil {
		return state, err
	}
	for _, n := range numbers {
		if n >= state.keepFrom {
			break
		}
		if err := l.Store.Delete(ctx, l.object(n)); err != nil {
			return state, fmt.Errorf("trim log of %s: %w", l.Job, err)
		}
	}
	return state, nil
}

// appendTrim lets nothing come between what the trim repeats and the trim.
func (l *Log) appendTrim(ctx context.Context, term uint64, now time.Time) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return l.state, err
	}
	return l.append(ctx, Entry{Trim: trimOf(&l.state), Term: term, Time: now}, func() error { return l.owned(term) })
}

func trimOf(s *State) *Trim {
	t := &Trim{Spec: s.Spec, End: s.End, Last: s.Last, Began: s.Began, Below: s.lastTrim}
	t.Checkpoints = slices.Clone(s.Checkpoints)
	slices.Reverse(t.Checkpoints)
	return t
}

func fencedf(format string, args ...any) error {
	return fault.As(fault.ErrFenced, fmt.Errorf(format, args...))
}
