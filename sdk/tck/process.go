package tck

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

func (s suite) process(t *testing.T) {
	t.Run("describes itself", s.describe)
	t.Run("transcripts", s.transcripts)
	t.Run("settings", s.settings)
	t.Run("rejects", s.rejects)
	t.Run("failures", s.failures)
	t.Run("logs and metrics", s.logsAndMetrics)
	t.Run("time passes it by", s.withoutTime)
	t.Run("records of every form", s.forms)
	t.Run("many batches", s.manyBatches)
	t.Run("two instances share nothing", s.apart)
	t.Run("moves to another instance", s.moves)
	t.Run("the same input twice", s.twice)
}

// batch builds records of key and value, with timestamps 1, 2, …
func batch(pairs ...string) []byte {
	var b record.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		b.Append(record.Insert, int64(i/2+1), []byte(pairs[i]), []byte(pairs[i+1]))
	}
	return b.Bytes()
}

func process(t *testing.T, i *host.Instance, input int, b []byte) {
	t.Helper()
	if err := i.Process(input, b); err != nil {
		t.Fatalf("process: %v", err)
	}
}

func finish(t *testing.T, i *host.Instance) {
	t.Helper()
	if err := errors.Join(i.Flush(), i.End()); err != nil {
		t.Fatalf("flush and end: %v", err)
	}
}

func (s suite) describe(t *testing.T) {
	d := s.module.Description()
	if d.Name != "tck" || d.Version != "1" || !d.KeepsKey || !slices.Equal(d.Inputs, []string{"left", "right"}) ||
		!slices.Equal(d.Outputs, []string{"out", "side"}) || !strings.Contains(string(d.Config), `"prefix"`) {
		t.Errorf("describes itself as %+v, config %s", d, d.Config)
	}
}

