// Package conntest is the suite that every resumable source and every two-phase sink
// passes, whoever wrote it. It is not for what is special to a connector: that is
// tested beside it.
//
// Start with Source.Run and Sink.Run.
package conntest

import (
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// Recorder is a Collector that keeps what it is given.
type Recorder struct {
	Records  []string // each as Text gives it
	Batches  []int    // the number of records in each batch
	Rejected []string // each as "place: reason"
}

// Text is a record as this package compares and shows it.
func Text(r *record.Record) string {
	return fmt.Sprintf("%s key=%q value=%q time=%d kind=%d", r.Kind, r.Key, r.Value, r.Timestamp, r.Kind)
}

// Emit implements operator.Collector.
func (r *Recorder) Emit(output int, batch []byte) error {
	if output != 0 {
		return fmt.Errorf("emit to output %d: a source has output 0", output)
	}
	n, err := record.Validate(batch)
	if err != nil {
		return fmt.Errorf("validate batch: %w", err)
	}
	for c := record.NewCursor(batch); c.Next(); {
		r.Records = append(r.Records, Text(&c.Record))
	}
	r.Batches = append(r.Batches, n)
	return nil
}

// EmitTo implements operator.Collector. A connector has no say in partitioning.
func (r *Recorder) EmitTo(output, partition int, _ []byte) error {
	return fmt.Errorf("emit to partition %d of output %d by a connector", partition, output)
}

// Reject implements operator.Collector.
func (r *Recorder) Reject(rejected operator.Rejection) error {
	if rejected.Place == "" || rejected.Reason == "" {
		return fmt.Errorf("rejected a record without place or reason: %+v", rejected)
	}
	r.Rejected = append(r.Rejected, rejected.Place+": "+rejected.Reason)
	return nil
}

// Drain polls a source to its end.
func Drain(t testing.TB, s operator.Source, most int) {
	t.Helper()
	for {
		status, err := s.Poll(most)
		if err != nil {
			t.Fatalf("poll: %v", err)
		}
		switch status {
		case operator.End:
			return
		case operator.Idle:
			<-s.Ready()
		}
	}
}
