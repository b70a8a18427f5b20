package window_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/window"
)

// group is one group as a guest sees it.
type group struct {
	key        string
	acc        []byte // nil: none
	body       []byte
	more       bool
	input      int
	firing     window.Firing
	start, end int64
}

// readGroups is written from the words of the guest interface, not from groups.go.
func readGroups(b []byte) (out []group) {
	u32 := binary.LittleEndian.Uint32
	for len(b) > 0 {
		keyLen, accLen, bodyLen := int(u32(b)), u32(b[4:]), int(u32(b[8:]))
		g := group{
			more: b[12]&1 != 0, input: int(b[13]), firing: window.Firing(b[14]),
			start: int64(binary.LittleEndian.Uint64(b[16:])), end: int64(binary.LittleEndian.Uint64(b[24:])),
		}
		b = b[32:]
		g.key, b = string(b[:keyLen]), b[keyLen:]
		if accLen != ^uint32(0) {
			g.acc, b = b[:accLen:accLen], b[accLen:]
		}
		g.body, b = b[:bodyLen:bodyLen], b[bodyLen:]
		out = append(out, g)
	}
	return out
}

func reply(out, acc []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(acc))), acc...)
}

// guest notes what windows hold. Its accumulator is the values it has seen, each with
// a blank behind; a result is emitted without a timestamp.
type guest struct {
	out    *window.Output
	calls  []string // of accumulate, merge, finish and apply
	reject string   // a value that is rejected in accumulate
	ended  bool
	open   string // an apply group that goes on
}

func (g *guest) Accumulate(b []byte) (replies []byte, err error) {
	g.calls = append(g.calls, "accumulate")
	index := 0
	for _, in := range readGroups(b) {
		acc := slices.Clone(in.acc)
		for c := record.NewCursor(in.body); c.Next(); index++ {
			if g.reject != "" && string(c.Value) == g.reject {
				if err := g.out.Reject(operator.Rejection{Index: index, Reason: "bad"}); err != nil {
					return nil, err
				}
				continue
			}
			acc = append(append(acc, c.Value...), ' ')
		}
		replies = reply(replies, acc)
	}
	return replies, nil
}

func (g *guest) Merge(b []byte) (replies []byte, err error) {
	g.calls = append(g.calls, "merge")
	for _, in := range readGroups(b) {
		var acc []byte
		for body := in.body; len(body) > 0; {
			n := binary.LittleEndian.Uint32(body)
			acc = append(acc, body[4:4+n]...)
			body = body[4+n:]
		}
		replies = reply(replies, acc)
	}
	return replies, nil
}

func (g *guest) Finish(b []byte) error {
	g.calls = append(g.calls, "finish")
	for _, in := range readGroups(b) {
		if err := g.emit(in, sorted(string(in.acc))); err != nil {
			return err
		}
	}
	return nil
}

func (g *guest) Apply(b []byte) error {
	g.calls = append(g.calls, "apply")
	for _, in := range readGroups(b) {
		for c := record.NewCursor(in.body); c.Next(); {
			g.open += fmt.Sprintf("%d:%s ", in.input, c.Value)
		}
		if in.more {
			continue
		}
		if err := g.emit(in, sorted(g.open)); err != nil {
			return err
		}
		g.open = ""
	}
	return nil
}

func (g *guest) emit(in group, text string) error {
	var b record.Builder
	value := fmt.Sprintf("%s [%d,%d) %s: %s", in.key, in.start, in.end, [...]string{"on time", "early", "late"}[in.firing], text)
	b.Append(record.Insert, record.NoTimestamp, []byte(in.key), []byte(value))
	return g.out.Emit(0, b.Bytes())
}

func (g *guest) Flush() error { return nil }
func (g *guest) End() error   { g.ended = true; return nil }
func (g *guest) Close() error { return nil }

