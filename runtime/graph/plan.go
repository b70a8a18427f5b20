// Package graph turns a job file into a plan: operators, the edges between them, and
// the tasks that chains of them run in. It reads no files, knows no clock and starts
// nothing: what modules and connectors are is told to it, and the same file gives the
// same plan.
//
// It is not for running plans (cluster, runtime/task) or for what connectors do with
// their settings (runtime/connector). Start with Plan, then Parse (text to Job) and
// Build (Job to Plan); all that is wrong with a file is one Problems.
package graph

import (
	"encoding/json"
	"time"
)

// Plan is a checked job: what a coordinator spreads over workers and what each worker
// needs to run its share. It is a pure function of the job file, the modules'
// descriptions and the connectors' specs, and travels as JSON.
type Plan struct {
	Namespace      string        `json:"namespace"`
	Job            string        `json:"job"`
	MaxParallelism int           `json:"maxParallelism"`
	BufferTimeout  time.Duration `json:"bufferTimeout"`
	Checkpoint     Checkpointing `json:"checkpoint"`
	Restart        Restart       `json:"restart"`
	Operators      []Operator    `json:"operators"` // in topological order
	Edges          []Edge        `json:"edges"`
	Tasks          []Task        `json:"tasks"`
	// Warnings are for the author of the job file and stay with who reads it.
	Warnings Problems `json:"-"`
}

// Role is what an operator is in the graph.
type Role string

// The roles.
const (
	RoleSource Role = "source" // a connector of the engine that reads
	RoleModule Role = "module" // a wasm module (its shape may be source, too)
	RoleSink   Role = "sink"   // a connector of the engine that writes
)

// Operator is a vertex of the plan.
type Operator struct {
	Name        string          `json:"name"`
	Role        Role            `json:"role"`
	Parallelism int             `json:"parallelism"`
	Connector   string          `json:"connector,omitempty"` // of a source or sink
	With        json.RawMessage `json:"with,omitempty"`      // its settings: a checked JSON object, paths absolute
	Format      Format          `json:"format,omitzero"`
	Module      *Module         `json:"module,omitempty"`
	Watermark   *Watermark      `json:"watermark,omitempty"` // of a source or module that assigns them
	Window      *Window         `json:"window,omitempty"`    // of a module of shape aggregate or apply
	State       *State          `json:"state,omitempty"`     // of a module that can keep some
	Limits      Limits          `json:"limits,omitzero"`
	OnReject    OnReject        `json:"onReject,omitzero"`
	Inputs      []string        `json:"inputs,omitempty"`  // by index, as the module declares them; a sink has one, "in"
	Outputs     []string        `json:"outputs,omitempty"` // by index; the engine's own (late, then onReject's) come after the module's
}

// Aside reports whether an output has only records that were put aside: late or bad.
func (o *Operator) Aside(output int) bool {
	return o.OnReject.Policy == RejectTo && output == o.OnReject.Output || o.Window != nil && output == o.Window.Late
}

// Format is how a source's bytes become records and a sink's records become bytes.
type Format struct {
	Decode         string `json:"decode,omitempty"`         // lines, csv, json
	Encode         string `json:"encode,omitempty"`         // lines, json
	KeyField       string `json:"keyField,omitempty"`       // JSON field that becomes the key
	Timestamp      string `json:"timestamp,omitempty"`      // field, arrival, none
	TimestampField string `json:"timestampField,omitempty"` // with Timestamp field
	TimestampUnit  string `json:"timestampUnit,omitempty"`  // s, ms, us, ns, rfc3339
}

// Module is the wasm of an operator.
type Module struct {
	SHA256 string            `json:"sha256"`
	Path   string            `json:"path"`   // as the job file names it, made absolute; for messages
	Shape  string            `json:"shape"`  // abi.Shape
	Config json.RawMessage   `json:"config"` // reaches the guest
	Env    map[string]string `json:"env,omitempty"`
}

// Limits of each subtask of an operator; 0 is the host's default.
type Limits struct {
	Memory       int64         `json:"memory"`       // bytes of linear memory
	TableEntries int64         `json:"tableEntries"` // entries of each wasm table
	StackDepth   int64         `json:"stackDepth"`   // nested calls
	CPUPerBatch  time.Duration `json:"cpuPerBatch"`  // CPU time of one call
	EmitPerBatch int64         `json:"emitPerBatch"` // bytes emitted by one call
}

// RejectPolicy is what becomes of a rejected record.
type RejectPolicy string

// The policies.
const (
	RejectFail RejectPolicy = "fail" // the job fails (default)
	RejectSkip RejectPolicy = "skip" // it is counted and dropped
	RejectTo   RejectPolicy = "to"   // it goes to an output of its own
)

// OnReject is the policy of an operator; with RejectTo, Output is the index of the
// output in Operator.Outputs.
type OnReject struct {
	Policy RejectPolicy `json:"policy"`
	Output int          `json:"output,omitempty"`
}

// Partition is how the records of an edge find their receiving subtask.
type Partition string

// The partitionings.
const (
	Forward    Partition = "forward"   // subtask i to subtask i
	ByKey      Partition = "key"       // by key group
	Rebalance  Partition = "rebalance" // round robin, batch by batch
	Broadcast  Partition = "broadcast" // to all
	Partitions Partition = "partition" // as the guest says (emit_to)
)

// Edge is an arrow of the plan; From and To index Plan.Operators.
type Edge struct {
	ID        int       `json:"id"` // index in Plan.Edges
	From      int       `json:"from"`
	Output    int       `json:"output"` // of From
	To        int       `json:"to"`
	Input     int       `json:"input"` // of To
	Partition Partition `json:"partition"`
	Chained   bool      `json:"chained"`         // within one task: a function call
	First     bool      `json:"first,omitempty"` // read to its end, or until idle, before the others
}

// Task is a chain of operators that one goroutine per subtask runs: the head first,
// every operator after those it gets records from.
type Task struct {
	ID          int   `json:"id"` // index in Plan.Tasks
	Operators   []int `json:"operators"`
	Parallelism int   `json:"parallelism"`
}
