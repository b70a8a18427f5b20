// Package operator is the contract between a task and what it runs: guests (host),
// sources and sinks (connector). A task knows nothing else of them.
//
// Everything here is called by one goroutine, the task's. No method but those that
// say so may wait for anything but the CPU and local files.
package operator

import (
	"context"
	"errors"

	"github.com/wasmill/wasmill/runtime/record"
)

// Collector takes what an operator gives out while one of its methods runs. It never
// blocks; what it is given is readable only during the call. An error ends the
// attempt: the operator returns it.
type Collector interface {
	// Emit takes a valid batch for an output, known by its index.
	Emit(output int, batch []byte) error
	// EmitTo takes a valid batch for one receiving subtask of an output.
	EmitTo(output, partition int, batch []byte) error
	// Reject takes a record that is bad; the job's policy decides what becomes of it.
	Reject(Rejection) error
}

// ErrTooLarge is what Process returns for a batch that can't be given to the operator
// whatever it does, since it does not fit into its memory. Nothing of it was processed.
var ErrTooLarge = errors.New("batch does not fit into the memory of the guest")

// Rejection is a bad record and why it is bad.
type Rejection struct {
	Index  int           // of the record within the batch being processed; unused by sources
	Record record.Record // what a source read; zero for other operators
	Place  string        // where a source read it: "flights.ndjson:17"
	Reason string
}

// Function processes batches: a guest of shape process.
type Function interface {
	// Process takes a valid batch from an input, known by its index.
	Process(input int, batch []byte) error
	// Flush gives out what is held back.
	Flush() error
	// End gives out the last output: all inputs have ended.
	End() error
	// Close releases the instance. The operator is not used again.
	Close() error
}

// Status is what a source says after a poll.
type Status int

// The statuses of a source.
const (
	More Status = iota // poll again
	Idle               // nothing at the moment; wait for Ready
	End                // nothing ever again
)

// Source gives records when polled.
type Source interface {
	// Poll gives out about max records at most, and never blocks to wait for input.
	Poll(max int) (Status, error)
	// Ready signals that an idle source has something again. A source that is never
	// idle returns nil. A source that can only be asked is polled again after a while.
	Ready() <-chan struct{}
	// Position is where the source stands after the last record given out, by split.
	Position() []Split
	// Close releases what the source holds. It may be called at any time.
	Close() error
}

// Split is a part of a source's input and how far it is read. A split is read by one
// subtask.
type Split struct {
	ID       string `json:"id"`
	Position string `json:"position"` // in the source's own terms
	Done     bool   `json:"done,omitempty"`
}

// Splitted is a source whose splits have a time each. What it emits in one poll is of
// one split.
type Splitted interface {
	Source
	// Reading is the split of what was emitted last, and whether it has been read to its
	// end.
	Reading() (split string, done bool)
}

// Sink takes batches out of the job.
type Sink interface {
	Write(batch []byte) error
	// Flush makes what was written visible or durable, as far as the sink can without
	// a commit.
	Flush() error
	// Close releases what the sink holds; what was not prepared is dropped.
	Close() error
}

// TwoPhaseSink is a sink whose output becomes visible when the job says so, and
// then whole. What Prepare names lies at the destination, so that any worker can
// commit or abort it.
type TwoPhaseSink interface {
	Sink
	// Prepare makes all that was written so far durable and gives it a name. Nil
	// means there is nothing to commit.
	Prepare(checkpoint uint64) (Transaction, error)
}

// Transaction is what a two-phase sink prepared, in its connector's own terms (JSON).
type Transaction []byte

// Committer ends transactions, on any worker, any number of times.
type Committer interface {
	Commit(ctx context.Context, t Transaction) error
	Abort(ctx context.Context, t Transaction) error
}
