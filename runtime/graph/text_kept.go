package graph

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
)

// writeKept prints what operators know of time and what they keep, if any does.
func (p *Plan) writeKept(w io.Writer) {
	header := "\nOPERATOR\tWATERMARK\tWINDOW\tSTATE\n"
	for i := range p.Operators {
		o := &p.Operators[i]
		if o.Watermark != nil || o.Window != nil || o.State != nil {
			fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\n", header, o.Name, dash(o.Watermark.text()), dash(o.Window.text()), dash(o.State.text()))
			header = ""
		}
	}
}

// dash stands for what is not there.
func dash(s string) string { return cmp.Or(s, "-") }

func (c *Checkpointing) text() string {
	if c.Interval == 0 {
		return "the final one only, " + string(c.Mode)
	}
	alignment := "aligned"
	switch {
	case c.Mode == AtLeastOnce:
		alignment = ""
	case c.Unaligned && c.UnalignedAfter == 0:
		alignment = "unaligned"
	case c.Unaligned:
		alignment = "unaligned after " + short(c.UnalignedAfter)
	}
	return list("every "+short(c.Interval), string(c.Mode), alignment, fmt.Sprintf("the last %d kept", c.Retain.Count), prefixed("in ", c.Store))
}

func (r *Restart) text() string {
	attempts := count(int64(r.Attempts), "time")
	if r.Attempts < 0 {
		attempts = "any number of times"
	}
	switch r.Kind {
	case RestartFixed:
		return fmt.Sprintf("after %s, %s", short(r.Delay), attempts)
	case RestartRate:
		return fmt.Sprintf("after %s, unless more than %s within %s", short(r.Delay), count(int64(r.Failures), "failure"), short(r.Per))
	case RestartExponential:
		return fmt.Sprintf("after %s, then up to %s, %s", short(r.Initial), short(r.Max), attempts)
	}
	return "none"
}

func (w *Watermark) text() string {
	switch {
	case w == nil:
		return ""
	case w.IdleAfter > 0:
		return list(short(w.OutOfOrder)+" out of order", "idle after "+short(w.IdleAfter))
	}
	return short(w.OutOfOrder) + " out of order"
}

func (w *Window) text() string {
	if w == nil {
		return ""
	}
	kind, offset, late := string(w.Kind), "", ""
	switch w.Kind {
	case Tumbling:
		kind += " " + short(w.Size)
	case Sliding:
		kind += fmt.Sprintf(" %s every %s", short(w.Size), short(w.Every))
	case Session:
		kind += " gap " + short(w.Gap)
	}
	if w.Offset != 0 {
		offset = "offset " + short(w.Offset)
	}
	if w.Lateness != 0 {
		late = "lateness " + short(w.Lateness)
	}
	return list(kind, offset, late, w.Trigger.text())
}

func (t *Trigger) text() string {
	var parts []string
	if t.Every > 0 {
		clock := ""
		if t.Processing {
			clock = " of processing time"
		}
		parts = append(parts, "fires every "+short(t.Every)+clock)
	}
	if t.Count > 0 {
		parts = append(parts, "fires at "+count(t.Count, "record"))
	}
	if t.Purge {
		parts = append(parts, "is then emptied")
	}
	return list(parts...)
}

func (s *State) text() string {
	if s == nil {
		return ""
	}
	limit := ""
	if s.Limit > 0 {
		limit = "at most " + sizeText(s.Limit)
	}
	tables := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		ttl := ""
		if t.TTL > 0 {
			ttl = "for " + short(t.TTL)
		}
		tables[i] = t.Name + " (" + list(string(t.Scope), ttl) + ")"
	}
	if s.Heap && !s.Keyed && len(tables) == 0 {
		return "heap"
	}
	heap := ""
	if s.Heap {
		heap = "and the heap"
	}
	return list(list(string(s.Backend), limit)+prefixed(": ", list(tables...)), heap)
}

// list joins what there is.
func list(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		if part != "" && b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(part)
	}
	return b.String()
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// short writes a duration as a job file does: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
