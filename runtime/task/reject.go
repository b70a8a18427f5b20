package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// rejectedError ends a job whose policy is to fail. It is the data's fault, not the
// guest's.
type rejectedError struct {
	place, reason string
}

func (e *rejectedError) Error() string { return "record rejected: " + e.reason }

// Reject implements operator.Collector: it does with a bad record what the operator's
// onReject says.
func (n *node) Reject(r operator.Rejection) error {
	bad, place, err := n.rejected(r)
	if err != nil {
		return err
	}
	n.stats.rejected.Add(1)
	switch n.op.OnReject.Policy {
	case graph.RejectSkip:
		return nil
	case graph.RejectTo:
		var b record.Builder
		value, err := json.Marshal(deadLetter{
			Operator: n.op.Name, Subtask: n.task.config.Subtask, Place: place, Reason: r.Reason, Record: letterOf(&bad),
		})
		if err != nil {
			return fmt.Errorf("write dead letter: %w", err)
		}
		b.Append(bad.Kind&record.KeyAbsent, bad.Timestamp, bad.Key, value)
		return n.Emit(n.op.OnReject.Output, b.Bytes())
	}
	return &rejectedError{place: place, reason: r.Reason}
}

// rejected finds the record that is meant, and where it stood.
func (n *node) rejected(r operator.Rejection) (bad record.Record, place string, err error) {
	if n.isSource() {
		return r.Record, r.Place, nil
	}
	at := 0
	for c := record.NewCursor(n.current); c.Next(); at++ {
		if at == r.Index {
			return c.Record, describe(&c.Record, r.Index), nil
		}
	}
	return bad, "", fault.Guestf("reject record %d: the batch has %d", r.Index, at)
}

// describe names a record so that a person can find it.
func describe(r *record.Record, index int) string {
	s := fmt.Sprintf("record %d of its batch", index)
	if r.Kind&record.KeyAbsent == 0 {
		s += fmt.Sprintf(", key %s", clip(r.Key))
	}
	if r.Timestamp != record.NoTimestamp {
		s += fmt.Sprintf(", time %d", r.Timestamp)
	}
	return s + ", value " + clip(r.Value)
}

func clip(b []byte) string {
	const most = 80
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// deadLetter is the value of a record that goes to an onReject output.
type deadLetter struct {
	Operator string `json:"operator"`
	Subtask  int    `json:"subtask"`
	Place    string `json:"place"`
	Reason   string `json:"reason"`
	Record   letter `json:"record"`
}

type letter struct {
	Key    any    `json:"key"`
	Value  any    `json:"value"`
	Time   *int64 `json:"time"`
	Change string `json:"change"`
}

func letterOf(r *record.Record) letter {
	l := letter{Change: r.Kind.Change().String()}
	if r.Kind&record.KeyAbsent == 0 {
		l.Key = textOrBase64(r.Key)
	}
	if r.Kind&record.ValueNull == 0 {
		l.Value = textOrBase64(r.Value)
	}
	if r.Timestamp != record.NoTimestamp {
		l.Time = &r.Timestamp
	}
	return l
}

func textOrBase64(b []byte) any {
	if utf8.Valid(b) {
		return string(b)
	}
	return map[string][]byte{"base64": b}
}

// place adds the operator, and for a rejected record where it stood. An error that
// comes from further down the chain has its place already.
func (n *node) place(err error) error {
	var located *fault.Error
	if errors.As(err, &located) && located.Subtask.Operator != "" {
		return err
	}
	located = &fault.Error{Subtask: n.subtask(), Err: err}
	var rejected *rejectedError
	if errors.As(err, &rejected) {
		located.Err = rejected
		located.Place = rejected.place
		located.Hint = "onReject: skip or {to: OUTPUT} lets the job go on"
	}
	return located
}
