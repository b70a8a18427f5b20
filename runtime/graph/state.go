package graph

import "time"

// Backend is where keyed state lies while a job runs; snapshots are the same for all.
type Backend string

// The backends.
const (
	MemoryBackend Backend = "memory"
	DiskBackend   Backend = "disk"
)

// State is what each subtask of a module keeps. A module has one if it declares
// tables, has a window, or gets its input by key: it may then set timers.
type State struct {
	Backend Backend `json:"backend"`
	Limit   int64   `json:"limit,omitempty"` // bytes of each subtask; 0: no limit
	Version uint32  `json:"version"`         // the module's: under which it writes entries
	// Keyed says that records come to the subtask of their key, those of broadcast
	// inputs apart: keyed tables and timers can be used.
	Keyed  bool    `json:"keyed,omitempty"`
	Tables []Table `json:"tables,omitempty"` // by index, as the module declares them
}

// Table is a table of a module; its name is its identity in checkpoints.
type Table struct {
	Name  string        `json:"name"`
	Scope string        `json:"scope"`         // abi.Scope
	TTL   time.Duration `json:"ttl,omitempty"` // since the last write; 0: for ever. Whole milliseconds
}

// Watermark is how an operator says of its output how far event time is: its highest
// timestamp so far, less OutOfOrder. What comes in as watermarks is then dropped.
type Watermark struct {
	OutOfOrder time.Duration `json:"outOfOrder"` // how far behind the highest timestamp records may come; whole milliseconds
	IdleAfter  time.Duration `json:"idleAfter"`  // without a record so long, nobody waits for it; 0: never idle
}
