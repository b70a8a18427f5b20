package exchange

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

// maxControls bounds the controls that wait in a channel. Watermarks and idleness
// that newer ones supersede are not counted: only the newest waits.
const maxControls = 4 << 10

// Inbox is the receiving end of a subtask. Next, Release, Pause and Resume are called
// by one goroutine.
type Inbox struct {
	hub      *Hub
	name     string
	ports    []*port
	channels map[Channel]*port // never changes once frames come
	ready    chan struct{}
	newest   atomic.Uint64 // the newest barrier that was pushed

	mu    sync.Mutex
	turns queue[*port] // guarded by mu; ports that have elements and are not paused
	held  int          // guarded by mu; data handed out and not released
	came  time.Time    // guarded by mu; when newest came
	// recording is guarded by mu; nil unless something is recorded
	recording *Recording
}

// port is the receiving end of a channel.
type port struct {
	inbox    *Inbox
	index    int
	channel  Channel
	subject  string   // where the sender listens for credit; empty if it is local
	assembly assembly // of the inbox's goroutine

	receiver receiver       // guarded by inbox.mu
	queue    queue[Element] // guarded by inbox.mu
	controls int            // guarded by inbox.mu; controls in the queue
	standing standing       // guarded by inbox.mu; of what Next gave
	paused   bool           // guarded by inbox.mu
	listed   bool           // guarded by inbox.mu; in turns
	sender   *outlet        // guarded by inbox.mu; of a local sender, once there is one
	catcher  *catcher       // guarded by inbox.mu; nil unless what comes is recorded
}

func newInbox(h *Hub, name string) *Inbox {
	return &Inbox{hub: h, name: name, channels: make(map[Channel]*port), ready: make(chan struct{}, 1)}
}

// Next gives the next element of a channel, known by its index. It never blocks: ok
// is false when there is none. Channels take turns; paused ones are left out. Data is
// given back by Release.
func (i *Inbox) Next() (channel int, e Element, ok bool) {
	for {
		p, e, ok := i.take()
		if !ok {
			return 0, Element{}, false
		}
		var batch []byte
		var err error
		switch {
		case e.Kind == Fragment:
			// A fragment is used up once it is copied, so that a record of any size passes
			// with little credit.
			batch, err = p.assembly.add(e.Value, e.Batch)
			i.consume(p, e.cost, 0)
		case p.assembly.begun():
			err = fault.Corruptf("%s comes in the middle of a record's fragments", e.Kind)
			i.Release(e)
		case e.Kind == Data && p.subject != "":
			// It comes from another process, which may be of another version.
			if _, err = record.Validate(e.Batch); err == nil {
				return p.index, e, true
			}
			err = fault.As(fault.ErrCorrupt, fmt.Errorf("read batch: %w", err))
			i.Release(e)
		default:
			return p.index, e, true
		}
		if err != nil {
			i.hub.fail(fmt.Errorf("receive on %s: %w", p.channel, err))
			return 0, Element{}, false
		}
		if batch != nil {
			i.consume(p, 0, +1)
			return p.index, Element{Kind: Data, Batch: batch, channel: p.index}, true
		}
	}
}

func (i *Inbox) take() (p *port, e Element, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.turns.count > 0 {
		p := i.turns.pop()
		p.listed = false
		if p.paused || p.queue.count == 0 {
			continue
		}
		e := p.queue.pop()
		switch {
		case !e.Kind.carriesBytes():
			p.controls--
			p.standing.note(&e)
		case e.Kind == Data:
			i.held++
		}
		i.list(p)
		return p, e, true
	}
	return nil, Element{}, false
}

// list gives the port a turn if it has something to give; i.mu is held.
func (i *Inbox) list(p *port) {
	if p.queue.count > 0 && !p.paused && !p.listed {
		p.listed = true
		i.turns.push(p)
	}
}

// Ready is signalled when Next may succeed again.
func (i *Inbox) Ready() <-chan struct{} { return i.ready }

// Release gives back what Next gave: the batch is not read any more, and the sender
// may send as much again. Controls need no release.
func (i *Inbox) Release(e Element) {
	if e.Kind != Data {
		return
	}
	if e.buffer != nil {
		i.hub.pool.put(e.buffer)
	}
	i.consume(i.ports[e.channel], e.cost, -1)
}

