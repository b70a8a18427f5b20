package exchange

import (
	"fmt"
	"slices"
	"time"
)

// tape is what an inbox records for a checkpoint.
type tape struct {
	checkpoint uint64
	catchers   []*catcher
	open       int // channels whose barrier has not come
}

// ends reports whether nothing that comes behind the element belongs to the checkpoint.
func (t *tape) ends(e *Element) bool {
	switch e.Kind {
	case Barrier, Abort:
		return uint64(e.Value) >= t.checkpoint
	}
	return e.Kind == End
}

// Newest is the newest barrier that has come on any channel, taken or not, and when,
// unless the checkpoint is not above done.
func (i *Inbox) Newest(done uint64) (checkpoint uint64, came time.Time, ok bool) {
	if i.newest.Load() <= done {
		return 0, time.Time{}, false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.newest.Load(), i.came, true
}

// note remembers when the first barrier of a checkpoint came; i.mu is held.
func (i *Inbox) note(checkpoint uint64) {
	if checkpoint > i.newest.Load() {
		i.came = time.Now()
		i.newest.Store(checkpoint)
	}
}

// Record begins to catch what the barrier of a checkpoint has overtaken on a channel:
// what waits and what comes, up to the barrier. All of it is given by Next as ever. Other
// channels of the same checkpoint may follow; what was recorded for one before is gone.
func (i *Inbox) Record(checkpoint uint64, channel int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.tape == nil || i.tape.checkpoint != checkpoint {
		i.forget()
		i.tape = &tape{checkpoint: checkpoint}
	}
	p := i.ports[channel]
	p.catcher = &catcher{channel: p.channel, standing: p.standing, record: slices.Clone(p.assembly.record)}
	i.tape.catchers = append(i.tape.catchers, p.catcher)
	i.tape.open++
	for n := 0; n < p.queue.count && p.catcher != nil; n++ {
		i.record(p, p.queue.at(n))
	}
}

// record adds an element to what is recorded of its channel; i.mu is held.
func (i *Inbox) record(p *port, e *Element) {
	if i.tape.ends(e) {
		p.catcher = nil
		i.tape.open--
		return
	}
	p.catcher.add(e)
}

// Recorded gives what was caught, once, when the barrier has come on every channel that
// is recorded.
func (i *Inbox) Recorded() (caught []Caught, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.tape == nil || i.tape.open > 0 {
		return nil, false
	}
	for _, c := range i.tape.catchers {
		caught = append(caught, c.all()...)
	}
	i.tape = nil
	return caught, true
}

// Forget ends a recording that nobody wants any more.
func (i *Inbox) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget()
}

func (i *Inbox) forget() {
	i.tape = nil
	for _, p := range i.ports {
		p.catcher = nil
	}
}

// Restore puts what was caught on the way into this inbox in front of all that will
// come. It is called before the hub is Ready.
func (i *Inbox) Restore(caught []Caught) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range caught {
		p := i.channels[c.Channel]
		if p == nil {
			return fmt.Errorf("restore what was on its way to %s: there is no channel of %s", i.name, c.Channel)
		}
		if err := i.push(p, Element{Kind: c.Kind, Value: c.Value, Batch: c.Batch}); err != nil {
			return fmt.Errorf("restore what was on its way to %s: %w", i.name, err)
		}
	}
	return nil
}