// sorted orders values: panes do not keep the order in which records came.
func sorted(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// collector notes what comes out.
type collector struct {
	results  []string // of output 0
	stamps   []int64
	late     []string // of output 1
	rejected []string
}

func (c *collector) Emit(output int, batch []byte) error {
	if _, err := record.Validate(batch); err != nil {
		return err
	}
	for r := record.NewCursor(batch); r.Next(); {
		if output == 1 {
			c.late = append(c.late, string(r.Value))
			continue
		}
		c.results = append(c.results, string(r.Value))
		c.stamps = append(c.stamps, r.Timestamp)
	}
	return nil
}

func (c *collector) EmitTo(output, _ int, batch []byte) error { return c.Emit(output, batch) }

func (c *collector) Reject(r operator.Rejection) error {
	c.rejected = append(c.rejected, fmt.Sprintf("%d: %s", r.Index, r.Reason))
	return nil
}

// take returns what came out since.
func (c *collector) take() []string {
	r := c.results
	c.results = nil
	return r
}

// groupsOfTest is the number of key groups.
const groupsOfTest = 4

// subtask is an operator with what is around it.
type subtask struct {
	t         testing.TB
	op        *window.Operator
	backend   state.Backend
	guest     *guest
	collector *collector
	taken     uint64
}

type setup struct {
	window     graph.Window
	apply      bool
	inputs     int
	first, end int // key groups; 0, 0: all
	watermark  int64
	restore    []*bytes.Buffer // runs
	disk       bool            // the backend; else memory
}

func (s *setup) backend(t testing.TB) (b state.Backend) {
	t.Helper()
	options := state.Options{Tables: append([]state.Table{{Name: "other", Scope: state.ScopeKey}}, window.Tables()...), First: s.first, End: s.end}
	var err error
	if s.disk {
		options.Dir, options.Cache = t.TempDir(), 8<<20
		b, err = state.NewDisk(options)
	} else {
		b, err = state.NewMemory(options)
	}
	must(t, err)
	return b
}

func open(t testing.TB, s setup) *subtask {
	t.Helper()
	if s.end == 0 && s.first == 0 {
		s.end = groupsOfTest
	}
	backend := s.backend(t)
	if s.restore != nil {
		var runs []*state.RunReader
		for _, b := range s.restore {
			r, err := state.NewRunReader(bytes.NewReader(b.Bytes()))
			must(t, err)
			runs = append(runs, r)
		}
		merged, err := state.Merge(runs, s.first, s.end)
		must(t, err)
		must(t, backend.Restore(merged, 0))
	}
	x := &subtask{t: t, backend: backend, collector: &collector{}}
	x.guest = &guest{out: window.NewOutput(x.collector)}
	config := window.Config{
		Window: s.window, Inputs: max(s.inputs, 1), Output: x.guest.out, Backend: backend, Table: 1,
		First: s.first, End: s.end, MaxParallelism: groupsOfTest, Watermark: s.watermark,
	}
	if config.Aggregator = x.guest; s.apply {
		config.Aggregator, config.Applier = nil, x.guest
	}
	var err error
	x.op, err = window.New(config)
	must(t, err)
	t.Cleanup(x.close)
	return x
}

func (x *subtask) close() {
	if x.backend != nil {
		must(x.t, x.op.Close())
		must(x.t, x.backend.Close())
		x.backend = nil
	}
}

// snapshot writes what the backend has, as a barrier leaves it.
func (x *subtask) snapshot() *bytes.Buffer {
	x.t.Helper()
	x.taken++
	must(x.t, x.op.Barrier(x.taken))
	s, err := x.backend.Snapshot(x.taken, true)
	must(x.t, err)
	var run bytes.Buffer
	_, err = s.Write(&run)
	must(x.t, err)
	must(x.t, s.Close())
	return &run
}

// event is a record of a test.
type event struct {
	key, value string
	time       int64
	input      int
}

func batchOf(events ...event) []byte {
	var b record.Builder
	for _, e := range events {
		b.Append(record.Insert, e.time, []byte(e.key), []byte(e.value))
	}
	return b.Bytes()
}

func groupOf(key string) int { return keygroup.Of([]byte(key), groupsOfTest) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