func (i *Inbox) consume(p *port, cost uint64, held int) {
	i.mu.Lock()
	i.held += held
	if cost == 0 { // restored: its sender, which may not even listen yet, did not pay for it
		i.mu.Unlock()
		return
	}
	p.receiver.consume(cost)
	limit, due := p.receiver.grant()
	sender := p.sender
	i.mu.Unlock()
	if due {
		i.hub.grant(p, sender, limit)
	}
}

// Pause holds a channel back until Resume: Next does not give its elements. It is
// still emptied into the inbox, within its credit, so that it is in nobody's way.
func (i *Inbox) Pause(channel int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ports[channel].paused = true
}

// Resume ends a pause.
func (i *Inbox) Resume(channel int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.ports[channel]
	p.paused = false
	i.list(p)
}

// push adds an element that passed the receiver; i.mu is held.
func (i *Inbox) push(p *port, e Element) error {
	if e.Kind == Barrier {
		i.note(uint64(e.Value))
	}
	if p.catcher != nil {
		i.record(p, &e)
	}
	if !e.Kind.carriesBytes() {
		if last := p.queue.last(); last != nil && supersedes(e.Kind, last.Kind) {
			*last = e
			return nil
		}
		if p.controls++; p.controls > maxControls {
			return fault.Transientf("%d controls wait", p.controls)
		}
	}
	e.channel = p.index
	p.queue.push(e)
	i.list(p)
	return nil
}

// supersedes reports whether a control makes the one before it, of kind old, void.
func supersedes(next, old Kind) bool {
	switch next {
	case Watermark:
		return old == Watermark
	case Idle, Active:
		return old == Idle || old == Active
	}
	return false
}

func (i *Inbox) signal() {
	select {
	case i.ready <- struct{}{}:
	default:
	}
}

// receive takes a frame from NATS, on the client's goroutine.
func (i *Inbox) receive(frame []byte) {
	if err := i.receiveFrame(frame); err != nil {
		i.hub.fail(fmt.Errorf("receive for %s: %w", i.name, err))
	}
}

func (i *Inbox) receiveFrame(frame []byte) error {
	h, payload, err := openFrame(frame)
	if err != nil {
		return err
	}
	if old, err := i.hub.stale(&h); old || err != nil {
		return err
	}
	p := i.channels[h.Channel]
	if p == nil || p.subject == "" {
		return fault.Corruptf("frame for a channel that is not here: %s", h.Channel)
	}
	if err := i.deliver(p, &h, payload); err != nil {
		return fmt.Errorf("%s: %w", h.Channel, err)
	}
	return nil
}

func (i *Inbox) deliver(p *port, h *header, payload []byte) error {
	i.mu.Lock()
	if h.Kind == probe {
		err, limit := p.receiver.probed(h.Sequence), p.receiver.limit
		i.mu.Unlock()
		if err == nil {
			i.hub.grant(p, nil, limit)
		}
		return err
	}
	if h.Kind == credit {
		i.mu.Unlock()
		return fault.Corruptf("credit came where data is due")
	}
	e := Element{Kind: h.Kind, Value: h.Value, Batch: payload}
	if h.Kind.carriesBytes() {
		e.cost = frameCost(len(payload))
	}
	err := p.receiver.accept(h.Sequence, e.cost)
	if err == nil {
		err = i.push(p, e)
	}
	limit, due := p.receiver.grant()
	i.mu.Unlock()
	if err != nil {
		return err
	}
	if due {
		i.hub.grant(p, nil, limit)
	}
	i.signal()
	return nil
}

// drop forgets what waits and tells what was not released.
func (i *Inbox) drop() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.ports {
		for p.queue.count > 0 {
			if e := p.queue.pop(); e.buffer != nil {
				i.hub.pool.put(e.buffer)
			}
		}
	}
	i.turns = queue[*port]{}
	if i.held > 0 {
		return fmt.Errorf("%s did not release %d batches", i.name, i.held)
	}
	return nil
}
