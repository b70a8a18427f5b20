package main

import (
	"encoding/binary"
	"slices"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// taken is the surroundings of the operator, as far as a result needs them.
type taken struct {
	wasmill.Host
	rows, keys []string
}

func (h *taken) Emit(_ int, batch []byte) {
	records, err := wasmill.DecodeBatch(batch)
	if err != nil {
		panic(err)
	}
	for _, r := range records {
		h.rows, h.keys = append(h.rows, string(r.Value)), append(h.keys, string(r.Key))
	}
}

func (h *taken) Fail(message string) { panic(message) }

// The engine knows which flights are in a session, the operator how many.
func TestCount(t *testing.T) {
	flights := newOperator().Aggregate.(*wasmill.Aggregate[int64])
	var session, other int64
	for range 3 {
		if err := flights.Add(nil, &session, &wasmill.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := flights.Add(nil, &other, &wasmill.Record{}); err != nil {
		t.Fatal(err)
	}
	if err := flights.Merge(nil, &session, other); err != nil || session != 4 {
		t.Fatalf("%d flights, %v; want 4", session, err)
	}

	var h taken
	i := wasmill.NewInstance(newOperator(), &h)
	if status := i.Open([]byte(`{"operator":"count","config":{},"subtask":0,"parallelism":1,"maxParallelism":128,"restored":false}`)); status != 0 {
		t.Fatalf("open: status %d", status)
	}
	if status := i.Finish(group("SFO", 60_000, 1_860_000, flights.Codec.Append(nil, session))); status != 0 {
		t.Fatalf("finish: status %d", status)
	}
	if status := i.Finish(group("\"\n", -1, 0, flights.Codec.Append(nil, 1))); status != 0 {
		t.Fatalf("finish: status %d", status)
	}
	want := []string{
		`{"origin":"SFO","start":60000,"end":1860000,"flights":4}`,
		`{"origin":"\"\u000a","start":-1,"end":0,"flights":1}`,
	}
	if !slices.Equal(h.rows, want) {
		t.Errorf("got %q, want %q", h.rows, want)
	}
	if !slices.Equal(h.keys, []string{"SFO", "\"\n"}) {
		t.Errorf("keys: %q", h.keys)
	}
}

// group is a window that has closed, as the engine gives it; see sdk/abi.md.
func group(key string, start, end int64, acc []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(acc)))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // no body; on time
	b = binary.LittleEndian.AppendUint64(b, uint64(start))
	b = binary.LittleEndian.AppendUint64(b, uint64(end))
	return append(append(b, key...), acc...)
}
