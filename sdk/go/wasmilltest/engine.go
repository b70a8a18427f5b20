package wasmilltest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// Rejection is a record that the operator gave up as bad.
type Rejection struct {
	Batch  int // from 0: which call of Process
	Index  int // within the batch
	Reason string
}

// engine is the wasmill.Host of a test.
type engine struct {
	now      int64
	emitted  [][]Emitted
	rejected []Rejection
	logs     []string
	metrics  map[string]float64
	batch    int
	failure  string
	err      error // what the operator did against the rules

	tables    map[entryName]entry
	version   uint32
	timers    []wasmill.Timer
	watermark int64
	replies   []byte
}

var _ wasmill.Host = (*engine)(nil)

func (e *engine) Emit(output int, batch []byte) { e.EmitTo(output, -1, batch) }

func (e *engine) EmitTo(output, partition int, batch []byte) {
	records, err := wasmill.DecodeBatch(bytes.Clone(batch))
	if err != nil {
		e.err = fmt.Errorf("emit: %w", err)
		return
	}
	for _, r := range records {
		e.emitted[output] = append(e.emitted[output], Emitted{Record: r, Partition: partition})
	}
}

func (e *engine) Reject(index int, reason string) {
	e.rejected = append(e.rejected, Rejection{Batch: e.batch - 1, Index: index, Reason: reason})
}

func (e *engine) Now() int64 { return e.now }

func (e *engine) Log(level int32, line string) { e.logs = append(e.logs, line) }

var metricName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,254}$`)

func (e *engine) Metric(kind int32, name string, value float64) {
	if !metricName.MatchString(name) || math.IsNaN(value) || math.IsInf(value, 0) {
		e.err = fmt.Errorf("metric %q, value %v: names are a-z, 0-9, _ and . from a letter on, values finite", name, value)
	}
	if kind == 0 {
		value += e.metrics[name]
	}
	e.metrics[name] = value
}

func (e *engine) Fail(message string) { e.failure = message }

// end is the failure that a call ended with, if any.
func (e *engine) end(status int32) error {
	if e.err != nil {
		return e.err
	}
	if status < 0 {
		return errors.New(e.failure)
	}
	return nil
}
