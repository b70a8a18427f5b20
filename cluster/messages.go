// Package cluster holds what coordinators and workers say to each other, and the two
// ways in which it travels: in one process and over NATS. Who decides what is said is
// in cluster/coordinator and cluster/worker, which know each other only from here.
//
// Start with the messages: the coordinator prepares an attempt on every worker,
// starts it when all are ready, and has it committed when every task has finished.
package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// Version of the message format. A receiver takes its own and the one before.
const Version = 1

// MaxMessage is the largest encoded message, in bytes.
const MaxMessage = 64 << 20

// Message is one of the message types of this file.
type Message interface{ kind() string }

// From a worker to the coordinator.
type (
	// Register says that a worker is there. It is repeated until Registered comes.
	Register struct{}
	// Heartbeat says that the worker makes progress, and how far its tasks are.
	Heartbeat struct {
		Attempt *AttemptRef `json:"attempt,omitempty"`
		Stats   []Stats     `json:"stats,omitempty"`
	}
	// Prepared says that every task of the attempt can take records.
	Prepared struct {
		AttemptRef
	}
	// CheckpointAck brings a task's part of a checkpoint: all of it is durable.
	CheckpointAck struct {
		AttemptRef
		Checkpoint uint64     `json:"checkpoint"`
		Task       TaskRef    `json:"task"`
		Snapshots  []Snapshot `json:"snapshots"`
	}
	// CheckpointDeclined says that a task can't take a checkpoint.
	CheckpointDeclined struct {
		AttemptRef
		Checkpoint uint64  `json:"checkpoint"`
		Task       TaskRef `json:"task"`
		Reason     string  `json:"reason"`
		// NotYet says that nothing failed: the task is not far enough.
		NotYet bool `json:"notYet,omitempty"`
	}
	// TaskFinished says that a task came to the end of its input. What it leaves is part
	// of every later checkpoint.
	TaskFinished struct {
		AttemptRef
		Task      TaskRef    `json:"task"`
		Snapshots []Snapshot `json:"snapshots"`
	}
	// Failed says that the attempt can't go on.
	Failed struct {
		AttemptRef
		Cause Cause `json:"cause"`
	}
	// Committed says that all the transactions of a Commit are visible, and how many
	// they were.
	Committed struct {
		AttemptRef
		Checkpoint   uint64 `json:"checkpoint"`
		Transactions int    `json:"transactions"`
	}
	// Stopped says that nothing of the attempt runs on the worker any more. The last
	// heartbeats of the attempt came before.
	Stopped struct {
		AttemptRef
	}
	// ModuleRequest asks for a part of a module.
	ModuleRequest struct {
		SHA256 string `json:"sha256"`
		Offset int    `json:"offset"`
	}
	// Leaving says that a worker goes away, and why: told by itself or by its
	// supervisor.
	Leaving struct {
		Reason string `json:"reason"`
	}
)

// From the coordinator to a worker.
type (
	// Registered answers Register.
	Registered struct{}
	// Prepare builds the worker's share of an attempt, up to but not including the
	// first record.
	Prepare struct {
		AttemptRef
		Plan    *graph.Plan `json:"plan"`
		Workers []string    `json:"workers"` // subtask i runs on worker i mod len(Workers)
		// Restore is the number, in the job's log, of the checkpoint to go on from; 0 is a
		// run from nothing.
		Restore uint64 `json:"restore,omitempty"`
	}
	// TriggerCheckpoint asks the sources for a checkpoint.
	TriggerCheckpoint struct {
		AttemptRef
		Checkpoint uint64 `json:"checkpoint"`
	}
	// CheckpointAborted says that a checkpoint will never be.
	CheckpointAborted struct {
		AttemptRef
		Checkpoint uint64 `json:"checkpoint"`
		Reason     string `json:"reason"`
	}
	// Start lets the records flow.
	Start struct {
		AttemptRef
		Started time.Time `json:"started"` // set when sent, the same for all workers
	}
	// Commit says that a checkpoint is in the job's log: what it lists as staged becomes
	// visible (D5).
	Commit struct {
		AttemptRef
		Checkpoint   uint64        `json:"checkpoint"`
		Transactions []Transaction `json:"transactions"`
	}
	// Cancel ends an attempt. Drop says that no checkpoint which anybody will restore has
	// what its sinks staged: it is removed.
	Cancel struct {
		AttemptRef
		Drop bool `json:"drop"`
	}
	// ModuleChunk answers ModuleRequest.
	ModuleChunk struct {
		SHA256 string `json:"sha256"`
		Offset int    `json:"offset"`
		Total  int    `json:"total"`
		Data   []byte `json:"data"`
		Error  string `json:"error,omitempty"`
	}
	// Shutdown ends the worker.
	Shutdown struct{}
)

func (Register) kind() string           { return "register" }
func (Registered) kind() string         { return "registered" }
func (Heartbeat) kind() string          { return "heartbeat" }
func (Prepared) kind() string           { return "prepared" }
func (TaskFinished) kind() string       { return "task-finished" }
func (Failed) kind() string             { return "failed" }
func (Committed) kind() string          { return "committed" }
func (CheckpointAck) kind() string      { return "checkpoint-ack" }
func (CheckpointDeclined) kind() string { return "checkpoint-declined" }
func (TriggerCheckpoint) kind() string  { return "trigger-checkpoint" }
func (CheckpointAborted) kind() string  { return "checkpoint-aborted" }
func (Stopped) kind() string            { return "stopped" }
func (ModuleRequest) kind() string      { return "module-request" }
func (Leaving) kind() string            { return "leaving" }
func (Prepare) kind() string            { return "prepare" }
func (Start) kind() string              { return "start" }
func (Commit) kind() string             { return "commit" }
func (Cancel) kind() string             { return "cancel" }
func (ModuleChunk) kind() string        { return "module-chunk" }
func (Shutdown) kind() string           { return "shutdown" }