// transcripts: what goes in on input 1, and what comes out until the end.
func (s suite) transcripts(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want []string
	}{
		{"empty batch", nil, []string{`0 insert - "ended" "0"`}},
		{"as it is", batch("k", "v", "", ""), []string{`0 insert 1 "k" "v"`, `0 insert 2 "" ""`, `0 insert - "ended" "2"`}},
		{"unicode and binary", batch("schlüssel 🔑", "\xff\x00 鍵"), []string{`0 insert 1 "schlüssel 🔑" "\xff\x00 鍵"`, `0 insert - "ended" "1"`}},
		{"another output", batch("side", "v"), []string{`1 insert 1 "side" "v"`, `0 insert - "ended" "1"`}},
		{"two outputs", batch("both", "v"), []string{`0 insert 1 "both" "v"`, `1 insert 1 "both" "v"`, `0 insert - "ended" "1"`}},
		{"nothing", batch("none", "v"), []string{`0 insert - "ended" "1"`}},
		{"input", batch("input", ""), []string{`0 insert 1 "input" "1"`, `0 insert - "ended" "1"`}},
		{"partition", batch("partition", "12"), []string{`0/12 insert 1 "partition" "12"`, `0 insert - "ended" "1"`}},
		{"now", batch("now", ""), []string{`0 insert 1 "now" "1700000000123"`, `0 insert - "ended" "1"`}},
		{"flush and end", batch("hold", "a", "hold", "b"),
			[]string{`0 insert - "held" "a"`, `0 insert - "held" "b"`, `0 insert - "ended" "2"`}},
		{"large records", batch("large", "70000", "large", "5000000", "large", "10"),
			[]string{`0 insert 1 "large" 70000 x`, `0 insert 2 "large" 5000000 x`, `0 insert 3 "large" "xxxxxxxxxx"`, `0 insert - "ended" "3"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, g := s.open(t, settings{})
			process(t, i, 1, c.in)
			finish(t, i)
			if !slices.Equal(g.lines, c.want) {
				t.Errorf("gave out\n\t%s\nwant\n\t%s", strings.Join(g.lines, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

func (s suite) settings(t *testing.T) {
	for _, c := range []struct {
		name, key string
		with      settings
		want      string
	}{
		{"subtask", "settings", settings{subtask: 1, parallelism: 3}, "op 1 3 128 false"},
		{"restored", "settings", settings{restored: true}, "op 0 1 128 true"},
		{"config", "config", settings{config: `{ "prefix" : "grüße \"x\" \\ \n \u00e9 \ud83d\udd11" }`}, "grüße \"x\" \\ \n é 🔑"},
		{"no config", "config", settings{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, g := s.open(t, c.with)
			process(t, i, 0, batch(c.key, ""))
			cursor := record.NewCursor(g.all())
			if !cursor.Next() || string(cursor.Value) != c.want {
				t.Errorf("gave out %q, want %q", cursor.Value, c.want)
			}
		})
	}
}

func (s suite) rejects(t *testing.T) {
	i, g := s.open(t, settings{})
	process(t, i, 0, batch("a", "1", "reject", "bäd", "b", "2", "reject", ""))
	if len(g.rejected) != 2 || g.rejected[0].Index != 1 || g.rejected[0].Reason != "bäd" || g.rejected[1].Index != 3 {
		t.Errorf("rejected %+v", g.rejected)
	}
	if len(g.lines) != 2 {
		t.Errorf("gave out %q", g.lines)
	}
}

func (s suite) failures(t *testing.T) {
	for _, c := range []struct{ name, key, want string }{
		{"fail", "fail", "it went wrong"},
		{"trap", "trap", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, _ := s.open(t, settings{})
			err := i.Process(0, batch("a", "1", c.key, "it went wrong", "b", "2"))
			if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("process: %v, want a guest fault with %q", err, c.want)
			}
			if again := i.Process(0, batch("a", "1")); !errors.Is(again, fault.ErrGuest) {
				t.Errorf("after the fault: %v, want it again", again)
			}
		})
	}
}

func (s suite) logsAndMetrics(t *testing.T) {
	i, g := s.open(t, settings{})
	process(t, i, 0, batch("log", "a line ü", "metric", ""))
	if !slices.Contains(g.logs, "WARN a line ü") {
		t.Errorf("logged %q", g.logs)
	}
	if want := []string{"0 tck.count 1", "1 tck.gauge 2.5", "2 tck.histogram 3"}; !slices.Equal(g.metrics, want) {
		t.Errorf("metrics %q, want %q", g.metrics, want)
	}
}

// withoutTime: a guest that takes no part in time and checkpoints is not bothered; but
// timers, which another module must have set, it can't take.
func (s suite) withoutTime(t *testing.T) {
	i, g := s.open(t, settings{})
	process(t, i, 0, batch("a", "1"))
	if err := errors.Join(i.Watermark(5), i.Barrier(1), i.Watermark(1<<63-1)); err != nil {
		t.Fatal(err)
	}
	if len(g.lines) != 1 {
		t.Errorf("gave out %q", g.lines)
	}
	if err := i.Timers(batch("key", "tag")); !errors.Is(err, fault.ErrGuest) {
		t.Errorf("timers: %v, want a guest fault", err)
	}
}

// forms hands in every kind, key and value that the format allows.
func (s suite) forms(t *testing.T) {
	var b record.Builder
	for kind := range record.Kind(16) {
		for _, extension := range [][]byte{nil, {}, []byte("trace")} {
			for _, at := range []int64{record.NoTimestamp, record.NoTimestamp + 1, -1, 0, 1<<63 - 2} {
				r := record.Record{Kind: kind, Timestamp: at, Extension: extension}
				if extension != nil {
					r.Kind |= record.Extended
				}
				if kind&record.KeyAbsent == 0 {
					r.Key = []byte("key")
				}
				if kind&record.ValueNull == 0 {
					r.Value = []byte("value")
				}
				b.AppendRecord(&r)
			}
		}
	}
	for n := range 140 {
		b.Append(record.Insert, int64(n), bytes.Repeat([]byte("k"), n), bytes.Repeat([]byte("v"), 139-n))
	}
	i, g := s.open(t, settings{})
	process(t, i, 0, b.Bytes())
	if !bytes.Equal(g.all(), b.Bytes()) {
		t.Errorf("gave out %d bytes that differ from the %d handed in", len(g.all()), len(b.Bytes()))
	}
}

// manyBatches fills output batches to the brim and beyond.
func (s suite) manyBatches(t *testing.T) {
	i, g := s.open(t, settings{})
	process(t, i, 0, batch("many", "20000"))
	for range 3 {
		process(t, i, 0, batch("a", strings.Repeat("x", 60_000), "b", strings.Repeat("x", 60_000), "c", "last"))
	}
	if len(g.lines) != 20009 || g.lines[19999] != `0 insert 1 "many" "19999"` || g.lines[20008] != `0 insert 3 "c" "last"` {
		t.Errorf("gave out %d records", len(g.lines))
	}
}

func (s suite) apart(t *testing.T) {
	i, g := s.open(t, settings{})
	j, k := s.open(t, settings{subtask: 1, parallelism: 2})
	process(t, i, 0, batch("sum", "40"))
	process(t, j, 0, batch("sum", "1"))
	process(t, i, 0, batch("sum", "2"))
	if want := []string{`0 insert 1 "sum" "40"`, `0 insert 1 "sum" "42"`}; !slices.Equal(g.lines, want) {
		t.Errorf("the first gave out %q", g.lines)
	}
	if want := []string{`0 insert 1 "sum" "1"`}; !slices.Equal(k.lines, want) {
		t.Errorf("the second gave out %q", k.lines)
	}
}

// history is enough to move a heap about.
func history(n int) []byte {
	return batch("sum", "12", "hold", strings.Repeat("h", n*50), "many", "100", "a", "1", "now", "", "large", "100000")
}

// moves takes an image in the middle and goes on in another instance.
func (s suite) moves(t *testing.T) {
	oracle, want := s.open(t, settings{})
	first, got := s.open(t, settings{})
	for n := range 20 {
		process(t, oracle, n%2, history(n))
	}
	finish(t, oracle)
	current := first
	for n := range 20 {
		process(t, current, n%2, history(n))
		if n%5 != 4 {
			continue
		}
		image, err := imageOf(current)
		if err != nil {
			t.Fatalf("take image: %v", err)
		}
		if current, err = s.module.RestoreHeap(t.Context(), settings{}.instance(got), runOf(image)); err != nil {
			t.Fatalf("restore image: %v", err)
		}
		t.Cleanup(func() { current.Close() })
	}
	finish(t, current)
	if !slices.Equal(got.lines, want.lines) || !bytes.Equal(got.all(), want.all()) {
		t.Errorf("gave out other records than without moving")
	}
}

// imageOf is the whole heap of an instance, as a checkpoint has it.
func imageOf(i *host.Instance) (image []byte, err error) {
	h, err := i.Heap(0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	taken, err := h.Snapshot(1, true)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = taken.Write(&b)
	return b.Bytes(), errors.Join(err, taken.Close())
}

func runOf(image []byte) []host.HeapRun { return []host.HeapRun{{Reader: bytes.NewReader(image)}} }

// twice: D6, the same batches give the same outputs.
func (s suite) twice(t *testing.T) {
	run := func() []string {
		i, g := s.open(t, settings{})
		for n := range 10 {
			process(t, i, 0, history(n))
		}
		finish(t, i)
		return g.lines
	}
	if !slices.Equal(run(), run()) {
		t.Error("the second run gave out other records than the first")
	}
}
