package graph

import (
	"errors"
	"fmt"
	"time"
)

// WindowKind is how a window operator cuts time.
type WindowKind string

// The kinds.
const (
	Tumbling WindowKind = "tumbling" // one after another
	Sliding  WindowKind = "sliding"  // one every Every, overlapping
	Session  WindowKind = "session"  // per key, as long as no gap is longer than Gap
	Global   WindowKind = "global"   // one per key, without an end
)

// Window says how the records of an operator of shape aggregate or apply are gathered.
// Durations are whole milliseconds.
type Window struct {
	Kind     WindowKind    `json:"kind"`
	Size     time.Duration `json:"size,omitempty"`     // tumbling and sliding
	Every    time.Duration `json:"every,omitempty"`    // sliding: from one start to the next
	Gap      time.Duration `json:"gap,omitempty"`      // session
	Offset   time.Duration `json:"offset,omitempty"`   // tumbling and sliding: of the starts from 1970, may be negative
	Lateness time.Duration `json:"lateness,omitempty"` // how long behind its end a window still takes records
	Trigger  Trigger       `json:"trigger,omitzero"`
	// Late is the output, an index in Operator.Outputs, for records that come too late;
	// -1: nobody reads them, they are counted.
	Late int `json:"late"`
}

// Trigger says when a window gives results before its end: those of keys that got
// records since. The zero value: never.
type Trigger struct {
	// Every is how often: at its multiples since 1970, by the watermark or, with
	// Processing, by the clock. Only the former gives the same results again.
	Every      time.Duration `json:"every,omitempty"`
	Processing bool          `json:"processing,omitempty"`
	// Count is after how many records of a key and window; tumbling and global.
	Count int64 `json:"count,omitempty"`
	// Purge empties a window when it has given a result; global only.
	Purge bool `json:"purge,omitempty"`
}

// maxWindow bounds durations, so that their sums are far from overflow.
const maxWindow = 100 * 366 * 24 * time.Hour

// Check returns all that is wrong with a window, each problem naming its field.
func (w *Window) Check() error {
	var problems []error
	add := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf(field+": "+format, args...))
	}
	timed := w.Kind == Tumbling || w.Kind == Sliding
	switch w.Kind {
	case Tumbling, Sliding, Session, Global:
	default:
		add("kind", "%q is not one of tumbling, sliding, session, global", w.Kind)
		return errors.Join(problems...)
	}
	for _, f := range []struct {
		name   string
		value  time.Duration
		needed bool
		taken  bool
	}{
		{"size", w.Size, timed, timed},
		{"every", w.Every, w.Kind == Sliding, w.Kind == Sliding},
		{"gap", w.Gap, w.Kind == Session, w.Kind == Session},
		{"lateness", w.Lateness, false, w.Kind != Global},
		{"trigger.every", w.Trigger.Every, false, true},
	} {
		switch {
		case !f.taken && f.value != 0:
			add(f.name, "%s windows have none", w.Kind)
		case f.taken && f.value < 0, f.needed && f.value == 0:
			add(f.name, "%s is not above zero", f.value)
		case f.value > maxWindow:
			add(f.name, "%s is more than 100 years", f.value)
		case f.value%time.Millisecond != 0:
			add(f.name, "%s is not a whole number of milliseconds", f.value)
		}
	}
	switch {
	case w.Offset != 0 && !timed:
		add("offset", "%s windows have none", w.Kind)
	case w.Offset > maxWindow || w.Offset < -maxWindow:
		add("offset", "%s is more than 100 years", w.Offset)
	case w.Offset%time.Millisecond != 0:
		add("offset", "%s is not a whole number of milliseconds", w.Offset)
	}
	w.Trigger.check(w.Kind, add)
	return errors.Join(problems...)
}

func (t *Trigger) check(kind WindowKind, add func(field, format string, args ...any)) {
	switch {
	case t.Count < 0:
		add("trigger.count", "%d is below zero", t.Count)
	case t.Count > 0 && kind != Tumbling && kind != Global:
		add("trigger.count", "%s windows can't count: only tumbling and global", kind)
	}
	if t.Processing && t.Every == 0 {
		add("trigger.processing", "there is no trigger.every it could be for")
	}
	switch {
	case t.Purge && kind != Global:
		add("trigger.purge", "only global windows can be emptied")
	case t.Purge && t.Every == 0 && t.Count == 0:
		add("trigger.purge", "there is no trigger.every or trigger.count to do it at")
	}
}
