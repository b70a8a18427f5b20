package exchange

import (
	"fmt"
	"sync/atomic"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

// outlet is the sending end of a channel.
type outlet struct {
	writer  *Writer
	channel Channel
	subject string // where the receiver listens; empty if it is local
	port    *port  // of a local receiver
	window  uint64 // of a local receiver

	open     *buffer // being filled; nil if none
	batch    []byte  // its bytes so far; without room if there is none
	pending  queue[Element]
	sender   sender
	begun    int64         // bytes sent of a record that is sent in fragments
	standing standing      // of what was sent
	granted  atomic.Uint64 // the newest limit; set by the receiver's side
	numbered atomic.Uint64 // sequence of the last frame that NATS has; for probes
}

// raise takes over a limit; it is called by the receiver's side.
func (o *outlet) raise(limit uint64) {
	for {
		old := o.granted.Load()
		if limit <= old || o.granted.CompareAndSwap(old, limit) {
			break
		}
	}
	select {
	case o.writer.room <- struct{}{}:
	default:
	}
}

// append copies a batch behind what was written to this channel.
func (o *outlet) append(batch []byte) {
	if len(batch) <= cap(o.batch)-len(o.batch) {
		o.batch = append(o.batch, batch...)
		return
	}
	start := 0 // of what is not copied yet
	c := record.NewCursor(batch)
	for c.Next() {
		if c.Offset()-start <= cap(o.batch)-len(o.batch) {
			continue
		}
		last := c.Bytes()
		o.batch = append(o.batch, batch[start:c.Offset()-len(last)]...)
		o.appendRecord(last)
		start = c.Offset()
	}
	o.batch = append(o.batch, batch[start:c.Offset()]...)
}

func (o *outlet) appendRecord(encoded []byte) {
	if len(encoded) > cap(o.batch)-len(o.batch) {
		o.close()
		if len(encoded) > o.writer.hub.pool.size {
			o.appendLarge(encoded)
			return
		}
		o.open = o.writer.hub.pool.get(len(encoded))
		o.batch = o.open.batch()
	}
	o.batch = append(o.batch, encoded...)
}

// appendLarge takes a record that is larger than a frame: whole to a local receiver,
// in fragments to a remote one.
func (o *outlet) appendLarge(encoded []byte) {
	pool := &o.writer.hub.pool
	size := pool.size
	if o.subject == "" {
		size = len(encoded)
	}
	total := int64(len(encoded))
	for len(encoded) > 0 {
		piece := encoded[:min(size, len(encoded))]
		encoded = encoded[len(piece):]
		b := pool.get(len(piece))
		b.bytes = append(b.bytes, piece...)
		if o.subject == "" {
			o.queue(Element{Kind: Data, buffer: b})
		} else {
			o.queue(Element{Kind: Fragment, Value: total, buffer: b})
		}
	}
}

// close queues the open buffer.
func (o *outlet) close() {
	if o.open == nil {
		return
	}
	o.open.bytes = o.open.bytes[:headerSize+len(o.batch)]
	o.queue(Element{Kind: Data, buffer: o.open})
	o.open, o.batch = nil, nil
}

func (o *outlet) queue(e Element) {
	if e.buffer != nil {
		e.Batch = e.buffer.batch()
		if o.subject != "" {
			e.cost = frameCost(len(e.Batch))
		} else {
			e.cost = localCost(len(e.Batch), o.window)
		}
	}
	o.pending.push(e)
	o.writer.backlog++
}

// drain sends what waits in this channel as far as credit goes.
func (o *outlet) drain() error {
	o.sender.grant(o.granted.Load())
	for e := o.pending.first(); e != nil && o.sender.fits(e.cost); e = o.pending.first() {
		sequence := o.sender.send(e.cost)
		o.note(e)
		var err error
		if o.subject == "" {
			err = o.handOver(sequence, *e)
		} else {
			err = o.sendFrame(sequence, e)
		}
		if err != nil {
			return err
		}
		o.pending.pop()
		o.writer.backlog--
	}
	return nil
}

// handOver gives an element to a local receiver by pointer.
func (o *outlet) handOver(sequence uint64, e Element) error {
	in := o.port.inbox
	in.mu.Lock()
	err := o.port.receiver.accept(sequence, e.cost)
	if err == nil {
		err = in.push(o.port, e)
	}
	in.mu.Unlock()
	if err != nil {
		return fmt.Errorf("send on %s: %w", o.channel, err)
	}
	in.signal()
	return nil
}

// sendFrame sends an element over NATS, whose client copies it.
func (o *outlet) sendFrame(sequence uint64, e *Element) error {
	frame := o.writer.bare[:]
	if e.buffer != nil {
		frame = e.buffer.bytes
	}
	h := o.header(e.Kind, sequence, e.Value)
	if err := o.publish(frame, &h); err != nil {
		return err
	}
	o.numbered.Store(sequence)
	if e.buffer != nil {
		o.writer.hub.pool.put(e.buffer)
	}
	return nil
}

// probe may run beside the writer's goroutine: a frame that passes it makes it old,
// and an old probe says nothing.
func (o *outlet) probe() error {
	if o.subject == "" {
		return nil
	}
	h := o.header(probe, o.numbered.Load()+1, 0)
	return o.publish(make([]byte, headerSize), &h)
}

func (o *outlet) header(kind Kind, sequence uint64, value int64) header {
	return header{Kind: kind, Attempt: o.writer.hub.config.Attempt, Channel: o.channel, Sequence: sequence, Value: value}
}

func (o *outlet) publish(frame []byte, h *header) error {
	sealFrame(frame, h)
	if err := o.writer.hub.transport.publish(o.subject, frame); err != nil {
		return fault.As(fault.ErrTransient, fmt.Errorf("send on %s: publish to NATS: %w", o.channel, err))
	}
	return nil
}
