package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// values gives out the records that stand in the job file.
type values struct {
	c       Context
	dec     *decoder
	records []record.Record
	stripes []stripe
	out     record.Builder
}

func openValues(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	var with struct {
		Records []json.RawMessage `json:"records"`
	}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	v := &values{c: c, dec: newDecoder(op.Format)}
	for i, element := range with.Records {
		r, err := parseValue(element)
		if err != nil {
			return nil, placed(fmt.Sprintf("with.records[%d]", i), "", err)
		}
		v.records = append(v.records, r)
	}
	var err error
	v.stripes, err = openStripes(c)
	return v, err
}

// parseValue reads an element of `records`. A text is a value, null is the null
// value, an object of nothing but key, value and time is a record; everything else
// is a value in JSON.
func parseValue(element json.RawMessage) (record.Record, error) {
	r := record.Record{Kind: record.KeyAbsent, Timestamp: record.NoTimestamp}
	whole, given := recordMembers(element)
	if !given {
		return r, setValue(&r, element)
	}
	if key := whole["key"]; len(key) > 0 && !isNull(key) {
		text, err := textOf(key)
		if err != nil {
			return r, err
		}
		if len(text) > record.MaxKeyLen {
			return r, fmt.Errorf("key has %d bytes, more than %d", len(text), record.MaxKeyLen)
		}
		r.Key, r.Kind = text, record.Insert
	}
	if at := whole["time"]; len(at) > 0 && !isNull(at) {
		var err error
		if r.Timestamp, err = valueTime(at); err != nil {
			return r, err
		}
	}
	return r, setValue(&r, whole["value"])
}

// recordMembers tells whether an element is written as {key, value, time}.
func recordMembers(element json.RawMessage) (map[string]json.RawMessage, bool) {
	members := map[string]json.RawMessage{}
	if len(element) == 0 || element[0] != '{' || json.Unmarshal(element, &members) != nil {
		return nil, false
	}
	if _, ok := members["value"]; !ok {
		return nil, false
	}
	for name := range members {
		if name != "key" && name != "value" && name != "time" {
			return nil, false
		}
	}
	return members, true
}

func setValue(r *record.Record, value json.RawMessage) (err error) {
	if isNull(value) {
		r.Kind |= record.ValueNull
		return nil
	}
	r.Value, err = textOf(value)
	return err
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }

// textOf is a JSON text itself, and of every other value its JSON.
func textOf(value json.RawMessage) ([]byte, error) {
	if bytes.HasPrefix(value, quote) {
		var text string
		err := json.Unmarshal(value, &text)
		return []byte(text), err
	}
	var text bytes.Buffer
	err := json.Compact(&text, value)
	return text.Bytes(), err
}

func valueTime(value json.RawMessage) (int64, error) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return 0, errors.New("time must be ms since 1970, or like 2026-01-02T15:04:05Z")
		}
		return t.UnixMilli(), nil
	}
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, errors.New("time must be ms since 1970, or like 2026-01-02T15:04:05Z")
	}
	if ms == math.MinInt64 || ms == math.MaxInt64 {
		return 0, errors.New("time is outside the range of event times")
	}
	return ms, nil
}

func (v *values) Poll(most int) (operator.Status, error) {
	v.out.Reset()
	v.dec.poll()
	s := earliest(v.stripes)
	for met := 0; s != nil && s.next < int64(len(v.records)) && met < most && v.out.Len() < batchBytes; met++ {
		if err := v.give(int(s.next)); err != nil {
			return operator.End, err
		}
		s.next += s.step
		s = earliest(v.stripes)
	}
	if v.out.Count() > 0 {
		if err := v.c.Collector.Emit(0, v.out.Bytes()); err != nil {
			return operator.End, err
		}
	}
	if s == nil || s.next >= int64(len(v.records)) {
		return operator.End, nil
	}
	return operator.More, nil
}

// give decodes record n. A null value has no fields to take a key or a time from.
func (v *values) give(n int) error {
	r, reason := &v.records[n], ""
	if r.Kind&record.ValueNull != 0 {
		v.out.Append(r.Kind, v.dec.stamped(r.Timestamp), r.Key, nil)
		return nil
	}
	if v.dec.checked() {
		reason = invalidJSON(r.Value)
	}
	if reason == "" {
		reason = v.dec.add(&v.out, r.Timestamp, r.Key, r.Value)
	}
	if reason == "" {
		return nil
	}
	return v.c.Collector.Reject(operator.Rejection{Record: *r, Place: fmt.Sprintf("with.records[%d]", n), Reason: reason})
}

func (v *values) Ready() <-chan struct{} { return nil }

func (v *values) Position() []operator.Split { return positions(v.stripes, int64(len(v.records))) }

func (v *values) Close() error { return nil }
