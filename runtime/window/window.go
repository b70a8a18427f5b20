// Package window gathers records by key and time and gives whole windows to a guest:
// tumbling, sliding, session and global ones, for guests of shape aggregate and apply.
// Everything a window holds lies in tables of the state backend, so it is in every
// snapshot, moves with its key group, and is the same for guests in any language. It
// is not for watermarks (runtime/watermark makes them, runtime/task merges those of
// channels), nor for timers of guests (runtime/state).
//
// Start with Config and Operator; panes.go (tumbling, sliding, global) and sessions.go
// hold what they do, assign.go the arithmetic.
//
// Meaning follows Flink. A watermark W says that no record with a timestamp at or
// below W comes any more. A window [start, end) gives its result when W ≥ end − 1, gives
// it again for each record that comes later, and is forgotten when W ≥ end − 1 +
// lateness; who comes behind that for all of its windows is too late. A session is
// [first, last + gap); sessions that overlap or touch are one. Since a record just at the
// end of a session belongs to it, a session is complete when W ≥ end, and its result has
// the time end: a millisecond later than in Flink, where it depends on the moment of the
// watermark whether such a record finds its session open.
//
// Order (D6): results come by window end, then key group, then key bytes, and for
// records behind the end in the order of these records. Where a batch ends does not
// show.
package window

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/watermark"
)

// Watermarks at both ends.
const (
	Beginning = watermark.Beginning
	Infinity  = watermark.Infinity
)

// Tables that the backend of a window operator has, one behind the other.
const (
	tableData    = iota // (pane [input], key) → accumulator or records; sessions: (key, "") → all of them
	tableIndex          // ("", pane) → nothing, ("w", "") → watermark; sessions: ("", time ‖ key) → nothing
	tableMarks          // (pane, key) → records since the last early result; sessions: ("", key) → nothing
	tableBuffers        // sessions of shape apply: (key ‖ id ‖ input, "") → records
	tableCount
)

// Tables are the tables that an operator needs, in this order.
func Tables() []state.Table {
	return []state.Table{
		{Name: "$window.data", Scope: state.ScopeKey},
		{Name: "$window.index", Scope: state.ScopeKey},
		{Name: "$window.marks", Scope: state.ScopeKey},
		{Name: "$window.buffers", Scope: state.ScopeKey},
	}
}

// maxKey is the longest key of a record: it must fit into a subkey with a time.
const maxKey = state.MaxSubkey - 16

// Config is what an operator is made of. All of it is required, but one of Aggregator
// and Applier.
type Config struct {
	Window     graph.Window
	Inputs     int                 // of the operator
	Aggregator operator.Aggregator // the guest, opened with Output
	Applier    operator.Applier    // or this
	Output     *Output
	// Backend has Tables from the index Table on, and is restored.
	Backend state.Backend
	Table   int
	// The key groups of the subtask are [First, End) of MaxParallelism.
	First, End, MaxParallelism int
	// Watermark is that of the task when its snapshot was taken, else Beginning.
	Watermark int64
}

func (c *Config) check() error {
	problems := []error{c.Window.Check()}
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if (c.Aggregator == nil) == (c.Applier == nil) {
		add("a guest of shape aggregate or apply is needed, one of the two")
	}
	if c.Inputs < 1 || c.Inputs > math.MaxUint8+1 {
		add("%d inputs: 1 to 256 are possible", c.Inputs)
	}
	if c.Output == nil || c.Backend == nil {
		add("output and backend are needed")
	}
	if c.First < 0 || c.End < c.First || c.MaxParallelism < c.End || c.MaxParallelism < 1 {
		add("key groups [%d,%d) of %d are no range", c.First, c.End, c.MaxParallelism)
	}
	return errors.Join(problems...)
}

// Operator is an operator.Timed that stands between a task and a guest. Besides what
// that says it has Tick, for triggers by the clock. Like its backend it belongs to one
// goroutine; only TooLate may be called by others.
type Operator struct {
	*core
	windows windows
	guest   guest
}

// windows is what differs between sessions and all others.
type windows interface {
	// process takes a batch.
	process(input int, batch []byte) error
	// advance gives out what is complete at the new watermark.
	advance(watermark int64) error
	// early gives out what has changed since the last time.
	early() error
	// barrier writes back what the backend does not have yet.
	barrier() error
}

type guest interface {
	Flush() error
	End() error
	Close() error
}

// core is what all windows have.
type core struct {
	Config
	lateness  int64 // ms
	every     int64 // ms between early results
	count     int64 // records between early results
	watermark int64
	tick      int64 // the number of the last early result, by watermark or clock
	marked    bool  // there may be marks

	closer  closer
	calls   groups
	gather  gather
	cursor  record.Cursor
	late    record.Builder
	tooLate atomic.Int64
}

