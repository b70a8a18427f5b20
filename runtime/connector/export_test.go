package connector

import (
	"context"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// Crash takes from a sink what the end of its process would.
func Crash(s operator.Sink) {
	switch s := s.(type) {
	case *fileSink:
		s.file.Close()
	case *jetStreamSink:
		s.nc.Close()
	}
}

// OpenWatched opens a two-phase sink that calls before ahead of each of its acts.
func OpenWatched(ctx context.Context, op *graph.Operator, c Context, before func() error) (operator.Sink, error) {
	if op.Connector == "jetstream" {
		return openStagingSink(ctx, op, c, acts{before})
	}
	s, err := OpenSink(ctx, op, c)
	if err == nil {
		s.(*fileSink).acts = acts{before}
	}
	return s, err
}

// Watched is a committer that calls before ahead of each of its acts.
func Watched(op *graph.Operator, before func() error) (operator.Committer, error) {
	c, err := OpenCommitter(op)
	switch c := c.(type) {
	case fileCommitter:
		c.acts = acts{before}
		return c, err
	case jetStreamCommitter:
		c.acts = acts{before}
		return c, err
	}
	return c, err
}

// Queued is how many bytes a JetStream source holds.
func Queued(s operator.Source) int {
	q := s.(*jetStreamSource).queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// LookOften has JetStream sources look often how far their stream is; it returns what
// undoes that.
func LookOften() func() {
	before := idleLook
	idleLook = time.Millisecond
	return func() { idleLook = before }
}