var decoders = map[string]func(json.RawMessage) (Message, error){
	"register": decode[Register], "registered": decode[Registered], "heartbeat": decode[Heartbeat],
	"prepared": decode[Prepared], "task-finished": decode[TaskFinished], "failed": decode[Failed],
	"committed": decode[Committed], "stopped": decode[Stopped], "module-request": decode[ModuleRequest],
	"leaving": decode[Leaving], "prepare": decode[Prepare], "start": decode[Start], "commit": decode[Commit],
	"checkpoint-ack": decode[CheckpointAck], "checkpoint-declined": decode[CheckpointDeclined],
	"trigger-checkpoint": decode[TriggerCheckpoint],
	"checkpoint-aborted": decode[CheckpointAborted], "cancel": decode[Cancel], "module-chunk": decode[ModuleChunk], "shutdown": decode[Shutdown],
}

func decode[M Message](body json.RawMessage) (Message, error) {
	var m M
	err := json.Unmarshal(body, &m)
	return m, err
}

// AttemptRef says which attempt of which job a message is about.
type AttemptRef struct {
	Job     id.Job     `json:"job"`
	Attempt id.Attempt `json:"attempt"`
}

// TaskRef is one subtask of a task of the plan.
type TaskRef struct {
	Task    int `json:"task"`
	Subtask int `json:"subtask"`
}

// Snapshot is one operator's subtask in a checkpoint.
type Snapshot struct {
	Operator string `json:"operator"`
	snapshots.Subtask
}

// Transaction is what one sink subtask prepared.
type Transaction struct {
	Operator string `json:"operator"`
	Subtask  int    `json:"subtask"`
	Data     []byte `json:"data"` // operator.Transaction
}

// Cause is why an attempt failed, in a form that crosses processes.
type Cause struct {
	Operator string `json:"operator,omitempty"`
	Subtask  int    `json:"subtask,omitempty"`
	Class    string `json:"class,omitempty"` // guest, transient, fenced, corrupt
	Text     string `json:"text"`
}

// Stats is what one subtask of an operator did since the attempt started.
type Stats struct {
	Operator           string `json:"operator"`
	Subtask            int    `json:"subtask"`
	RecordsIn          uint64 `json:"recordsIn"`
	RecordsOut         uint64 `json:"recordsOut"`
	BytesIn            uint64 `json:"bytesIn"`
	BytesOut           uint64 `json:"bytesOut"`
	Rejected           uint64 `json:"rejected"`
	Late               uint64 `json:"late,omitempty"`       // dropped: too late for their windows
	StateBytes         uint64 `json:"stateBytes,omitempty"` // of keyed state, as its limit counts them
	BusyNanos          uint64 `json:"busyNanos"`
	BackPressuredNanos uint64 `json:"backPressuredNanos"`
	GuestNanos         uint64 `json:"guestNanos"`
	Latency            []byte `json:"latency,omitempty"` // HdrHistogram of µs, V2 compressed; at sinks, once ended

	Metrics []GuestMetric `json:"metrics,omitempty"`
}

// GuestMetric is one of a guest's own metrics, over the life of the subtask.
type GuestMetric struct {
	Name  string  `json:"name"`
	Kind  string  `json:"kind"` // counter, gauge, histogram: as first used
	Count uint64  `json:"count"`
	Sum   float64 `json:"sum"`
	Last  float64 `json:"last"`
}

// Envelope is a message with who sent it and under which term (C1).
type Envelope struct {
	From    string
	Term    uint64
	Message Message
}

type wire struct {
	Version int             `json:"v"`
	Kind    string          `json:"kind"`
	From    string          `json:"from"`
	Term    uint64          `json:"term"`
	Body    json.RawMessage `json:"body"`
}

// Encode writes an envelope as JSON.
func Encode(e Envelope) ([]byte, error) {
	body, err := json.Marshal(e.Message)
	if err != nil {
		return nil, fmt.Errorf("encode %s message: %w", e.Message.kind(), err)
	}
	data, err := json.Marshal(wire{Version: Version, Kind: e.Message.kind(), From: e.From, Term: e.Term, Body: body})
	if err != nil {
		return nil, fmt.Errorf("encode %s message: %w", e.Message.kind(), err)
	}
	if len(data) > MaxMessage {
		return nil, tooLarge(e.Message.kind(), len(data))
	}
	return data, nil
}

// Decode reads an envelope. Unknown kinds and versions are errors; unknown fields are
// a newer sender's, and are left out.
func Decode(data []byte) (Envelope, error) {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return Envelope{}, fault.Corruptf("decode message: %w", err)
	}
	if w.Version < 1 || w.Version > Version {
		return Envelope{}, fault.Corruptf("decode message: version %d, this process speaks 1 to %d", w.Version, Version)
	}
	read, ok := decoders[w.Kind]
	if !ok {
		return Envelope{}, fault.Corruptf("decode message: unknown kind %q", w.Kind)
	}
	m, err := read(w.Body)
	if err != nil {
		return Envelope{}, fault.Corruptf("decode %s message: %w", w.Kind, err)
	}
	return Envelope{From: w.From, Term: w.Term, Message: m}, nil
}
