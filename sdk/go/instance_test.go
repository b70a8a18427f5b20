package wasmill_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	wasmill "github.com/wasmill/wasmill/sdk/go"
	"github.com/wasmill/wasmill/sdk/go/config"
	"github.com/wasmill/wasmill/sdk/go/wasmilltest"
)

func process(f func(*wasmill.Context, *wasmill.Record) error) wasmill.Operator {
	return wasmill.Operator{Process: f}
}

func TestRecordsPassUnchanged(t *testing.T) {
	h := wasmilltest.New(t, process(func(c *wasmill.Context, r *wasmill.Record) error {
		c.Emit(r)
		return nil
	}), wasmilltest.Options{})
	in := []wasmill.Record{
		{Timestamp: 1, Key: []byte("k"), Value: []byte("v")},
		{Timestamp: wasmill.NoTimestamp, Value: []byte{}, Change: wasmill.UpdateAfter},
		{Timestamp: 2, Key: []byte{}, Extension: []byte("trace"), Change: wasmill.Delete},
		{Timestamp: 3, Key: []byte("k"), Value: bytes.Repeat([]byte("x"), 3<<20)},
		{Timestamp: 4, Key: bytes.Repeat([]byte("k"), 40_000), Value: []byte("after a large one")},
	}
	h.Process(in...)
	h.Process()
	got := h.Take("out")
	if len(got) != len(in) {
		t.Fatalf("%d records, want %d", len(got), len(in))
	}
	for i := range in {
		a, _ := wasmill.AppendRecord(nil, &in[i])
		b, _ := wasmill.AppendRecord(nil, &got[i].Record)
		if !bytes.Equal(a, b) {
			t.Errorf("record %d changed", i)
		}
	}
}

