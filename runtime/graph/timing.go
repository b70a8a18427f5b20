package graph

import (
	"math"
	"strings"
	"time"

	"github.com/wasmill/wasmill/sdk/abi"
)

// lateOutput is the name of the engine's output for records that come too late.
const lateOutput = "late"

// Watermark is how an operator says of its output how far event time is: the highest
// timestamp it gave out so far, less OutOfOrder. Watermarks that come in are dropped,
// but for the end of time.
type Watermark struct {
	OutOfOrder time.Duration `json:"outOfOrder"` // how far behind the highest timestamp records may come; whole milliseconds
	IdleAfter  time.Duration `json:"idleAfter"`  // without a record so long, nobody waits for it; 0: never idle
}

func (p *parser) readWatermark(o *vertex, v *value) {
	o.watermarkV = v
	w := &Watermark{}
	if !p.object(v, readers{
		"outOfOrder": func(v *value) { w.OutOfOrder = p.millis(v) },
		"idleAfter":  func(v *value) { w.IdleAfter = p.millis(v) },
	}) {
		return
	}
	o.watermark = w
}

// millis reads a duration that event time can have.
func (p *parser) millis(v *value) time.Duration {
	d, ok := p.duration(v, 0, maxWindow)
	if ok && d%time.Millisecond != 0 {
		p.add(v.at(), "", "%s is not a whole number of milliseconds", clip(v.text))
	}
	return d
}

// windowReader reads one window. What its values may be is said by Window.Check; at
// is where they stand.
type windowReader struct {
	*parser
	window Window
	at     map[string]*value
}

// readWindow reads {tumbling | sliding | session | global, offset, lateness, trigger},
// or global alone.
func (p *parser) readWindow(o *vertex, v *value) {
	o.windowV = v
	r := &windowReader{parser: p, window: Window{Late: -1}, at: map[string]*value{}}
	before := len(p.problems) + p.dropped
	switch {
	case v.kind == scalar && v.text == string(Global):
		r.window.Kind = Global
	default:
		r.read(v)
	}
	if len(p.problems)+p.dropped > before {
		return // what follows from it would be said twice
	}
	if err := r.window.Check(); err != nil {
		for problem := range strings.Lines(err.Error()) {
			field, message, _ := strings.Cut(strings.TrimSuffix(problem, "\n"), ": ")
			at := v.at()
			if place := r.at[field]; place != nil {
				at = place.at()
			}
			p.add(at, "", "%s", message)
		}
		return
	}
	o.window = &r.window
}

func (r *windowReader) read(v *value) {
	w := &r.window
	is := func(kind WindowKind, read func(*value)) func(*value) {
		return func(v *value) {
			if w.Kind != "" {
				r.add(v.named(), "keep one of them", "the window is %s already", w.Kind)
				return
			}
			w.Kind = kind
			r.at["kind"], r.at["size"], r.at["every"], r.at["gap"] = v, v, v, v
			read(v)
		}
	}
	if !r.object(v, readers{
		"tumbling": is(Tumbling, r.span("size", &w.Size)),
		"sliding": is(Sliding, func(v *value) {
			r.object(v, readers{"size": r.span("size", &w.Size), "every": r.span("every", &w.Every)})
		}),
		"session": is(Session, func(v *value) { r.object(v, readers{"gap": r.span("gap", &w.Gap)}) }),
		"global": is(Global, func(v *value) {
			if v.kind != scalar || v.tag != "!!null" {
				r.object(v, readers{})
			}
		}),
		"offset": r.span("offset", &w.Offset), "lateness": r.span("lateness", &w.Lateness),
		"trigger": r.readTrigger,
	}) {
		return
	}
	if w.Kind == "" && v.get("tumbling") == nil && v.get("sliding") == nil && v.get("session") == nil && v.get("global") == nil {
		r.add(v.at(), "write one of tumbling: 1h, sliding: {size: 1h, every: 5m}, session: {gap: 30m}, global", "does not say which windows")
	}
}

// span reads a duration of any sign and size.
func (r *windowReader) span(field string, into *time.Duration) func(*value) {
	return func(v *value) {
		r.at[field] = v
		*into, _ = r.duration(v, math.MinInt64, math.MaxInt64)
	}
}

func (r *windowReader) readTrigger(v *value) {
	t := &r.window.Trigger
	flag := func(field string, into *bool) func(*value) {
		return func(v *value) {
			r.at[field] = v
			*into, _ = r.boolean(v)
		}
	}
	r.at["trigger"] = v
	if r.object(v, readers{
		"every":      r.span("trigger.every", &t.Every),
		"processing": flag("trigger.processing", &t.Processing),
		"count": func(v *value) {
			r.at["trigger.count"] = v
			t.Count, _ = r.integer(v, 1, math.MaxInt64)
		},
		"purge": flag("trigger.purge", &t.Purge),
	}) && len(v.fields) == 0 {
		r.add(v.at(), "write {every: 1m} or {count: 100}", "does not say when")
	}
}

func windowed(shape abi.Shape) bool { return shape == abi.ShapeAggregate || shape == abi.ShapeApply }

// checkWindow holds a window against the module's shape, and adds the output for late
// records if somebody reads it.
func (b *builder) checkWindow(o *vertex, d *abi.Description) {
	switch {
	case !windowed(d.Shape):
		b.refuseField(o.windowV, "remove it", "is for modules of shape aggregate or apply; %s has shape %s", b.relative(o.what), d.Shape)
		o.window = nil
		return
	case o.at.get("window") == nil:
		b.add(o.at.named(), "write window: {tumbling: 1h}", "%s has shape %s, which needs a window", b.relative(o.what), d.Shape)
	}
	for _, name := range d.Outputs {
		if name == lateOutput {
			b.add(o.whatV.at(), "tell the module's author", "%s has an output %s, which is the engine's", b.relative(o.what), quote(lateOutput))
			return
		}
	}
	if o.window != nil && o.window.Kind == Global || !b.read[port{o.name, lateOutput}] {
		return
	}
	if o.window != nil {
		o.window.Late = len(o.gives)
	}
	o.gives = append(o.gives, lateOutput)
}
