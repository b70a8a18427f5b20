package main

import (
	"context"
	"slices"
	"sync"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/task"
)

// stage stands for the sources and sinks of a job: it gives what a test says and keeps
// what comes. It is a worker's Connectors.
type stage struct {
	clock   *virtualClock
	sources map[string]*hand

	mu    sync.Mutex
	sinks map[string][]record.Record // what came and nobody looked at; guarded by mu
}

// hand is how a test feeds a source.
type hand struct {
	ready chan struct{}

	mu    sync.Mutex
	items []feedItem    // guarded by mu
	over  bool          // nothing comes behind them; guarded by mu
	spent chan struct{} // closed when the source asked and there was none; guarded by mu
}

func newHand() *hand { return &hand{ready: make(chan struct{}, 1), spent: make(chan struct{})} }

func newStage(plan *graph.Plan, clock *virtualClock) *stage {
	s := &stage{clock: clock, sources: map[string]*hand{}, sinks: map[string][]record.Record{}}
	for i := range plan.Operators {
		if op := &plan.Operators[i]; op.Role == graph.RoleSource {
			s.sources[op.Name] = newHand()
		}
	}
	return s
}

// give has the source give items behind those before, and end behind them if it is over.
func (h *hand) give(items []feedItem, over bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return // nobody asks any more
	}
	h.items, h.over, h.spent = append(h.items, items...), over, make(chan struct{})
	select {
	case h.ready <- struct{}{}:
	default:
	}
}

// taken is closed when the source has given out all that it was given, or knows that it
// has ended.
func (h *hand) taken() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spent
}

func (h *hand) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// take is the next item; nil with what a source without one says.
func (h *hand) take() (*feedItem, operator.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.items) > 0 {
		item := h.items[0]
		h.items = h.items[1:]
		return &item, operator.More
	}
	select {
	case <-h.spent:
	default:
		close(h.spent)
	}
	if h.over {
		return nil, operator.End
	}
	return nil, operator.Idle
}

// came takes what a sink got since the last time.
func (s *stage) came(sink string) []record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sinks[sink]
	delete(s.sinks, sink)
	return all
}

// OpenSource implements worker.Connectors. All that a source gives comes from its first
// subtask, in order; the others have nothing to read.
func (s *stage) OpenSource(_ context.Context, op *graph.Operator, c connector.Context) (operator.Source, error) {
	if c.Subtask.Index > 0 {
		nothing := newHand()
		nothing.give(nil, true)
		return &fedSource{hand: nothing}, nil
	}
	return &fedSource{
		hand: s.sources[op.Name], clock: s.clock, format: op.Format, to: c.Collector,
		decoders: map[graph.Format]*connector.Decoder{}, reached: task.NoWatermark,
	}, nil
}

// OpenSink implements worker.Connectors.
func (s *stage) OpenSink(_ context.Context, op *graph.Operator, _ connector.Context) (operator.Sink, error) {
	return &keptSink{s, op.Name}, nil
}

// OpenCommitter implements worker.Connectors: nothing is staged.
func (s *stage) OpenCommitter(*graph.Operator) (operator.Committer, error) { return nil, nil }

// fedSource gives one item a poll, so that watermarks follow each record.
type fedSource struct {
	hand     *hand
	clock    *virtualClock
	format   graph.Format
	decoders map[graph.Format]*connector.Decoder
	to       operator.Collector
	out      record.Builder
	reached  int64
}

func (f *fedSource) Poll(int) (operator.Status, error) {
	item, status := f.hand.take()
	if item == nil {
		return status, nil
	}
	if item.record == nil {
		f.reached = max(f.reached, item.watermark)
		return operator.More, nil
	}
	f.out.Reset()
	if reason := f.decoder(item).Add(&f.out, *item.record, f.clock.Now()); reason != "" {
		return operator.More, f.to.Reject(operator.Rejection{Record: *item.record, Place: item.place, Reason: reason})
	}
	return operator.More, f.to.Emit(0, f.out.Bytes())
}

// decoder reads what the item leaves to the job file.
func (f *fedSource) decoder(item *feedItem) *connector.Decoder {
	format := f.format
	if item.keyed {
		format.KeyField = ""
	}
	if item.timed {
		format.Timestamp, format.TimestampField = "", ""
	}
	d := f.decoders[format]
	if d == nil {
		d = connector.NewDecoder(format)
		f.decoders[format] = d
	}
	return d
}

// Reached says how far event time is, beside what records tell.
func (f *fedSource) Reached() int64             { return f.reached }
func (f *fedSource) Ready() <-chan struct{}     { return f.hand.ready }
func (f *fedSource) Position() []operator.Split { return nil }
func (f *fedSource) Close() error               { return nil }

// keptSink keeps what it is given.
type keptSink struct {
	stage *stage
	name  string
}

func (k *keptSink) Write(batch []byte) error {
	k.stage.mu.Lock()
	defer k.stage.mu.Unlock()
	for c := record.NewCursor(batch); c.Next(); {
		r := c.Record
		r.Key, r.Value, r.Extension = slices.Clone(r.Key), slices.Clone(r.Value), nil
		k.stage.sinks[k.name] = append(k.stage.sinks[k.name], r)
	}
	return nil
}

func (k *keptSink) Flush() error { return nil }
func (k *keptSink) Close() error { return nil }
