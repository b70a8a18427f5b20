// Package connector holds the sources and sinks of the engine: where records come
// from and where they go. It is not for what happens to records in between (host,
// task), nor for the meaning of a job file (graph), which checks one against Catalog.
//
// Start with Catalog, then OpenSource and OpenSink. Below a source lie, in this
// order, a reader of bytes (fileSource, streamSource), a scanner that cuts lines, and
// a decoder that makes records of them; below a sink lies an encoder.
package connector

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
)

// Context is what one subtask's source or sink is opened with.
type Context struct {
	Job         id.Job
	Attempt     id.Attempt // the running one
	Subtask     id.Subtask
	Parallelism int // of the operator
	// Restore is where the subtask goes on: the splits that are its own now, which may
	// be none. Nil is a run from the start. A sink is told the same.
	Restore []operator.Split
	// Collector takes what a source gives out, at output 0, and what it rejects.
	Collector operator.Collector
	Logger    *slog.Logger // slog.Default by default; what is said is labelled with the subtask
	// Started is the job's start, the same for all subtasks; a schedule counts from it.
	Started time.Time
	// Stdin is nil where the job's input can't be read.
	Stdin io.Reader
	// Stdout takes whole lines, from several subtasks at once: it must be safe for
	// concurrent use.
	Stdout io.Writer
}

func (c Context) log() *slog.Logger {
	return cmp.Or(c.Logger, slog.Default()).With("namespace", c.Job.Namespace, "job", c.Job.Name, "operator", c.Subtask.Operator, "subtask", c.Subtask.Index)
}

// client is what the subtask calls itself in front of a server.
func (c Context) client() string { return fmt.Sprintf("%s/%s", c.Job, c.Subtask) }

// batchBytes is the size at which a source gives out a batch, and the most that an
// encoder holds back.
const batchBytes = 64 << 10

// OpenSource opens the source of one subtask. The error names the place and, where
// there is one, a way out; it is a *fault.Error without a subtask.
func OpenSource(ctx context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	spec, ok := sources[op.Connector]
	if !ok {
		return nil, fmt.Errorf("open source: no source %q", op.Connector)
	}
	return spec.openSource(ctx, op, c)
}

// OpenSink opens the sink of one subtask. What it writes with is free of what earlier
// attempts of the subtask left unfinished. A sink whose destination makes it wait does
// so until ctx ends, at most. The error is like OpenSource's.
func OpenSink(ctx context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	spec, ok := sinks[op.Connector]
	if !ok {
		return nil, fmt.Errorf("open sink: no sink %q", op.Connector)
	}
	return spec.openSink(ctx, op, c)
}

// OpenCommitter gives the committer of a two-phase sink's transactions, and nil for
// other operators.
func OpenCommitter(op *graph.Operator) (operator.Committer, error) {
	if op.Role != graph.RoleSink {
		return nil, nil
	}
	spec, ok := sinks[op.Connector]
	if !ok {
		return nil, fmt.Errorf("open committer: no sink %q", op.Connector)
	}
	if spec.openCommitter == nil {
		return nil, nil
	}
	return spec.openCommitter(op)
}

// settings decodes what the job file says to a connector; graph has checked it.
func settings(op *graph.Operator, into any) error {
	if len(op.With) == 0 {
		return nil
	}
	if err := json.Unmarshal(op.With, into); err != nil {
		return fmt.Errorf("read settings of %s: %w", op.Connector, err)
	}
	return nil
}

func placed(place, hint string, err error) error {
	return &fault.Error{Place: place, Hint: hint, Err: err}
}
