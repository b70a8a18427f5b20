// Package state keeps the tables of a subtask: keyed tables cut by key group, in memory
// or on disk, timers among them, and the small tables of an operator that belong to no
// key. It takes snapshots of them and restores them, at any parallelism. It is not for
// when snapshots are taken (runtime/task) nor where they lie (snapshots).
//
// Start with Backend, the contract of keyed tables; Memory and Disk implement it.
// Tables is what a guest sees through its imports: keyed tables and operator tables
// behind one index. Timers live in a table of a Backend. Run is how snapshots are
// written, the same for all: what one backend wrote, the other restores.
//
// The model: a table maps (key, subkey) to bytes. The subkeys of a key are ordered
// bytewise; "" is a subkey like any other, the first. Keys are in hash order.
package state

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Limits of the model; beyond them operations fail with a guest fault.
const (
	MaxKey    = 1<<16 - 1 // bytes of a key
	MaxSubkey = 1<<16 - 1 // bytes of a subkey
	MaxValue  = 1<<28 - 1 // bytes of a value
	MaxTables = 255       // of a backend
)

// Scope is what a table belongs to.
type Scope string

// The scopes, as modules describe them.
const (
	ScopeKey       Scope = "key"       // the key of the record at hand
	ScopeSplit     Scope = "split"     // the subtask; entries are spread over the subtasks on a rescale
	ScopeUnion     Scope = "union"     // the subtask; on a restore each subtask gets the entries of all
	ScopeBroadcast Scope = "broadcast" // all subtasks alike; on a restore each gets a copy
)

// Table declares a table. Its name is its identity in snapshots; names that begin with
// "$" are the engine's.
type Table struct {
	Name string
	// Scope of the table; a Backend holds keyed ones only.
	Scope Scope
	// TTL is how long after its last write an entry is there, at a resolution of 1 ms.
	// 0: for ever.
	TTL time.Duration
}

// Options of a backend.
type Options struct {
	Tables     []Table // keyed; known by their index here
	First, End int     // the key groups of the subtask: [First, End)
	// Limit is how many bytes the entries may take: keys, subkeys, values and
	// EntryOverhead each. 0: no limit.
	Limit int64
	// Dir is where a disk backend keeps its files: a folder of its own, emptied when
	// the backend is opened and removed when it is closed.
	Dir string
	// Cache is how many bytes of RAM a disk backend takes, unless its names need more.
	// 0: 256 MiB.
	Cache int64
	// Pace is asked once for each snapshot, when it is taken. nil: who writes does not rest.
	Pace func() Pacer
}

// Pacer is called by who writes a snapshot, after some 10 µs of most of the work and after
// more of what can't be interrupted: it is told how much is done, from 0 to 1, and returns
// when to go on.
type Pacer func(done float64)

// EntryOverhead is what an entry counts for besides its key, subkey and value, in bytes.
const EntryOverhead = 32

// Backend holds keyed tables. Operations name the key group (the caller has computed
// it), the table by its index, key and subkey; nil is the empty subkey.
//
// A backend belongs to one goroutine, that of the task; only the snapshots it returns
// are written and closed by others. After an error other than a guest fault it is not
// used again. Operations on a group outside of Options, or above the limits, are guest
// faults and change nothing.
type Backend interface {
	// SetTime sets the processing time by which entries expire and are stamped, in ms
	// since 1970. It does not go back: an earlier time is ignored.
	SetTime(now int64)
	// SetVersion sets the state version under which entries are written from now on.
	SetVersion(version uint32)

	// Get returns the value and the version it was written under. The value may be
	// read until the next call of a method.
	Get(group, table int, key, subkey []byte) (value []byte, version uint32, ok bool, err error)
	// Put writes an entry. What it is given may be a slice that Get returned.
	Put(group, table int, key, subkey, value []byte) error
	// Append writes value behind what is there.
	Append(group, table int, key, subkey, value []byte) error
	// Delete removes an entry, if there is one.
	Delete(group, table int, key, subkey []byte) error
	// DeleteRange removes the entries of a key with from ≤ subkey < to; a nil to has
	// no end.
	DeleteRange(group, table int, key, from, to []byte) error
	// Scan visits the entries of a key with from ≤ subkey < to in order, until visit
	// returns false; a nil to has no end. Visit may not call the backend, and keeps
	// nothing of what it gets.
	Scan(group, table int, key, from, to []byte, visit func(subkey, value []byte, version uint32) bool) error
	// ScanKeys visits the keys of a group in hash order, those after the given one;
	// nil starts with the first. Visit is as in Scan.
	ScanKeys(group, table int, after []byte, visit func(key []byte) bool) error
	// Touch brings what belongs to an entry near, if that can be done without waiting:
	// call it for many before using them. It changes nothing.
	Touch(group, table int, key, subkey []byte)

	// Bytes is what the entries take by the measure of Options.Limit.
	Bytes() int64
	// Memory is how many bytes of RAM the backend takes.
	Memory() int64

	// Snapshot fixes what the backend holds as the part of a checkpoint. It takes
	// microseconds whatever the size. Checkpoints have ascending numbers.
	Snapshot(checkpoint uint64, full bool) (Snapshot, error)
	// Confirm tells that a checkpoint completed: later deltas build on it. Unknown and
	// older ones are ignored.
	Confirm(checkpoint uint64)
	// Restore fills an empty backend with the entries of its groups and tables. With
	// base set, its snapshots may be deltas on that checkpoint; 0: the first is full.
	Restore(from Source, base uint64) error
	// Close releases everything. Snapshots are closed before.
	Close() error
}

