package snapshots

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
)

// Manifest lists everything a checkpoint consists of. It is an entry of the job's log:
// the checkpoint is complete exactly when that entry is there (D3).
type Manifest struct {
	Checkpoint     uint64        `json:"checkpoint"`
	Savepoint      string        `json:"savepoint,omitempty"` // its name, if it is one
	Attempt        id.Attempt    `json:"attempt"`
	Created        time.Time     `json:"created"`
	Duration       time.Duration `json:"duration"` // from the first barrier to the last ack
	MaxParallelism int           `json:"maxParallelism"`
	Unaligned      bool          `json:"unaligned,omitempty"` // restored at the same parallelism only
	Operators      []Operator    `json:"operators"`           // by name
}

// Operator is an operator's part of a checkpoint.
type Operator struct {
	Name         string    `json:"name"`
	Module       string    `json:"module,omitempty"` // SHA-256
	StateVersion uint32    `json:"stateVersion,omitempty"`
	Parallelism  int       `json:"parallelism"`
	Tables       []Table   `json:"tables,omitempty"`
	Subtasks     []Subtask `json:"subtasks"` // by index
}

// Table is what an operator's state is stored as; Scope is the ABI's: key, split, union
// or broadcast.
type Table struct {
	Name  string `json:"name"`
	Scope string `json:"scope"`
}

// Subtask is one subtask's snapshot.
type Subtask struct {
	Index    int   `json:"index"`
	Finished bool  `json:"finished,omitempty"` // it had come to its end: nothing is restored
	Groups   Range `json:"groups"`             // the key groups it owned
	// Runs are the parts of its keyed state, oldest first: bases and what changed since.
	Runs []Run `json:"runs,omitempty"`
	// Tables are the operator tables: those that belong to no key.
	Tables *Section `json:"operatorTables,omitempty"`
	// Heap are the parts of its instance's image, oldest first, as host writes them: a
	// whole one and what changed since. They have no key groups.
	Heap []Run `json:"heap,omitempty"`
	// Splits are a source's positions, as runtime/operator.Split.
	Splits json.RawMessage `json:"splits,omitempty"`
	// Time is the state of the subtask's watermarks, as runtime/task writes it.
	Time json.RawMessage `json:"time,omitempty"`
	// Transactions are what a two-phase sink staged with this checkpoint.
	Transactions [][]byte `json:"transactions,omitempty"`
	// InFlight is what an unaligned checkpoint caught on its way.
	InFlight *Section `json:"inFlight,omitempty"`
	// Caught are the edges on which it did, as runtime/task names them.
	Caught []string `json:"caught,omitempty"`

	AlignNanos int64 `json:"alignNanos,omitempty"` // from the first to the last barrier
	SyncNanos  int64 `json:"syncNanos,omitempty"`  // the operator stood still
	AsyncNanos int64 `json:"asyncNanos,omitempty"` // the upload took
}

// Range is the half-open range [First, End) of key groups.
type Range struct {
	First int `json:"first"`
	End   int `json:"end"`
}

// Run is one run of keyed state or of a heap within a pack, as runtime/state or host
// writes it.
type Run struct {
	Section
	Checkpoint uint64 `json:"checkpoint"`      // that wrote it
	Since      uint64 `json:"since,omitempty"` // the checkpoint it builds on; 0: it holds everything
	Header     int64  `json:"header"`          // bytes before the first group or page, which every reader needs
	// Groups says where each key group lies that is to be read; the run may have more.
	Groups Groups `json:"groups,omitempty"`
	// Lenders are sections, of heaps of other subtasks, in which some pages of a heap's
	// run lie.
	Lenders []Section `json:"lenders,omitempty"`
}

// Section is a part of a pack: where its bytes are and what they hash to.
type Section struct {
	Pack   string `json:"pack"`   // object name, below the folder of the job or savepoint
	Name   string `json:"name"`   // of the section
	Offset int64  `json:"offset"` // within the object
	Stored int64  `json:"stored"` // bytes there: compressed chunks and their index
	Length int64  `json:"length"` // bytes before compression
	Hash   Hash   `json:"hash"`   // of the index, which has the hash of each chunk
}

// Hash is an xxhash64 with seed 0; 16 hexadecimal digits in JSON.
type Hash uint64

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("read hash: %q is not 16 hexadecimal digits", text)
	}
	*h = Hash(v)
	return nil
}

// Operator finds an operator by name; nil if there is none.
func (m *Manifest) Operator(name string) *Operator {
	for i := range m.Operators {
		if m.Operators[i].Name == name {
			return &m.Operators[i]
		}
	}
	return nil
}

// Sections are all parts of packs that the checkpoint consists of.
func (m *Manifest) Sections() (all []Section) {
	m.eachSection(func(s *Section) { all = append(all, *s) })
	return all
}

// eachSection visits all parts of packs that the checkpoint consists of.
func (m *Manifest) eachSection(visit func(*Section)) {
	for o := range m.Operators {
		for i := range m.Operators[o].Subtasks {
			s := &m.Operators[o].Subtasks[i]
			for r := range s.Runs {
				visit(&s.Runs[r].Section)
			}
			for r := range s.Heap {
				visit(&s.Heap[r].Section)
				for l := range s.Heap[r].Lenders {
					visit(&s.Heap[r].Lenders[l])
				}
			}
			if s.Tables != nil {
				visit(s.Tables)
			}
			if s.InFlight != nil {
				visit(s.InFlight)
			}
		}
	}
}

// Packs are the names of the packs that the checkpoint consists of, sorted, each once.
func (m *Manifest) Packs() []string {
	var names []string
	for _, s := range m.Sections() {
		names = append(names, s.Pack)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Size is how many bytes of packs the checkpoint consists of, and how many of them it
// brought itself: the rest is shared with earlier ones.
func (m *Manifest) Size() (all, own int64) {
	seen := map[Section]bool{}
	for _, s := range m.Sections() {
		if seen[s] {
			continue
		}
		seen[s] = true
		all += s.Stored
		if p, ok := ParsePackName(s.Pack); ok && p.Checkpoint == m.Checkpoint {
			own += s.Stored
		}
	}
	return all, own
}

// HasState tells whether anything is lost if the operator is left out of a restore.
func (o *Operator) HasState() bool {
	return slices.ContainsFunc(o.Subtasks, func(s Subtask) bool {
		return len(s.Runs) > 0 || len(s.Heap) > 0 || s.Tables != nil || len(s.Splits) > 0 || len(s.Transactions) > 0 || s.InFlight != nil
	})
}

// HasHeap tells whether the checkpoint has the image of an instance of the operator.
func (o *Operator) HasHeap() bool {
	return slices.ContainsFunc(o.Subtasks, func(s Subtask) bool { return !s.Finished && len(s.Heap) > 0 })
}