var _ operator.Timed = (*Operator)(nil)

// New makes an operator. The error says all that is wrong with the config, or that
// what was restored is not what an operator with this config has written.
func New(config Config) (*Operator, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("make window operator: %w", err)
	}
	w := &config.Window
	c := &core{
		Config: config, lateness: ms(w.Lateness), every: ms(w.Trigger.Every), count: w.Trigger.Count,
		watermark: config.Watermark, tick: math.MinInt64, marked: true,
		closer: closer{aggregator: config.Aggregator, applier: config.Applier, output: config.Output, end: Beginning},
	}
	if !w.Trigger.Processing && c.every > 0 && c.watermark != Beginning {
		c.tick = floorDiv(c.watermark, c.every)
	}
	o := &Operator{core: c, guest: config.Applier}
	if config.Aggregator != nil {
		o.guest = config.Aggregator
	}
	var err error
	if w.Kind == graph.Session {
		o.windows, err = newSessions(c)
	} else {
		o.windows, err = newPanes(c)
	}
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	return o, nil
}

// Process implements operator.Function.
func (o *Operator) Process(input int, batch []byte) error {
	if uint(input) >= uint(o.Inputs) {
		return fault.Corruptf("input %d: the operator has %d", input, o.Inputs)
	}
	o.gather.batch, o.gather.input = batch, input
	o.gather.reset()
	o.cursor.Reset(batch)
	if err := o.windows.process(input, batch); err != nil {
		return err
	}
	if o.late.Len() == 0 {
		return nil
	}
	err := o.Output.to.Emit(o.Window.Late, o.late.Bytes())
	o.late.Reset()
	return err
}

// Watermark implements operator.Timed. One that is not above the last is ignored.
func (o *Operator) Watermark(watermark int64) error {
	if watermark <= o.watermark {
		return nil
	}
	first := o.watermark == Beginning
	o.watermark = watermark
	if err := o.windows.advance(watermark); err != nil {
		return err
	}
	if o.every > 0 && !o.Window.Trigger.Processing && watermark != Infinity {
		return o.ring(watermark, first)
	}
	return nil
}

// Tick tells the time to a trigger by the clock, in ms since 1970: it is called now and
// then, in this or any other job harmless.
func (o *Operator) Tick(now int64) error {
	if o.every == 0 || !o.Window.Trigger.Processing {
		return nil
	}
	return o.ring(now, o.tick == math.MinInt64)
}

// NextTick is when Tick has something to do again, in ms since 1970; math.MaxInt64:
// never.
func (o *Operator) NextTick(now int64) int64 {
	if o.every == 0 || !o.Window.Trigger.Processing {
		return math.MaxInt64
	}
	return (floorDiv(now, o.every) + 1) * o.every
}

// ring gives early results when a multiple of the interval has been reached since the
// last time.
func (o *Operator) ring(now int64, first bool) error {
	tick := floorDiv(now, o.every)
	if tick <= o.tick {
		return nil
	}
	o.tick = tick
	if first || !o.marked {
		return nil
	}
	o.marked = false
	return o.windows.early()
}

// Timers implements operator.Timed: guests in windows have no timers.
func (o *Operator) Timers(batch []byte) error {
	if len(batch) > 0 {
		return fault.Corruptf("%d timers: a window operator sets none", record.Count(batch))
	}
	return nil
}

// Barrier implements operator.Timed.
func (o *Operator) Barrier(uint64) error { return o.windows.barrier() }

// Flush implements operator.Function.
func (o *Operator) Flush() error { return o.guest.Flush() }

// End implements operator.Function: the end of the input is the watermark +∞.
func (o *Operator) End() error {
	if err := o.Watermark(Infinity); err != nil {
		return err
	}
	return o.guest.End()
}

// Close implements operator.Function. The backend is not closed.
func (o *Operator) Close() error { return o.guest.Close() }

// TooLate is how many records came too late and were dropped, since New.
func (o *Operator) TooLate() int64 { return o.tooLate.Load() }

// refuse gives a record of the batch back.
func (c *core) refuse(index int, format string, args ...any) error {
	return c.Output.to.Reject(operator.Rejection{Index: index, Reason: fmt.Sprintf(format, args...)})
}

// dropLate sends the record at the cursor to the late output, or counts it.
func (c *core) dropLate() {
	if c.Window.Late < 0 {
		c.tooLate.Add(1)
		return
	}
	c.late.AppendBytes(c.cursor.Bytes())
}

// groupOf is the key group of a key, by its hash.
func (c *core) groupOf(hash uint64) (int, error) {
	group := keygroup.OfHash(hash, c.MaxParallelism)
	if group < c.First || group >= c.End {
		return 0, fault.Corruptf("a key of group %d came to the subtask of [%d,%d)", group, c.First, c.End)
	}
	return group, nil
}
