package task

import (
	"context"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/operator"
)

// openings notes how operators are opened.
type openings struct {
	*house
	seen map[string]Opening
}

func (o *openings) Function(ctx context.Context, op Opening) (operator.Function, State, error) {
	o.seen[op.Operator.Name] = op
	return o.house.Function(ctx, op)
}

func (o *openings) Source(ctx context.Context, op Opening) (operator.Source, State, error) {
	o.seen[op.Operator.Name] = op
	return o.house.Source(ctx, op)
}

func (o *openings) Sink(ctx context.Context, op Opening) (operator.Sink, error) {
	o.seen[op.Operator.Name] = op
	return o.house.Sink(ctx, op)
}

// What no checkpoint has begins from nothing, in a run that goes on as in one that
// begins: a source reads all, a sink cleans up, and time is not known.
func TestWhatNoCheckpointHasBeginsFromNothing(t *testing.T) {
	for name, restore := range map[string]map[string]Restored{
		"a new run":       nil,
		"all of it new":   {},
		"one of them new": {"in": {Splits: []operator.Split{}, Watermark: NoWatermark}, "a": {Watermark: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &openings{seen: map[string]Opening{}, house: &house{
				sources:   map[string]*script{"in": {}},
				functions: map[string]*guest{"a": {log: new([]string)}},
				sinks:     map[string]operator.Sink{"sink": &memorySink{log: new([]string)}},
			}}
			p := line("in", "a", "sink")
			task := New(Config{Plan: p, Task: p.Tasks[0], Opener: h, Failed: make(chan struct{}), Restore: restore})
			for _, n := range task.nodes {
				was, known := restore[n.op.Name]
				want := NoWatermark
				if known {
					want = was.Watermark
				}
				if n.watermark != want || n.announced != want {
					t.Errorf("%s: watermark %d, announced %d, want %d", n.op.Name, n.watermark, n.announced, want)
				}
			}
			if err := task.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer task.Close()
			if _, err := task.Run(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			for op, o := range h.seen {
				if _, known := restore[op]; known != (o.Restored != nil) {
					t.Errorf("%s: opened with %+v", op, o.Restored)
				}
			}
		})
	}
}

// What a sink stages at its end has a number that nothing staged before the restore has.
func TestTheEndIsNumberedBehindWhatWasBefore(t *testing.T) {
	sink := &memorySink{log: new([]string)}
	h := &house{sources: map[string]*script{"in": {}}, sinks: map[string]operator.Sink{"sink": sink}}
	p := line("in", "sink")
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: h, Failed: make(chan struct{}), Restore: map[string]Restored{}, Next: 7})
	defer task.Close()
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := task.Run(t.Context(), time.Now()); err != nil || sink.prepared != 7 {
		t.Errorf("prepared for %d, %v", sink.prepared, err)
	}
}
