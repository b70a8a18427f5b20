package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func TestAChainRunsInOrderToItsEnd(t *testing.T) {
	var log []string
	two := func(g *guest, _ int, batch []byte) error { // emits twice in one call
		if err := g.collector.Emit(0, batchOf("x")); err != nil {
			return err
		}
		return g.collector.Emit(0, batch)
	}
	sink := &memorySink{log: &log}
	h := &house{
		sources:   map[string]*script{"in": {steps: [][]byte{batchOf("1", "2"), nil, batchOf("3")}, ready: make(chan struct{}, 1)}},
		functions: map[string]*guest{"a": {log: &log, process: two, end: batchOf("end of a")}, "b": {log: &log, end: batchOf("end of b")}},
		sinks:     map[string]operator.Sink{"sink": sink},
	}
	last, task, err := runLine(t, line("in", "a", "b", "sink"), h)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a process 0 1,2", "b process 0 x,1,2", "sink write x,1,2",
		"a process 0 3", "b process 0 x,3", "sink write x,3",
		"a end", "b process 0 end of a", "sink write end of a",
		"b end", "sink write end of b",
		"a close", "b close",
	}
	if !slices.Equal(log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
	if !last.Finished || len(last.Parts) != 4 || last.Parts[3].Operator != "sink" || string(last.Parts[3].Transaction) != "staged" || sink.prepared != 1 {
		t.Errorf("left %+v for checkpoint %d", last, sink.prepared)
	}
	stats := task.Stats()
	if s := stats[1]; s.Operator != "a" || s.RecordsIn != 3 || s.RecordsOut != 6 || s.BytesIn != 3*18 {
		t.Errorf("stats of a: %+v", s)
	}
}

func TestATaskEndsWhenAllItsChannelsHave(t *testing.T) {
	var log []string
	w := newWire(t, 0)
	p := line("a", "sink")
	p.Operators[0].Role, p.Operators[0].Module = graph.RoleModule, &graph.Module{Shape: "process"}
	task := New(Config{
		Plan: p, Task: p.Tasks[0], Inbox: w.inbox, Inputs: []Input{{Input: 0}, {Input: 1}}, Failed: w.hub.Failed(), Cause: w.hub.Err,
		Opener: &house{functions: map[string]*guest{"a": {log: &log}}, sinks: map[string]operator.Sink{"sink": &memorySink{log: new([]string)}}},
	})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.senders[1].Write(batchOf("1"))
	for _, s := range w.senders {
		s.Control(exchange.Element{Kind: exchange.End})
		if done, err := s.Drain(); !done || err != nil {
			t.Fatalf("drain: %t, %v", done, err)
		}
	}
	if _, err := task.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a process 1 1", "a end"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

// A guest is not called while its output has no room, and goes on when there is.
func TestAGuestWaitsForRoom(t *testing.T) {
	w := newWire(t, 128<<10)
	var log []string
	calls, released := 0, atomic.Int64{}
	// A record takes more than the credit: one is under way, none is pending, at each call.
	big := func(g *guest, _ int, batch []byte) error {
		if calls++; int(released.Load()) < calls-2 {
			return fmt.Errorf("call %d after %d records were taken", calls, released.Load())
		}
		return g.collector.Emit(0, batchOf(strings.Repeat("x", 200<<10)))
	}
	p := line("in", "a")
	p.Edges = append(p.Edges, graph.Edge{ID: 7, From: 1, To: 2, Partition: graph.Rebalance})
	steps := [][]byte{batchOf("1"), batchOf("2"), batchOf("3"), batchOf("4")}
	task := New(Config{
		Plan: p, Task: p.Tasks[0], Outputs: map[int]*exchange.Writer{7: w.senders[0]}, Failed: w.hub.Failed(), Cause: w.hub.Err,
		Opener: &house{sources: map[string]*script{"in": {steps: steps}}, functions: map[string]*guest{"a": {log: &log, process: big}}},
	})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := task.Run(ctx, time.Now())
		done <- err
	}()
	received := 0
	for {
		channel, e, ok := w.inbox.Next()
		if !ok {
			select {
			case <-w.inbox.Ready():
				continue
			case <-ctx.Done():
				t.Fatal("nothing comes")
			}
		}
		if channel != 0 {
			t.Fatalf("channel %d", channel)
		}
		kind := e.Kind
		released.Add(1)
		w.inbox.Release(e)
		if kind == exchange.End {
			break
		}
		received++
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if received != len(steps) {
		t.Errorf("received %d records, want %d", received, len(steps))
	}
}

// What operators hold back goes out after the buffer timeout, without new input.
func TestHeldBackRecordsGoOutInTime(t *testing.T) {
	var log []string
	p := line("in", "a", "sink")
	p.BufferTimeout = time.Millisecond
	hold := func(g *guest, _ int, batch []byte) error { g.flush = slices.Clone(batch); return nil }
	idle := &script{steps: [][]byte{batchOf("1")}, ready: make(chan struct{})}
	written := make(chan string, 1)
	h := &house{
		sources:   map[string]*script{"in": idle},
		functions: map[string]*guest{"a": {log: &log, process: hold}},
		sinks:     map[string]operator.Sink{"sink": signalSink(written)},
	}
	task := New(Config{Plan: p, Task: p.Tasks[0], Opener: &idleHouse{house: h}, Failed: make(chan struct{})})
	if err := task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := task.Run(ctx, time.Now())
		done <- err
	}()
	select {
	case got := <-written:
		if got != "1" {
			t.Errorf("got %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("held back for 10s")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