func TestManyRecordsKeepTheirOrder(t *testing.T) {
	h := wasmilltest.New(t, process(func(c *wasmill.Context, r *wasmill.Record) error {
		for n := range 5000 {
			r.Value = append(r.Value[:0:0], byte(n), byte(n>>8), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
			c.Emit(r)
		}
		return nil
	}), wasmilltest.Options{})
	h.Process(wasmilltest.Value(""))
	for n, r := range h.Take("out") {
		if int(r.Value[0])|int(r.Value[1])<<8 != n {
			t.Fatalf("record %d is out of order", n)
		}
	}
}

func TestInputsAndOutputs(t *testing.T) {
	op := wasmill.Operator{
		Inputs: []string{"left", "right"}, Outputs: []string{"a", "b"},
		Process: func(c *wasmill.Context, r *wasmill.Record) error {
			c.Out(c.Input()).Emit(r)
			c.Out(1).EmitTo(c.Input()+3, r)
			return nil
		},
	}
	h := wasmilltest.New(t, op, wasmilltest.Options{})
	h.ProcessFrom("left", wasmilltest.Value("l"))
	h.ProcessFrom("right", wasmilltest.Value("r"))
	if got := h.Values("a"); !slices.Equal(got, []string{"l"}) {
		t.Errorf("a: %q", got)
	}
	var got []int
	for _, r := range h.Take("b") {
		got = append(got, r.Partition)
	}
	if !slices.Equal(got, []int{3, -1, 4}) {
		t.Errorf("partitions of b: %v", got)
	}
}

func TestSettings(t *testing.T) {
	var got wasmill.Settings
	var cfg struct {
		Text string
		List []int
	}
	op := process(func(*wasmill.Context, *wasmill.Record) error { return nil })
	op.Open = func(c *wasmill.Context) error {
		got = c.Settings
		return config.Decode(c, &cfg)
	}
	wasmilltest.New(t, op, wasmilltest.Options{
		Operator: "größe", Config: `{"text": "a\"}{,b", "list": [1, 2]}`,
		Subtask: 2, Parallelism: 3, MaxParallelism: 256, Restored: true,
	})
	if got.Operator != "größe" || got.Subtask != 2 || got.Parallelism != 3 || got.MaxParallelism != 256 || !got.Restored {
		t.Errorf("settings %+v", got)
	}
	if cfg.Text != `a"}{,b` || !slices.Equal(cfg.List, []int{1, 2}) {
		t.Errorf("config %+v", cfg)
	}
	_, err := wasmilltest.Open(t, op, wasmilltest.Options{Config: `{"unknown": 1}`})
	if err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestOpenEmitsNothing(t *testing.T) {
	op := process(func(*wasmill.Context, *wasmill.Record) error { return nil })
	op.Open = func(c *wasmill.Context) error { c.Emit(&wasmill.Record{}); return nil }
	if _, err := wasmilltest.Open(t, op, wasmilltest.Options{}); err == nil || !strings.Contains(err.Error(), "emits while") {
		t.Errorf("got %v", err)
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*wasmill.Context, *wasmill.Record) error
		want string
	}{
		"an error":          {func(*wasmill.Context, *wasmill.Record) error { return errors.New("no luck") }, "record 0 of the batch: no luck"},
		"no such output":    {func(c *wasmill.Context, r *wasmill.Record) error { c.Out(1).Emit(r); return nil }, "no such output"},
		"a negative output": {func(c *wasmill.Context, r *wasmill.Record) error { c.Out(-1).Emit(r); return nil }, "no such output"},
		"a bad partition":   {func(c *wasmill.Context, r *wasmill.Record) error { c.Out(0).EmitTo(-1, r); return nil }, "partition"},
		"a bad time":        {func(c *wasmill.Context, r *wasmill.Record) error { r.Timestamp = 1<<63 - 1; c.Emit(r); return nil }, "timestamp"},
		"a key too long":    {func(c *wasmill.Context, r *wasmill.Record) error { r.Key = make([]byte, 1<<24); c.Emit(r); return nil }, "key of 16777216 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			h := wasmilltest.New(t, process(c.do), wasmilltest.Options{})
			err := h.Try(0, wasmilltest.Value("x"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if out := h.Take("out"); out != nil {
				t.Errorf("a failed batch gave out %v", out)
			}
		})
	}
}

func TestRejectGoesOn(t *testing.T) {
	h := wasmilltest.New(t, process(func(c *wasmill.Context, r *wasmill.Record) error {
		if len(r.Value) == 0 {
			return c.Reject("empty")
		}
		c.Emit(r)
		return nil
	}), wasmilltest.Options{})
	h.Process(wasmilltest.Value("a"), wasmilltest.Value(""), wasmilltest.Value("b"))
	if got := h.Rejected(); !slices.Equal(got, []wasmilltest.Rejection{{Batch: 0, Index: 1, Reason: "empty"}}) {
		t.Errorf("rejected %v", got)
	}
	if got := h.Values("out"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("out %q", got)
	}
}

func TestPanicNamesTheRecord(t *testing.T) {
	host := &failures{}
	i := wasmill.NewInstance(process(func(c *wasmill.Context, r *wasmill.Record) error { panic("bug") }), host)
	batch, _ := wasmill.AppendRecord(nil, &wasmill.Record{})
	defer func() {
		if recover() != "bug" || !strings.Contains(host.message, "record 0") {
			t.Errorf("said %q", host.message)
		}
	}()
	i.Process(0, batch)
}

type failures struct {
	wasmill.Host
	message string
}

func (f *failures) Fail(message string) { f.message = message }

func TestSourceFlushEndAndTheRest(t *testing.T) {
	left := 3
	op := wasmill.Operator{
		Poll: func(c *wasmill.Context, max int) (wasmill.Status, error) {
			for ; left > 0 && max > 0; left, max = left-1, max-1 {
				c.Emit(&wasmill.Record{Timestamp: c.Now(), Value: []byte{byte('0' + left)}})
			}
			c.Count("polls", 1)
			c.Gauge("left", float64(left))
			c.Log(wasmill.Info, "polled")
			if left == 0 {
				return wasmill.End, nil
			}
			return wasmill.More, nil
		},
		Flush: func(c *wasmill.Context) error { c.Emit(&wasmill.Record{Value: []byte("flushed")}); return nil },
		End:   func(c *wasmill.Context) error { c.Emit(&wasmill.Record{Value: []byte("ended")}); return nil },
	}
	h := wasmilltest.New(t, op, wasmilltest.Options{Now: 7})
	if s := h.Poll(2); s != wasmill.More {
		t.Errorf("status %d", s)
	}
	if s := h.Poll(2); s != wasmill.End {
		t.Errorf("status %d", s)
	}
	h.End()
	if got := h.Values("out"); !slices.Equal(got, []string{"3", "2", "1", "flushed", "ended"}) {
		t.Errorf("out %q", got)
	}
	if h.Metric("polls") != 2 || h.Metric("left") != 0 || len(h.Logs()) != 2 {
		t.Errorf("polls %v, left %v, logs %q", h.Metric("polls"), h.Metric("left"), h.Logs())
	}
}

func TestDescribe(t *testing.T) {
	op := wasmill.Operator{Name: "x\"y", Version: "1", Inputs: []string{"a", "b"}, Outputs: []string{}, KeepsKey: true,
		ConfigSchema: `{"type":"object"}`, Process: func(*wasmill.Context, *wasmill.Record) error { return nil }}
	want := `{"abi":1,"name":"x\"y","version":"1","shape":"process","inputs":["a","b"],"outputs":[],"keepsKey":true,"config":{"type":"object"}}`
	if got := string(wasmill.NewInstance(op, nil).Describe()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkPassThrough(b *testing.B) {
	i := wasmill.NewInstance(process(func(c *wasmill.Context, r *wasmill.Record) error { c.Emit(r); return nil }), discard{})
	var batch []byte
	records := 0
	for ; len(batch) < 32<<10; records++ {
		batch, _ = wasmill.AppendRecord(batch, &wasmill.Record{Key: make([]byte, 8), Value: make([]byte, 76)})
	}
	b.ReportAllocs()
	for n := 0; n < b.N; n += records {
		i.Process(0, batch)
	}
}

type discard struct{ wasmill.Host }

func (discard) Emit(int, []byte) {}

// TestKeysAreReadOnly: tables and timers use the bytes of a key, and so a test says when
// an operator has written to them.
func TestKeysAreReadOnly(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *wasmill.Record)
		fails  bool
	}{
		"its bytes":           {func(r *wasmill.Record) { r.Key[0]++ }, true},
		"appended from 0 on":  {func(r *wasmill.Record) { r.Key = append(r.Key[:0], "new"...) }, true},
		"appended":            {func(r *wasmill.Record) { r.Key = append(r.Key, "new"...) }, false},
		"another":             {func(r *wasmill.Record) { r.Key = []byte("another") }, false},
		"none":                {func(r *wasmill.Record) { r.Key = nil }, false},
		"bytes of the value":  {func(r *wasmill.Record) { r.Value[0]++ }, false},
		"the value for a key": {func(r *wasmill.Record) { r.Key = r.Value }, false},
	} {
		t.Run(name, func(t *testing.T) {
			counts := &wasmill.Value[int64]{Name: "counts", Codec: wasmill.Int64}
			h := wasmilltest.New(t, wasmill.Operator{
				Tables: []wasmill.Table{counts},
				Process: func(ctx *wasmill.Context, r *wasmill.Record) error {
					key := string(r.Key)
					c.change(r)
					n, _ := counts.Get(ctx)
					counts.Set(ctx, n+1)
					ctx.Emit(&wasmill.Record{Timestamp: r.Timestamp, Key: []byte(key), Value: strconv.AppendInt(nil, n+1, 10)})
					return nil
				},
			}, wasmilltest.Options{})
			for range 2 {
				err := h.Try(0, wasmilltest.KeyValue("key", "value"), wasmilltest.KeyValue("and another", "value"))
				if got := err != nil; got != c.fails {
					t.Fatalf("fails: %v, want %v (%v)", got, c.fails, err)
				}
			}
			if got := h.Values("out"); !c.fails && !slices.Equal(got, []string{"1", "1", "2", "2"}) {
				t.Errorf("counts are %q", got)
			}
		})
	}
}
