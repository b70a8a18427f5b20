package snapshots

import (
	"encoding/json"
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

// Table is what an operator's state is stored as; Scope is the ABI's.
type Table struct {
	Name  string `json:"name"`
	Scope string `json:"scope"`
}

// Subtask is one subtask's snapshot.
type Subtask struct {
	Index    int   `json:"index"`
	Finished bool  `json:"finished,omitempty"` // it had come to its end: nothing is restored
	Groups   Range `json:"groups"`             // the key groups it owned
	// Runs are the parts of its state, oldest first: a base and what changed since.
	Runs []Run `json:"runs,omitempty"`
	// Splits are a source's positions, as runtime/operator.Split.
	Splits json.RawMessage `json:"splits,omitempty"`
	// Time is the state of the subtask's watermarks, as runtime/task writes it.
	Time json.RawMessage `json:"time,omitempty"`
	// Transactions are what a two-phase sink staged with this checkpoint.
	Transactions [][]byte `json:"transactions,omitempty"`
	// InFlight is what an unaligned checkpoint caught on its way.
	InFlight *Section `json:"inFlight,omitempty"`

	AlignNanos int64 `json:"alignNanos,omitempty"` // from the first to the last barrier
	SyncNanos  int64 `json:"syncNanos,omitempty"`  // the operator stood still
	AsyncNanos int64 `json:"asyncNanos,omitempty"` // the upload took
}

// Range is the half-open range [First, End) of key groups.
type Range struct {
	First int `json:"first"`
	End   int `json:"end"`
}

// Run is one sorted run of keyed state, or the operator tables, within a pack.
type Run struct {
	Section
	Checkpoint uint64 `json:"checkpoint"` // that wrote it
	Base       bool   `json:"base,omitempty"`
	// Groups is where each key group starts within the run, if it is cut by group.
	Groups []GroupOffset `json:"groups,omitempty"`
}

// GroupOffset is where a key group starts within a run, in bytes before compression.
type GroupOffset struct {
	Group  int   `json:"group"`
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Section is a part of a pack: where its bytes are and what they hash to.
type Section struct {
	Pack   string `json:"pack"` // object name, below the job's folder
	Name   string `json:"name"` // of the section
	Offset int64  `json:"offset"`
	Stored int64  `json:"stored"` // compressed, as it lies there
	Length int64  `json:"length"` // uncompressed
	Hash   uint64 `json:"hash"`   // xxhash64 of the stored bytes
}
