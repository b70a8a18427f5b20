package task

import (
	"context"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/runtime/watermark"
)

// maxTimers is how many timers a guest is given in one call.
const maxTimers = 1024

// ticker is a function that the clock concerns. Tick is harmless at any time; NextTick
// is when it next does something, in ms since 1970, math.MaxInt64 if never.
type ticker interface {
	Tick(now int64) error
	NextTick(now int64) int64
}

// begin repeats what the receivers knew before a restore, and lets the channels that
// come first come first.
func (t *Task) begin(ctx context.Context) error {
	t.lastFlush = time.Now()
	t.passed.reset(t)
	for _, n := range t.nodes {
		if n.op.Watermark != nil {
			var err error
			if n.assigned, err = newAssigner(n); err != nil {
				return n.locate(err)
			}
			n.announced, _ = n.assigned.Current()
		}
		if n.announced > NoWatermark {
			n.control(exchange.Watermark, n.announced)
		}
	}
	t.pulse = t.nextPulse()
	for _, s := range t.merge.begin() {
		if err := t.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// reach has the operator do what is due when its watermark advances: timers, and those
// that they set, until none is left; then the watermark itself.
func (n *node) reach(ctx context.Context, to int64) error {
	if to <= n.watermark {
		return nil
	}
	n.watermark = to
	if n.timed == nil {
		return nil
	}
	if err := n.fire(ctx, state.EventTime, to); err != nil {
		return err
	}
	if err := n.task.makeRoom(ctx); err != nil {
		return err
	}
	n.setTime()
	call := n.enter()
	err := n.timed.Watermark(to)
	n.leave(call)
	if err != nil {
		return n.place(err)
	}
	return n.flush()
}

// advance takes a new watermark through the node and to those behind it.
func (n *node) advance(ctx context.Context, to int64) error {
	if err := n.reach(ctx, to); err != nil {
		return err
	}
	if n.assigned != nil {
		return nil // what it gives out has a time of its own
	}
	return n.announce(ctx, to)
}

// announce tells the receivers how far event time is.
func (n *node) announce(ctx context.Context, to int64) error {
	if to <= n.announced {
		return nil
	}
	n.announced = to
	n.control(exchange.Watermark, to)
	for _, behind := range n.chained {
		if err := behind.advance(ctx, to); err != nil {
			return err
		}
	}
	return nil
}

// setIdle tells the receivers whether to wait for records of this task.
func (n *node) setIdle(idle bool) {
	n.idle = idle
	if idle {
		n.control(exchange.Idle, 0)
	} else {
		n.control(exchange.Active, 0)
	}
	for _, behind := range n.chained {
		if behind.assigned == nil {
			behind.setIdle(idle)
		}
	}
}

// control sends an element to the receivers outside of the chain, behind what was
// written.
func (n *node) control(kind exchange.Kind, value int64) {
	for _, w := range n.writers {
		w.Control(exchange.Element{Kind: kind, Value: value})
	}
}

// fire gives the operator the timers that are due.
func (n *node) fire(ctx context.Context, domain state.Domain, upTo int64) error {
	if n.state.Timers == nil {
		return nil
	}
	for {
		var due record.Builder
		count, err := n.state.Timers.Due(domain, upTo, maxTimers, &due)
		if err != nil || count == 0 {
			return n.placed(err)
		}
		if err := n.task.makeRoom(ctx); err != nil {
			return err
		}
		n.current = due.Bytes()
		n.setTime()
		call := n.enter()
		err = n.timed.Timers(n.current)
		n.leave(call)
		n.current = nil
		n.task.dirty = true
		if err != nil {
			return n.place(err)
		}
		if err := n.deliver(); err != nil {
			return err
		}
	}
}

func (n *node) placed(err error) error {
	if err == nil {
		return nil
	}
	return n.place(err)
}

// setTime tells the state what time it is, for entries that expire.
func (n *node) setTime() {
	if n.state.Tables != nil {
		n.state.Tables.SetTime(n.task.now)
	}
}

// tellTime does what waits for the clock. What is due afterwards was set since.
func (t *Task) tellTime(ctx context.Context) error {
	now := t.config.Clock.Now().UnixMilli()
	same := now == t.now
	t.now = now
	for _, n := range t.clocked {
		if timers := n.state.Timers; timers != nil {
			if next, ok := timers.Next(state.ProcessingTime); ok && next <= now {
				if err := n.fire(ctx, state.ProcessingTime, now); err != nil {
					return err
				}
			}
		}
		if n.ticking == nil || same {
			continue
		}
		if err := t.makeRoom(ctx); err != nil {
			return err
		}
		t.dirty = true // its guest may hold something back
		call := n.enter()
		err := n.ticking.Tick(now)
		n.leave(call)
		if err != nil {
			return n.place(err)
		}
		if err := n.deliver(); err != nil {
			return err
		}
	}
	if now >= t.pulse {
		return t.flush(ctx)
	}
	return nil
}

// wake is when an idle task has to look again; zero if only its input or the clock can
// wake it.
func (t *Task) wake() (at time.Time) {
	if t.dirty {
		at = t.lastFlush.Add(t.config.Plan.BufferTimeout)
	}
	if t.overtakes {
		if due := t.overtakeAt(true); !due.IsZero() && (at.IsZero() || due.Before(at)) {
			at = due
		}
	}
	return at
}

// alarm is when the clock concerns the task again; nil if it does not.
func (t *Task) alarm() <-chan time.Time {
	at := t.pulse
	for _, n := range t.clocked {
		if n.state.Timers != nil {
			if next, ok := n.state.Timers.Next(state.ProcessingTime); ok {
				at = min(at, next)
			}
		}
		if n.ticking != nil {
			at = min(at, n.ticking.NextTick(t.now))
		}
	}
	if at == never {
		return nil
	}
	return t.config.Clock.After(time.UnixMilli(at))
}

// nextPulse is when time that passes without records matters next: somebody who assigns
// watermarks may become idle.
func (t *Task) nextPulse() int64 {
	least := never
	for _, n := range t.nodes {
		if n.assigned != nil {
			least = min(least, n.assigned.IdleIn())
		}
	}
	// What is left of a millisecond does not count as time that passed.
	since := t.passed.since.Add(time.Millisecond - 1).UnixMilli()
	if least > never-since {
		return never
	}
	return since + least
}

// assign sends the watermarks that operators of this task assign.
func (t *Task) assign(ctx context.Context) error {
	elapsed := t.passed.reset(t)
	for _, n := range t.nodes {
		if n.assigned == nil {
			continue
		}
		n.assigned.pass(elapsed)
		to, idle := n.assigned.Current()
		if to != MaxWatermark { // the end of the task says that
			if err := n.announce(ctx, to); err != nil {
				return err
			}
		}
		if idle != n.idle {
			n.setIdle(idle)
		}
	}
	t.pulse = t.nextPulse()
	return nil
}

// lap measures time in which a task could have got records: not what it was
// back-pressured, and not while barriers held channels back.
type lap struct {
	since         time.Time
	backPressured int64
}

func (l *lap) reset(t *Task) time.Duration {
	before := *l
	*l = lap{since: t.config.Clock.Now(), backPressured: t.backPressured.Load()}
	if before.since.IsZero() || t.merge.aligning != 0 {
		return 0
	}
	return max(0, l.since.Sub(before.since)-time.Duration(l.backPressured-before.backPressured))
}

// assigner makes the watermarks of an operator's output.
type assigner struct {
	*watermark.Generator
	split   *watermark.Split
	splits  operator.Splitted  // the source, if its splits have a time each
	reading string             // the id of split
	alive   []*watermark.Split // that had records since time passed last
	reached int64              // as a punctual source says
}

func newAssigner(n *node) (*assigner, error) {
	w := n.op.Watermark
	a := &assigner{Generator: watermark.NewGenerator(w.OutOfOrder.Milliseconds(), w.IdleAfter.Milliseconds()), reached: NoWatermark}
	a.splits, _ = n.source.(operator.Splitted)
	var splits []operator.Split
	if n.source != nil {
		splits = n.source.Position()
	}
	if r := n.restored(); r != nil {
		// Splits of a source move with what is known of them; modules have one each.
		owned := map[string]bool{"": len(r.Assigned) == 1}
		for _, s := range splits {
			owned[s.ID] = true
		}
		for _, was := range r.Assigned {
			if err := a.Restore(was, func(split string) bool { return owned[split] }); err != nil {
				return nil, err
			}
		}
	}
	if a.splits == nil {
		a.split = a.Split("")
		return a, nil
	}
	for _, s := range splits {
		if split := a.Split(s.ID); s.Done {
			split.End()
		}
	}
	return a, nil
}

func (a *assigner) observe(batch []byte) {
	if a.splits != nil {
		if id, _ := a.splits.Reading(); a.split == nil || id != a.reading {
			a.split, a.reading = a.Split(id), id
		}
	}
	a.split.ObserveBatch(batch)
	if n := len(a.alive); n == 0 || a.alive[n-1] != a.split {
		a.alive = append(a.alive, a.split)
	}
}

// pass lets time pass. For splits that had records meanwhile it begins now: it may have
// been spent on these.
func (a *assigner) pass(elapsed time.Duration) {
	a.Pass(elapsed.Milliseconds())
	for _, s := range a.alive {
		s.Observe(record.NoTimestamp)
	}
	a.alive = a.alive[:0]
}

// punctual is a source that knows how far event time is, whatever its records tell:
// none with a timestamp at or below comes any more.
type punctual interface{ Reached() int64 }

// polled notices that a split has ended, or that event time has come further.
func (n *node) polled() {
	a := n.assigned
	if p, ok := n.source.(punctual); ok {
		if to := p.Reached(); to > a.reached {
			a.reached = to
			a.split.Observe(to + 1 + n.op.Watermark.OutOfOrder.Milliseconds())
			n.task.dirty = true
		}
	}
	if a.splits == nil {
		return
	}
	if id, done := a.splits.Reading(); done {
		a.Split(id).End()
	}
}
