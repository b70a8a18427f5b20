// Package abi holds the names and values of the guest interface, version 1, for the
// host and for the conformance suite. What they mean is said in sdk/abi.md, which is
// normative; guests do not import this package.
package abi

import "encoding/json"

// Version of the guest interface.
const Version = 1

// Module is the import module of the host's functions.
const Module = "wasmill"

// Exports of a guest.
const (
	Memory         = "memory"
	Initialize     = "_initialize"
	ExportDescribe = "wasmill_describe" // () → i64 ptr<<32|len
	ExportAlloc    = "wasmill_alloc"    // (size) → ptr
	ExportOpen     = "wasmill_open"     // (ptr, len) → status
	ExportProcess  = "wasmill_process"  // (input, ptr, len) → status
	ExportPoll     = "wasmill_poll"     // (max) → status
	ExportFlush    = "wasmill_flush"    // () → status
	ExportEnd      = "wasmill_end"      // () → status

	ExportTimers     = "wasmill_timers"     // (ptr, len) → status
	ExportWatermark  = "wasmill_watermark"  // (ts i64) → status
	ExportBarrier    = "wasmill_barrier"    // (checkpoint i64) → status
	ExportAccumulate = "wasmill_accumulate" // (ptr, len) → status
	ExportMerge      = "wasmill_merge"      // (ptr, len) → status
	ExportFinish     = "wasmill_finish"     // (ptr, len) → status
	ExportApply      = "wasmill_apply"      // (ptr, len) → status
)

// Imports of a guest, in Module.
const (
	ImportEmit   = "emit"    // (output, ptr, len)
	ImportEmitTo = "emit_to" // (output, partition, ptr, len)
	ImportReject = "reject"  // (index, ptr, len)
	ImportNow    = "now"     // () → i64 ms since 1970
	ImportLog    = "log"     // (level, ptr, len)
	ImportMetric = "metric"  // (kind, ptr, len, value f64)
	ImportFail   = "fail"    // (ptr, len)

	ImportGet         = "get"          // (table, key, keyLen, sub, subLen, out, cap) → i64 version<<32|length, −1 absent
	ImportPut         = "put"          // (table, key, keyLen, sub, subLen, val, valLen)
	ImportAppend      = "append"       // (table, key, keyLen, sub, subLen, val, valLen)
	ImportDelete      = "delete"       // (table, key, keyLen, sub, subLen)
	ImportScan        = "scan"         // (table, key, keyLen, from, fromLen, to, toLen, out, cap) → i64 more<<32|bytes, −need
	ImportState       = "state"        // (req, len, out, cap) → i64 opsDone<<32|bytes
	ImportTimerSet    = "timer_set"    // (domain, ts i64, key, keyLen, tag, tagLen)
	ImportTimerDelete = "timer_delete" // (domain, ts i64, key, keyLen, tag, tagLen)
	ImportWatermark   = "watermark"    // () → i64 ms since 1970
	ImportReply       = "reply"        // (ptr, len)
)

// Status of a call: negative means failed.
const (
	StatusOK     = 0
	StatusFailed = -1
)

// Status of wasmill_poll.
const (
	PollMore = 0 // call again
	PollIdle = 1 // nothing at the moment
	PollEnd  = 2 // nothing ever again
)

// Shape is how a guest is called.
type Shape string

// The shapes that exist.
const (
	ShapeProcess   Shape = "process"
	ShapeSource    Shape = "source"
	ShapeAggregate Shape = "aggregate"
	ShapeApply     Shape = "apply"
)

// Scope is what a table belongs to.
type Scope string

// The scopes.
const (
	ScopeKey       Scope = "key"       // the key of the record at hand
	ScopeSplit     Scope = "split"     // the subtask; entries are spread over all on a rescale
	ScopeUnion     Scope = "union"     // the subtask; after a restore each has the entries of all
	ScopeBroadcast Scope = "broadcast" // all subtasks alike
)

// Log levels of the log import.
const (
	LogDebug = iota
	LogInfo
	LogWarn
	LogError
)

// Kinds of the metric import.
const (
	MetricCounter   = iota // add value
	MetricGauge            // set to value
	MetricHistogram        // record value
)

// Description is what wasmill_describe answers, as JSON. Inputs and outputs are
// known by their index in these lists; the job file refers to their names.
type Description struct {
	ABI     int      `json:"abi"`
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Shape   Shape    `json:"shape"`
	Inputs  []string `json:"inputs,omitempty"`
	Outputs []string `json:"outputs,omitempty"`
	// KeepsKey says that every record goes out under the key it came in with.
	KeepsKey bool `json:"keepsKey,omitempty"`
	// Tables are the module's state, known by their index.
	Tables []Table `json:"tables,omitempty"`
	// StateVersion is stored with each entry that the module writes.
	StateVersion uint32 `json:"stateVersion,omitempty"`
	// Config is a JSON Schema (2020-12) for the operator's config; none: any object.
	Config json.RawMessage `json:"config,omitempty"`
}

// Table is a table that a module declares.
type Table struct {
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
	TTL   string `json:"ttl,omitempty"` // since the last write, as "24h"; none: for ever
}

// OpenRequest is what wasmill_open gets, as JSON.
type OpenRequest struct {
	Operator       string          `json:"operator"`
	Config         json.RawMessage `json:"config"`
	Subtask        int             `json:"subtask"`
	Parallelism    int             `json:"parallelism"`
	MaxParallelism int             `json:"maxParallelism"`
	Restored       bool            `json:"restored"`
}
