package tck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// engine plays the task to a guest of shape process: it keeps its tables and timers, and
// moves its time.
type engine struct {
	*gathered
	t         *testing.T
	suite     suite
	with      settings
	instance  *host.Instance
	keyed     *state.Memory
	operator  *state.Memory
	timers    *state.Timers
	config    host.InstanceConfig
	watermark int64
	now       int64
}

// declared are the tables of the state guest.
var declared = []state.Table{
	{Name: "value", Scope: state.ScopeKey}, {Name: "map", Scope: state.ScopeKey}, {Name: "list", Scope: state.ScopeKey},
	{Name: "brief", Scope: state.ScopeKey, TTL: time.Hour},
	{Name: "split", Scope: state.ScopeSplit}, {Name: "union", Scope: state.ScopeUnion}, {Name: "shared", Scope: state.ScopeBroadcast},
}

const (
	maxParallelism = 128
	stateVersion   = 2 // of the state guest
)

// saved is what subtasks had at a checkpoint: runs by subtask.
type saved struct{ keyed, operator [][]byte }

// start makes a subtask, with what of a checkpoint is its part.
func (s suite) start(t *testing.T, with settings, from saved) *engine {
	t.Helper()
	with.parallelism = max(with.parallelism, 1)
	with.restored = with.restored || from.keyed != nil
	e := &engine{t: t, suite: s, with: with, gathered: &gathered{}, watermark: math.MinInt64, now: now}
	keyed, own := state.Divide(declared)
	first, end := keygroup.Range(with.subtask, with.parallelism, maxParallelism)
	var err error
	e.keyed, err = state.NewMemory(state.Options{
		Tables: append(keyed, state.Table{Name: state.TimersTable, Scope: state.ScopeKey}), First: first, End: end, Limit: with.stateLimit,
	})
	e.must(err)
	t.Cleanup(func() { e.must(e.keyed.Close()) })
	e.operator, err = state.NewOperator(own, 0)
	e.must(err)
	t.Cleanup(func() { e.must(e.operator.Close()) })
	if from.keyed != nil {
		merged, err := state.Merge(readers(t, from.keyed), first, end)
		e.must(err)
		e.must(e.keyed.Restore(merged, 0))
		var before []state.Source
		for _, r := range readers(t, from.operator) {
			before = append(before, r)
		}
		spread, err := state.Spread(before, own, with.subtask, with.parallelism)
		e.must(err)
		e.must(e.operator.Restore(spread, 0))
	}
	e.keyed.SetVersion(stateVersion)
	e.operator.SetVersion(stateVersion)
	e.timers, err = state.NewTimers(e.keyed, len(keyed), first, end)
	e.must(err)
	e.config = with.instance(e.gathered)
	e.config.State = state.NewTables(declared, e.keyed, e.operator, first, end, maxParallelism)
	e.config.Timers = e.timers
	e.config.Watermark = func() int64 { return e.watermark }
	e.config.Now = func() int64 { return e.now }
	e.setClock(now)
	e.instance, err = s.module.Instantiate(t.Context(), e.config)
	e.must(err)
	t.Cleanup(func() { e.instance.Close() })
	return e
}

// open is start of a guest that knows no state from before.
func (s suite) openState(t *testing.T, with settings) *engine {
	t.Helper()
	e := s.start(t, with, saved{})
	e.must(e.instance.Open(false))
	return e
}

func (e *engine) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func readers(t *testing.T, runs [][]byte) (all []*state.RunReader) {
	t.Helper()
	for _, run := range runs {
		r, err := state.NewRunReader(bytes.NewReader(run))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// snapshot writes what the backends hold.
func (e *engine) snapshot(checkpoint uint64) (keyed, operator []byte) {
	e.t.Helper()
	write := func(m *state.Memory) []byte {
		s, err := m.Snapshot(checkpoint, true)
		e.must(err)
		var run bytes.Buffer
		_, err = s.Write(&run)
		e.must(err)
		e.must(s.Close())
		return run.Bytes()
	}
	return write(e.keyed), write(e.operator)
}

// contents is what the backends hold, as text.
func (e *engine) contents() []string {
	e.t.Helper()
	var lines []string
	keyed, operator := e.snapshot(1)
	for _, r := range readers(e.t, [][]byte{keyed, operator}) {
		for {
			entry, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			e.must(err)
			lines = append(lines, fmt.Sprintf("%s %q %q: %q version %d", entry.Table, entry.Key, entry.Subkey, entry.Value, entry.Version))
		}
	}
	return lines
}

// advance moves the watermark, in the order of sdk/abi.md, section 2.
func (e *engine) advance(ts int64) error {
	e.watermark = ts
	if err := e.fire(state.EventTime, ts); err != nil {
		return err
	}
	if err := e.instance.Watermark(ts); err != nil {
		return err
	}
	return e.instance.Flush()
}

// setClock moves processing time.
func (e *engine) setClock(ms int64) {
	e.now = ms
	e.config.State.SetTime(ms)
}

func (e *engine) fire(domain state.Domain, upTo int64) error {
	for {
		var due record.Builder
		count, err := e.timers.Due(domain, upTo, 100, &due)
		if err != nil || count == 0 {
			return err
		}
		if err := e.instance.Timers(due.Bytes()); err != nil {
			return err
		}
	}
}

// command makes a batch of "KEY: COMMAND | …"; the key - is absent.
func command(line string) []byte {
	var b record.Builder
	for part := range strings.SplitSeq(line, " | ") {
		key, text, _ := strings.Cut(part, ": ")
		r := record.Record{Timestamp: record.NoTimestamp, Key: []byte(key), Value: []byte(text)}
		if key == "-" {
			r.Key, r.Kind = nil, record.KeyAbsent
		}
		b.AppendRecord(&r)
	}
	return b.Bytes()
}

// do plays one line of a script: a batch of commands, or
//
//	W 20         the watermark; W inf: the end of all inputs
//	clock 500    processing time is so many ms after the start
//	flush
//	barrier 7
//	rules K: C   a batch of the input rules
func (e *engine) do(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	var n int64
	fmt.Sscan(rest, &n)
	switch word {
	case "W":
		if rest != "inf" {
			return e.advance(n)
		}
		return errors.Join(e.advance(math.MaxInt64), e.instance.Flush(), e.instance.End())
	case "clock":
		e.setClock(now + n)
		return e.fire(state.ProcessingTime, e.now)
	case "flush":
		return e.instance.Flush()
	case "barrier":
		return errors.Join(e.instance.Flush(), e.instance.Barrier(uint64(n)))
	case "rules":
		return e.instance.Process(1, command(rest))
	}
	return e.instance.Process(0, command(line))
}

// script plays lines and returns them with what came of each below: "  KEY: VALUE".
func (e *engine) script(lines string) string {
	e.t.Helper()
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // what is expected
		}
		fmt.Fprintln(&out, line)
		if err := e.do(line); err != nil {
			e.t.Fatalf("%s: %v", line, err)
		}
		for _, said := range e.said() {
			fmt.Fprintln(&out, "  "+said)
		}
	}
	return out.String()
}

// said returns what was emitted to output 0 since, as "KEY: VALUE".
func (g *gathered) said() (said []string) {
	for c := record.NewCursor(g.all()); c.Next(); {
		key := string(c.Key)
		if c.Kind&record.KeyAbsent != 0 {
			key = "-"
		}
		said = append(said, key+": "+string(c.Value))
	}
	g.batches, g.lines = nil, nil
	return said
}
