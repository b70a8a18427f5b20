package cluster

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

var ref = AttemptRef{Job: id.Job{Namespace: "default", Name: "quakes"}, Attempt: id.Attempt{Term: 3, Number: 2}}

var messages = []Message{
	Register{}, Registered{}, Prepared{ref}, Cancel{ref, true}, Shutdown{}, Leaving{Reason: "killed"},
	Heartbeat{Attempt: &ref, Stats: []Stats{{Operator: "in", Subtask: 1, RecordsOut: 5, Latency: []byte{1}, Metrics: []GuestMetric{{Name: "n", Kind: "gauge", Last: 2}}}}},
	TaskFinished{AttemptRef: ref, Task: TaskRef{1, 2}, Snapshots: []Snapshot{{Operator: "out", Subtask: snapshots.Subtask{Index: 2, Finished: true, Transactions: [][]byte{[]byte("{}")}}}}},
	CheckpointAck{AttemptRef: ref, Checkpoint: 4, Task: TaskRef{0, 1}, Snapshots: []Snapshot{{Operator: "in", Subtask: snapshots.Subtask{Index: 1, Splits: []byte(`[]`)}}}},
	CheckpointDeclined{AttemptRef: ref, Checkpoint: 4, Task: TaskRef{0, 1}, Reason: "disk full"},
	TriggerCheckpoint{ref, 4}, CheckpointAborted{ref, 4, "timeout"},
	Failed{ref, Cause{Operator: "a", Subtask: 1, Class: "guest", Text: "trap"}},
	Committed{ref, 4, 2}, Stopped{ref}, ModuleRequest{SHA256: "00", Offset: 5},
	Prepare{AttemptRef: ref, Plan: &graph.Plan{Job: "quakes", Tasks: []graph.Task{{Operators: []int{0}, Parallelism: 1}}}, Workers: []string{"w0"}},
	Start{ref, time.UnixMilli(1700000000000).UTC()}, Commit{ref, 4, []Transaction{{Operator: "out"}}},
	ModuleChunk{SHA256: "00", Offset: 1, Total: 3, Data: []byte{0, 255}},
}

func TestEveryMessageSurvivesTheWire(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range messages {
		seen[m.kind()] = true
		data, err := Encode(Envelope{From: "w0", Term: 9, Message: m})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Envelope{From: "w0", Term: 9, Message: m}, got); diff != "" {
			t.Errorf("%s: %s", m.kind(), diff)
		}
	}
	for kind := range decoders {
		if !seen[kind] {
			t.Errorf("no example of a %s message", kind)
		}
	}
}

func TestForeignMessagesAreRefused(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":         `{"v":1`,
		"older version":   `{"v":0,"kind":"registered","body":{}}`,
		"newer version":   `{"v":2,"kind":"registered","body":{}}`,
		"unknown kind":    `{"v":1,"kind":"explode","body":{}}`,
		"wrong body type": `{"v":1,"kind":"heartbeat","body":{"stats":"seven"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode([]byte(data)); !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("got %v, want a corruption", err)
			}
		})
	}
	if _, err := Decode([]byte(`{"v":1,"kind":"registered","body":{"new":1},"more":2}`)); err != nil {
		t.Errorf("fields of a newer sender are refused: %v", err)
	}
}

func TestAMessageThatNoServerTakesIsNotSent(t *testing.T) {
	_, err := Encode(Envelope{Message: ModuleChunk{Data: make([]byte, MaxMessage)}})
	if err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("got %v", err)
	}
}

func TestCausesKeepPlaceAndClass(t *testing.T) {
	for _, class := range []error{fault.ErrGuest, fault.ErrTransient, fault.ErrFenced, fault.ErrCorrupt} {
		err := &fault.Error{Subtask: id.Subtask{Operator: "a", Index: 3}, Place: "record 1", Hint: "look", Err: fault.As(class, errors.New("bad"))}
		cause := CauseOf(err)
		if cause.Operator != "a" || cause.Subtask != 3 {
			t.Errorf("place lost: %+v", cause)
		}
		back := cause.Err()
		if !errors.Is(back, class) || back.Error() != err.Error() {
			t.Errorf("%v came back as %v", err, back)
		}
	}
	if err := CauseOf(errors.New("plain")).Err(); errors.Is(err, fault.ErrGuest) || err.Error() != "plain" {
		t.Errorf("plain error came back as %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		data, err := Encode(Envelope{From: "w0", Term: 1, Message: m})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(e)
		if err != nil {
			return
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("decoded, encoded, refused: %v", err)
		}
		if reflect.TypeOf(back.Message) != reflect.TypeOf(e.Message) {
			t.Fatalf("%T became %T", e.Message, back.Message)
		}
	})
}