// Snapshot is one subtask's state at one moment. It is written at most once, by any
// goroutine, while the backend goes on, and closed by that goroutine; a snapshot that
// is closed unwritten, or whose checkpoint is never confirmed, is carried into the
// next.
type Snapshot interface {
	// Write writes a run: everything, or what changed since the checkpoint it builds on.
	Write(w io.Writer) (RunInfo, error)
	// Close releases what the snapshot keeps from being reused.
	Close() error
}

// Source gives the entries to restore, folded: each at most once.
type Source interface {
	// Next returns the next entry; io.EOF after the last. Its slices may be read until
	// the next call.
	Next() (Entry, error)
}

// Entry is one entry of a table, as snapshots hold it.
type Entry struct {
	Group   int
	Table   string // name
	Key     []byte
	Subkey  []byte
	Value   []byte
	Version uint32
	Stamp   int64 // last write, ms since 1970; 0 in a table without TTL
	Deleted bool  // the entry is gone; only in deltas
}

// LimitError is an operation that would take more state than the limit allows.
type LimitError struct {
	Limit int64 // bytes, Options.Limit
	Need  int64 // bytes the state would have taken
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("state takes %d bytes, the limit (limits.state) is %d", e.Need, e.Limit)
}

// Is makes a LimitError a guest fault.
func (e *LimitError) Is(target error) bool { return target == fault.ErrGuest }

// check returns what is wrong with options of a backend of keyed tables, or of those of
// an operator.
func (o *Options) check(keyed bool) error {
	var problems []error
	if o.First < 0 || o.End < o.First {
		problems = append(problems, fmt.Errorf("key groups [%d,%d) are no range", o.First, o.End))
	}
	if len(o.Tables) > MaxTables {
		problems = append(problems, fmt.Errorf("%d tables, at most %d are possible", len(o.Tables), MaxTables))
	}
	seen := map[string]bool{}
	for _, t := range o.Tables {
		switch {
		case t.Name == "" || len(t.Name) > maxTableName:
			problems = append(problems, fmt.Errorf("table name %q: 1 to %d bytes", t.Name, maxTableName))
		case seen[t.Name]:
			problems = append(problems, fmt.Errorf("table %q is there twice", t.Name))
		case !slices.Contains(scopes, t.Scope):
			problems = append(problems, fmt.Errorf("table %q: unknown scope %q", t.Name, t.Scope))
		case keyed != (t.Scope == ScopeKey):
			problems = append(problems, fmt.Errorf("table %q has scope %q: keyed and operator tables have backends of their own", t.Name, t.Scope))
		case t.TTL < 0:
			problems = append(problems, fmt.Errorf("table %q: time-to-live %s is negative", t.Name, t.TTL))
		}
		seen[t.Name] = true
	}
	return errors.Join(problems...)
}

// checkEntry refuses what the model does not hold.
func checkEntry(key, subkey []byte, value int) error {
	switch {
	case len(key) > MaxKey:
		return fault.Guestf("key of %d bytes, at most %d are possible", len(key), MaxKey)
	case len(subkey) > MaxSubkey:
		return fault.Guestf("subkey of %d bytes, at most %d are possible", len(subkey), MaxSubkey)
	case value > MaxValue:
		return fault.Guestf("value of %d bytes, at most %d are possible", value, MaxValue)
	}
	return nil
}

func errPlace(group, table int) error {
	return fault.Guestf("key group %d, table %d: not of this subtask", group, table)
}

func errUndeclared(table string) error {
	return fault.Corruptf("it holds table %q, which is not declared", table)
}
