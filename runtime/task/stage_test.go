package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// keeping is a guest with timers and one keyed table, which calls back what its fields
// say and notes how it is called.
type keeping struct {
	*guest
	keyed   *counted
	tables  *state.Tables
	timers  *state.Timers
	now     func() int64 // the watermark
	onTimer func(k *keeping, key, tag string, at int64) error
	onWM    func(k *keeping, to int64) error
	onClose func(k *keeping, checkpoint uint64) error // a barrier
	full    bool
	heard   []uint64 // checkpoints that were confirmed
}

func (k *keeping) Timers(batch []byte) error {
	k.note("timers %s (at %s)", due(batch), watermarkName(k.now()))
	for c := record.NewCursor(batch); c.Next(); {
		if k.onTimer == nil {
			continue
		}
		if err := k.onTimer(k, string(c.Key), string(c.Value), c.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeping) Watermark(to int64) error {
	k.note("watermark %s", watermarkName(to))
	if k.onWM != nil {
		return k.onWM(k, to)
	}
	return nil
}

func (k *keeping) Barrier(checkpoint uint64) error {
	k.note("barrier %d", checkpoint)
	if k.onClose != nil {
		return k.onClose(k, checkpoint)
	}
	return nil
}

func (k *keeping) set(domain state.Domain, at int64, key, tag string) error {
	return k.timers.Set(domain, keygroup.Of([]byte(key), 128), at, []byte(key), []byte(tag))
}

func (k *keeping) unset(domain state.Domain, at int64, key, tag string) error {
	return k.timers.Delete(domain, keygroup.Of([]byte(key), 128), at, []byte(key), []byte(tag))
}

// count adds one to an entry of the table and returns the sum.
func (k *keeping) count(key []byte) (int, error) {
	value, _, _, err := k.tables.Get(0, key, nil)
	if err != nil {
		return 0, err
	}
	n := 1
	if len(value) == 1 {
		n += int(value[0])
	}
	return n, k.tables.Put(0, key, nil, []byte{byte(n)})
}

// counted is a backend that knows how many of its snapshots are open.
type counted struct {
	state.Backend
	open     int
	times    []int64 // that it was told
	fails    error   // of the next snapshot
	failures error   // of Close
}

func (c *counted) SetTime(now int64) {
	c.times = append(c.times, now)
	c.Backend.SetTime(now)
}

func (c *counted) Snapshot(checkpoint uint64, full bool) (state.Snapshot, error) {
	if c.fails != nil {
		return nil, c.fails
	}
	s, err := c.Backend.Snapshot(checkpoint, full)
	if err != nil {
		return nil, err
	}
	c.open++
	return &countedSnapshot{s, c}, nil
}

func (c *counted) Close() error {
	if c.open != 0 {
		return fmt.Errorf("closed with %d open snapshots", c.open)
	}
	return errors.Join(c.Backend.Close(), c.failures)
}

type countedSnapshot struct {
	state.Snapshot
	of *counted
}

func (s *countedSnapshot) Close() error {
	s.of.open--
	return s.Snapshot.Close()
}

// stored is a backend's contents as a test restores them.
func stored(t testing.TB, s state.Snapshot) []byte {
	t.Helper()
	var run bytes.Buffer
	if _, err := s.Write(&run); err != nil {
		t.Fatal(err)
	}
	return run.Bytes()
}

func entriesOf(t testing.TB, run []byte) (all []state.Entry) {
	t.Helper()
	r, err := state.NewRunReader(bytes.NewReader(run))
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Key, e.Value, e.Subkey = slices.Clone(e.Key), slices.Clone(e.Value), slices.Clone(e.Subkey)
		all = append(all, e)
	}
}

// home opens guests that keep something; what a test does not name keeps nothing.
type home struct {
	house
	keeping map[string]*keeping
	restore map[string][]byte // runs, by operator
}

func (h *home) Function(ctx context.Context, o Opening) (operator.Function, State, error) {
	k := h.keeping[o.Operator.Name]
	if k == nil {
		return h.house.Function(ctx, o)
	}
	k.collector, k.name, k.now = o.Collector, o.Operator.Name, o.Watermark
	tables := []state.Table{{Name: "counts", Scope: state.ScopeKey}, {Name: state.TimersTable, Scope: state.ScopeKey}}
	memory, err := state.NewMemory(state.Options{Tables: tables, End: 128})
	if err != nil {
		return nil, State{}, err
	}
	k.keyed = &counted{Backend: memory}
	if run := h.restore[o.Operator.Name]; run != nil {
		r, err := state.NewRunReader(bytes.NewReader(run))
		if err == nil {
			err = memory.Restore(r, 0)
		}
		if err != nil {
			return nil, State{}, err
		}
	}
	if k.timers, err = state.NewTimers(k.keyed, 1, 0, 128); err != nil {
		return nil, State{}, err
	}
	k.tables = state.NewTables(tables[:1], k.keyed, nil, 0, 128, 128)
	return k, State{
		Keyed: k.keyed, Tables: k.tables, Timers: k.timers,
		Full: func() bool { return k.full }, Confirmed: func(n uint64) { k.heard = append(k.heard, n) },
	}, nil
}

// stage is a task behind two channels and before one, which a test moves by hand.
type stage struct {
	t    *testing.T
	task *Task
	log  *[]string
	hub  *exchange.Hub
	in   []*exchange.Writer
	out  *exchange.Inbox
	took []Checkpoint
}

// open makes the task of a plan whose last operator, if it has outputs, leads out.
func open(t *testing.T, p *graph.Plan, opener Opener, log *[]string, config Config) *stage {
	t.Helper()
	s := &stage{t: t, log: log}
	s.hub = exchange.NewHub(exchange.Config{Job: id.Job{Namespace: "default", Name: "j"}, Subject: "t"})
	local := func(exchange.Channel) bool { return false }
	last := len(p.Operators) - 1
	config.Plan, config.Task, config.Opener = p, p.Tasks[0], opener
	config.Failed, config.Cause = s.hub.Failed(), s.hub.Err
	config.Report = func(c Checkpoint) { s.took = append(s.took, c) }
	config.NotYet = func(checkpoint uint64) { *log = append(*log, fmt.Sprintf("not yet %d", checkpoint)) }
	var err error
	if p.Operators[0].Role != graph.RoleSource {
		config.Inbox, err = s.hub.Inbox("task", 0, []exchange.Channel{{Edge: 0, From: 0}, {Edge: 0, From: 1}}, local)
		if err != nil {
			t.Fatal(err)
		}
		if config.Inputs == nil {
			config.Inputs = []Input{{}, {From: 1}}
		}
		for from := range 2 {
			w, err := s.hub.Writer(0, from, 1, graph.Rebalance, 128, func(int) bool { return false })
			if err != nil {
				t.Fatal(err)
			}
			s.in = append(s.in, w)
		}
	}
	if len(p.Operators[last].Outputs) > 0 {
		if s.out, err = s.hub.Inbox("test", 0, []exchange.Channel{{Edge: 9, From: 0}}, local); err != nil {
			t.Fatal(err)
		}
		w, err := s.hub.Writer(9, 0, 1, graph.Rebalance, 128, func(int) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		config.Outputs = map[int]*exchange.Writer{9: w}
		p.Edges = append(p.Edges, graph.Edge{ID: 9, From: last, To: last + 1, Partition: graph.Rebalance})
	}
	s.task = New(config)
	if err := s.task.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.task.head.isSource() {
		if err := s.task.head.openSource(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.close)
	s.must(s.task.begin(t.Context()))
	return s
}

func (s *stage) close() {
	for i := range s.took {
		s.took[i].Close()
	}
	s.took = nil
	if s.task == nil {
		return
	}
	if err := s.task.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.hub.Close(); err != nil {
		s.t.Error(err)
	}
	s.task = nil
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// write puts a batch on a channel.
func (s *stage) write(channel int, batch []byte) {
	s.t.Helper()
	s.in[channel].Write(batch)
	s.in[channel].Flush()
	s.drain(channel)
}

func (s *stage) control(channel int, kind exchange.Kind, value int64) {
	s.t.Helper()
	s.in[channel].Control(exchange.Element{Kind: kind, Value: value})
	s.drain(channel)
}

func (s *stage) drain(channel int) {
	s.t.Helper()
	if done, err := s.in[channel].Drain(); err != nil || !done {
		s.t.Fatalf("drain channel %d: %t, %v", channel, done, err)
	}
}

// turns lets the task go on until it has nothing to do, and notes what it gives out.
func (s *stage) turns() (over bool) {
	s.t.Helper()
	for {
		p, err := s.task.turn(s.t.Context())
		s.must(err)
		s.must(s.task.makeRoom(s.t.Context()))
		if p != some {
			s.outcome()
			return p == ended
		}
	}
}

// outcome notes what came out of the task.
func (s *stage) outcome() {
	s.t.Helper()
	if s.out == nil {
		return
	}
	for _, w := range s.task.writers {
		w.Flush()
	}
	s.must(s.task.makeRoom(s.t.Context()))
	for {
		_, e, ok := s.out.Next()
		if !ok {
			return
		}
		text := e.Kind.String()
		switch e.Kind {
		case exchange.Data:
			text = values(e.Batch)
		case exchange.Watermark:
			text += " " + watermarkName(e.Value)
		case exchange.Barrier, exchange.Abort:
			text += fmt.Sprintf(" %d", e.Value)
		}
		s.out.Release(e)
		*s.log = append(*s.log, "> "+text)
	}
}

// said compares what was noted since the last time.
func (s *stage) said(what string, want ...string) {
	s.t.Helper()
	if !slices.Equal(*s.log, want) {
		s.t.Errorf("%s: got\n\t%s\nwant\n\t%s", what, strings.Join(*s.log, "\n\t"), strings.Join(want, "\n\t"))
	}
	*s.log = nil
}

func watermarkName(w int64) string {
	switch w {
	case NoWatermark:
		return "none"
	case MaxWatermark:
		return "max"
	}
	return fmt.Sprint(w)
}

// due is a batch of timers: key@time/tag.
func due(batch []byte) string {
	var all []string
	for c := record.NewCursor(batch); c.Next(); {
		domain := ""
		if c.Kind == record.Kind(state.ProcessingTime) {
			domain = " by the clock"
		}
		all = append(all, fmt.Sprintf("%s@%d/%s%s", c.Key, c.Timestamp, c.Value, domain))
	}
	return strings.Join(all, " ")
}

// event is a batch of one record.
func event(at int64, key, value string) []byte {
	var b record.Builder
	b.Append(record.Insert, at, []byte(key), []byte(value))
	return slices.Clone(b.Bytes())
}

// modules is a plan of modules one behind the other, in one task; "in" is a source and
// "sink" a sink.
func modules(names ...string) *graph.Plan {
	p := line(names...)
	if names[0] != "in" {
		p.Operators[0].Role, p.Operators[0].Module = graph.RoleModule, &graph.Module{Shape: "process"}
	}
	return p
}
