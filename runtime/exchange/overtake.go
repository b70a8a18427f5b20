package exchange

import (
	"fmt"
	"slices"
)

// Overtake puts the barrier of a checkpoint in front of what waits for credit, on every
// channel where it waits itself, and gives copies of what it overtakes. A record that
// was sent in part stays ahead.
func (w *Writer) Overtake(checkpoint uint64) (caught []Caught) {
	for _, o := range w.outlets {
		c := catcher{channel: o.channel, standing: o.standing}
		o.overtake(int64(checkpoint), &c)
		caught = append(caught, c.all()...)
	}
	return caught
}

func (o *outlet) overtake(checkpoint int64, c *catcher) {
	first := o.rest()
	at := first
	for ; ; at++ {
		if at >= o.pending.count {
			return // the barrier is on its way
		}
		if e := o.pending.at(at); e.Kind == Barrier && e.Value == checkpoint {
			break
		}
	}
	barrier := *o.pending.at(at)
	for n := first; n < at; n++ {
		c.add(o.pending.at(n))
	}
	for n := at; n > first; n-- {
		*o.pending.at(n) = *o.pending.at(n - 1)
	}
	*o.pending.at(first) = barrier
}

// rest is how many fragments wait of a record that was sent in part.
func (o *outlet) rest() (n int) {
	for sent := o.begun; sent > 0; n++ {
		e := o.pending.at(n)
		if sent += int64(len(e.Batch)); sent == e.Value {
			sent = 0
		}
	}
	return n
}

// note keeps up with what is sent.
func (o *outlet) note(e *Element) {
	switch e.Kind {
	case Data:
	case Fragment:
		if o.begun += int64(len(e.Batch)); o.begun == e.Value {
			o.begun = 0
		}
	default:
		o.standing.note(e)
	}
}

// Restore puts what was caught on the way out of this writer in front of all that will
// be written.
func (w *Writer) Restore(caught []Caught) error {
	for _, c := range caught {
		at := slices.IndexFunc(w.outlets, func(o *outlet) bool { return o.channel == c.Channel })
		if at < 0 {
			return fmt.Errorf("restore what was on its way: there is no channel of %s", c.Channel)
		}
		o := w.outlets[at]
		if c.Kind == Data {
			o.append(c.Batch)
			continue
		}
		o.close()
		o.queue(Element{Kind: c.Kind, Value: c.Value})
	}
	w.Flush()
	return nil
}
