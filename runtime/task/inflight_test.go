package task

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
)

// goldenFlight is what the golden vector has in flight at number[1] of the pressed job.
func goldenFlight() *InFlight {
	first, second, out := exchange.Channel{Edge: 0, From: 0, To: 1}, exchange.Channel{Edge: 0, From: 1, To: 1}, exchange.Channel{Edge: 1, From: 1, To: 0}
	return &InFlight{
		In: []exchange.Caught{
			{Channel: first, Kind: exchange.Watermark, Value: 5}, {Channel: first, Kind: exchange.Idle}, {Channel: first, Kind: exchange.Active},
			{Channel: first, Kind: exchange.Data, Batch: batchOf("one", "two")}, {Channel: second, Kind: exchange.Data, Batch: batchOf("three")},
		},
		Out: []exchange.Caught{{Channel: out, Kind: exchange.Watermark, Value: -1}, {Channel: out, Kind: exchange.Data, Batch: batchOf("")}},
	}
}

func goldenBytes(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/in-flight-v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return golden
}

// The golden vector is written again byte for byte, and read for ever.
func TestGoldenInFlight(t *testing.T) {
	p, golden := pressedPlan(0), goldenBytes(t)
	var encoded bytes.Buffer
	if err := goldenFlight().Encode(&encoded, p); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded.Bytes(), golden) {
		t.Errorf("encoded as\n%x\nwant\n%x", encoded.Bytes(), golden)
	}
	got, err := DecodeInFlight(bytes.NewReader(golden), p, p.Tasks[1])
	if err != nil {
		t.Fatal(err)
	}
	if want := goldenFlight(); !reflect.DeepEqual(got, want) {
		t.Errorf("decoded as\n%v\nwant\n%v", got, want)
	}
}

// Numbers of edges may change; their names may not.
func TestInFlightFindsItsEdgesByName(t *testing.T) {
	golden := goldenBytes(t)
	p := pressedPlan(0)
	p.Edges[0], p.Edges[1] = p.Edges[1], p.Edges[0]
	p.Edges[0].ID, p.Edges[1].ID = 0, 1
	got, err := DecodeInFlight(bytes.NewReader(golden), p, p.Tasks[1])
	if err != nil {
		t.Fatal(err)
	}
	if in, out := got.In[0].Channel.Edge, got.Out[0].Channel.Edge; in != 1 || out != 0 {
		t.Errorf("edges %d and %d", in, out)
	}
	p = pressedPlan(0)
	p.Operators[1].Outputs[0] = "numbered"
	_, err = DecodeInFlight(bytes.NewReader(golden), p, p.Tasks[1])
	if err == nil || !strings.Contains(err.Error(), "in flight from number.out to sink.in") || !strings.Contains(err.Error(), "alignment: aligned") || errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestDamagedInFlight(t *testing.T) {
	p, golden := pressedPlan(0), goldenBytes(t)
	whole := 0
	for n := range golden {
		_, err := DecodeInFlight(bytes.NewReader(golden[:n]), p, p.Tasks[1])
		if err == nil {
			whole++ // it was cut between two channels; the pack's checksum notices
		} else if !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if whole != 3 {
		t.Errorf("%d lengths were read, want 3: none of 3 channels, one, two", whole)
	}
	lost := errors.New("the store is gone")
	if _, err := DecodeInFlight(iotest.ErrReader(lost), p, p.Tasks[1]); !errors.Is(err, lost) || errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	for name, damage := range map[string]struct {
		at    int
		value byte
	}{"the version": {0, 2}, "the direction": {1, 2}, "the kind": {1 + 1 + 17 + 12, byte(exchange.Barrier)}} {
		damaged := bytes.Clone(golden)
		damaged[damage.at] = damage.value
		if _, err := DecodeInFlight(bytes.NewReader(damaged), p, p.Tasks[1]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s damaged: %v", name, err)
		}
	}
}

func FuzzDecodeInFlight(f *testing.F) {
	f.Add(goldenBytes(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := pressedPlan(0)
		got, err := DecodeInFlight(bytes.NewReader(data), p, p.Tasks[1])
		if err != nil {
			return
		}
		var encoded bytes.Buffer
		if err := got.Encode(&encoded, p); err != nil {
			t.Fatal(err)
		}
		again, err := DecodeInFlight(bytes.NewReader(encoded.Bytes()), p, p.Tasks[1])
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("read as %v, again as %v: %v", got, again, err)
		}
	})
}
