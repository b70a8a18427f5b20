package exchange

import (
	"fmt"
	"slices"
	"time"
)

// Recording is what an inbox catches for a checkpoint.
type Recording struct {
	checkpoint uint64
	catchers   []*catcher
	open       int // channels whose barrier has not come; guarded by the inbox's mu
	done       chan struct{}

	caught   []Caught // once it is done
	complete bool     // once it is done
}

// Done is closed when the barrier has come on every channel, or the recording has been
// forgotten.
func (r *Recording) Done() <-chan struct{} { return r.done }

// Caught is what was caught, once it is Done, each channel's in order; ok is false if the
// recording was forgotten.
func (r *Recording) Caught() (caught []Caught, ok bool) { return r.caught, r.complete }

// ends reports whether nothing that comes behind the element belongs to the checkpoint.
func (r *Recording) ends(e *Element) bool {
	switch e.Kind {
	case Barrier, Abort:
		return uint64(e.Value) >= r.checkpoint
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

// Record catches what the barrier of a checkpoint has overtaken on channels: what waits
// and what comes, up to the barrier. All of it is given by Next as ever. An earlier
// recording is forgotten.
func (i *Inbox) Record(checkpoint uint64, channels []int) *Recording {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget()
	r := &Recording{checkpoint: checkpoint, open: len(channels), done: make(chan struct{})}
	i.recording = r
	for _, channel := range channels {
		p := i.ports[channel]
		p.catcher = &catcher{channel: p.channel, standing: p.standing, record: slices.Clone(p.assembly.record)}
		r.catchers = append(r.catchers, p.catcher)
		for n := 0; n < p.queue.count && p.catcher != nil; n++ {
			i.record(p, p.queue.at(n))
		}
	}
	return r
}

// record adds an element to what is recorded of its channel; i.mu is held.
func (i *Inbox) record(p *port, e *Element) {
	r := i.recording
	if !r.ends(e) {
		p.catcher.add(e)
		return
	}
	p.catcher = nil
	if r.open--; r.open > 0 {
		return
	}
	for _, c := range r.catchers {
		r.caught = append(r.caught, c.all()...)
	}
	r.complete = true
	close(r.done)
	i.recording = nil
}

// Forget ends the recording for a checkpoint up to this one, if it is not done.
func (i *Inbox) Forget(checkpoint uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.recording != nil && i.recording.checkpoint <= checkpoint {
		i.forget()
	}
}

func (i *Inbox) forget() {
	if i.recording == nil {
		return
	}
	close(i.recording.done)
	i.recording = nil
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
