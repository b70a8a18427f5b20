// Package wasmilltest runs an operator natively, in a unit test, without wasm:
//
//	h := wasmilltest.New(t, newOperator(), wasmilltest.Options{Config: `{"min": 3}`})
//	h.Process(wasmilltest.Value("hello"))
//	got := h.Take("out")
//
// Start with New and Harness. It plays the engine as sdk/abi.md says it works; whether
// the module itself keeps the rules is the conformance suite's to test.
package wasmilltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// Options is the surroundings of the operator. The zero value is ready.
type Options struct {
	Operator       string // name in the job file; default "operator"
	Config         string // a JSON object; default {}
	Subtask        int
	Parallelism    int // default 1
	MaxParallelism int // default 128
	Restored       bool
	Now            int64 // what the operator's clock says, in ms since 1970
}

// Harness is an operator under test. It belongs to one goroutine.
type Harness struct {
	t        testing.TB
	op       wasmill.Operator
	instance *wasmill.Instance
	names    struct {
		Inputs  []string `json:"inputs"`
		Outputs []string `json:"outputs"`
		Tables  []struct{ Name string }
		Version uint32 `json:"stateVersion"`
	}
	engine engine
}

// New opens an operator; it fails the test if that fails.
func New(t testing.TB, op wasmill.Operator, o Options) *Harness {
	t.Helper()
	h, err := Open(t, op, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return h
}

// Open is New for tests that want to see the operator refuse its settings.
func Open(t testing.TB, op wasmill.Operator, o Options) (*Harness, error) {
	t.Helper()
	h := &Harness{t: t, op: op, engine: engine{now: o.Now, metrics: map[string]float64{}, tables: map[entryName]entry{}, watermark: wasmill.NoTimestamp}}
	h.instance = wasmill.NewInstance(op, &h.engine)
	if err := json.Unmarshal(h.instance.Describe(), &h.names); err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	h.engine.version = h.names.Version
	h.engine.emitted = make([][]Emitted, len(h.names.Outputs))
	if o.Operator == "" {
		o.Operator = "operator"
	}
	if o.Config == "" {
		o.Config = "{}"
	}
	request, err := json.Marshal(map[string]any{
		"operator": o.Operator, "config": json.RawMessage(o.Config), "subtask": o.Subtask,
		"parallelism": max(o.Parallelism, 1), "maxParallelism": max(o.MaxParallelism, 128), "restored": o.Restored,
	})
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	status := h.instance.Open(request)
	for _, emitted := range h.engine.emitted {
		if len(emitted) > 0 {
			return nil, errors.New("the operator emits while it is opened")
		}
	}
	return h, h.engine.end(status)
}

// Process hands the operator a batch of the first input; it fails the test if the
// operator fails.
func (h *Harness) Process(records ...wasmill.Record) {
	h.t.Helper()
	if err := h.Try(0, records...); err != nil {
		h.t.Fatalf("process: %v", err)
	}
}

// ProcessFrom is Process for an input by its name.
func (h *Harness) ProcessFrom(input string, records ...wasmill.Record) {
	h.t.Helper()
	at := slices.Index(h.names.Inputs, input)
	if at < 0 {
		h.t.Fatalf("the operator has no input %q, but %q", input, h.names.Inputs)
	}
	if err := h.Try(at, records...); err != nil {
		h.t.Fatalf("process: %v", err)
	}
}

// Try hands the operator a batch of an input, by its index, and returns its failure.
func (h *Harness) Try(input int, records ...wasmill.Record) error {
	h.t.Helper()
	var batch []byte
	for i := range records {
		var err error
		if batch, err = wasmill.AppendRecord(batch, &records[i]); err != nil {
			return fmt.Errorf("encode record %d: %w", i, err)
		}
	}
	h.engine.batch++
	given := bytes.Clone(batch)
	if err := h.engine.end(h.instance.Process(input, batch)); err != nil {
		return err
	}
	return keysKept(given, batch)
}

// keysKept says whether an operator wrote to the keys of a batch, which its tables use.
func keysKept(given, batch []byte) error {
	before, err := wasmill.DecodeBatch(given)
	if err != nil {
		return fmt.Errorf("decode batch: %w", err)
	}
	after, err := wasmill.DecodeBatch(batch)
	if err != nil {
		return fmt.Errorf("decode batch: %w", err)
	}
	for i := range before {
		if !bytes.Equal(before[i].Key, after[i].Key) {
			return fmt.Errorf("record %d: the bytes of its key were changed from %q to %q; set Record.Key to other bytes instead",
				i, before[i].Key, after[i].Key)
		}
	}
	return nil
}

// Poll asks a source for at most max records.
func (h *Harness) Poll(max int) wasmill.Status {
	h.t.Helper()
	status := h.instance.Poll(max)
	if err := h.engine.end(status); err != nil {
		h.t.Fatalf("poll: %v", err)
	}
	return wasmill.Status(status)
}

// Flush is what happens at the buffer timeout.
func (h *Harness) Flush() {
	h.t.Helper()
	if err := h.engine.end(h.instance.Flush()); err != nil {
		h.t.Fatalf("flush: %v", err)
	}
}

// End is what happens when all inputs have ended: a flush, then the end.
func (h *Harness) End() {
	h.t.Helper()
	h.Flush()
	if err := h.engine.end(h.instance.End()); err != nil {
		h.t.Fatalf("end: %v", err)
	}
}

// Emitted is a record that the operator gave out.
type Emitted struct {
	wasmill.Record
	Partition int // of EmitTo; -1 if the edge decides
}

// Take returns what an output was given since the last Take.
func (h *Harness) Take(output string) []Emitted {
	h.t.Helper()
	at := slices.Index(h.names.Outputs, output)
	if at < 0 {
		h.t.Fatalf("the operator has no output %q, but %q", output, h.names.Outputs)
	}
	taken := h.engine.emitted[at]
	h.engine.emitted[at] = nil
	return taken
}

// Values is Take for tests that look at values only, as text.
func (h *Harness) Values(output string) []string {
	h.t.Helper()
	var values []string
	for _, r := range h.Take(output) {
		values = append(values, string(r.Value))
	}
	return values
}

// Rejected is all records given up so far.
func (h *Harness) Rejected() []Rejection { return h.engine.rejected }

// Logs is all lines logged so far.
func (h *Harness) Logs() []string { return h.engine.logs }

// Metric is the sum of a counter, the last value of a gauge, or the last of a histogram.
func (h *Harness) Metric(name string) float64 { return h.engine.metrics[name] }

// SetNow sets the operator's clock, in ms since 1970.
func (h *Harness) SetNow(ms int64) { h.engine.now = ms }

// Value is a record with a value, and neither key nor timestamp.
func Value(value string) wasmill.Record {
	return wasmill.Record{Timestamp: wasmill.NoTimestamp, Value: []byte(value)}
}

// KeyValue is a record with key and value, without a timestamp.
func KeyValue(key, value string) wasmill.Record {
	return wasmill.Record{Timestamp: wasmill.NoTimestamp, Key: []byte(key), Value: []byte(value)}
}
