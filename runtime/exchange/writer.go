package exchange

import (
	"fmt"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// Writer is the sending end of an edge for one subtask. All its methods are called by
// one goroutine.
//
// What is written is kept until Drain sends it. A task that does not go on before
// Drain is done keeps no more than one call of a guest emits.
type Writer struct {
	hub       *Hub
	partition graph.Partition
	outlets   []*outlet
	owners    []*outlet // by key group; with graph.ByKey
	turn      int       // of the receivers, for rebalance
	backlog   int       // elements that wait in all outlets
	room      chan struct{}
	bare      [headerSize]byte // a frame without payload, while it is sent
}

func newWriter(h *Hub, edge, from, receivers int, partition graph.Partition, maxParallelism int, remote func(to int) bool) (*Writer, error) {
	if receivers < 1 {
		return nil, fmt.Errorf("no receivers")
	}
	w := &Writer{hub: h, partition: partition, room: make(chan struct{}, 1)}
	first, end := 0, receivers
	switch partition {
	case graph.Forward:
		if from >= receivers {
			return nil, fmt.Errorf("forward to %d receivers", receivers)
		}
		first, end = from, from+1
	case graph.ByKey:
		if maxParallelism < receivers {
			return nil, fmt.Errorf("%d receivers of %d key groups", receivers, maxParallelism)
		}
	case graph.Rebalance, graph.Broadcast, graph.Partitions:
	default:
		return nil, fmt.Errorf("unknown partitioning %q", partition)
	}
	far := false
	for to := first; to < end; to++ {
		o := &outlet{writer: w, channel: Channel{Edge: edge, From: from, To: to}}
		if remote(to) {
			far = true
			o.subject = h.dataSubject(edge, to)
			o.sender.limit = maxCost
		}
		w.outlets = append(w.outlets, o)
	}
	if partition == graph.ByKey {
		w.owners = owners(w.outlets, maxParallelism)
	}
	if err := h.enlist(w); err != nil {
		return nil, err
	}
	if far {
		return w, h.subscribe(h.creditSubject(edge, from), len(w.outlets), MaxFrameSize, w.receive)
	}
	return w, nil
}

// enlist joins the writer's local channels to their ports.
func (h *Hub) enlist(w *Writer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	for _, o := range w.outlets {
		if o.subject != "" {
			if h.transport == nil {
				return fmt.Errorf("remote channels need a connection")
			}
			continue
		}
		p := h.ports[o.channel]
		if p == nil || p.subject != "" {
			return fmt.Errorf("no local inbox for channel %s", o.channel)
		}
		p.inbox.mu.Lock()
		taken := p.sender != nil
		if !taken {
			p.sender = o
			o.port, o.window, o.sender.limit = p, p.receiver.window, p.receiver.limit
		}
		p.inbox.mu.Unlock()
		if taken {
			return fmt.Errorf("channel %s has a writer", o.channel)
		}
	}
	h.writers = append(h.writers, w)
	return nil
}

// Control puts a control behind what was written, on every channel. It takes no
// credit.
func (w *Writer) Control(e Element) {
	for _, o := range w.outlets {
		o.close()
		if last := o.pending.last(); last != nil && supersedes(e.Kind, last.Kind) {
			last.Value, last.Kind = e.Value, e.Kind
			continue
		}
		o.queue(Element{Kind: e.Kind, Value: e.Value})
	}
}

// Flush closes the open buffers, so that Drain sends what was written so far.
func (w *Writer) Flush() {
	for _, o := range w.outlets {
		o.close()
	}
}

// Drain sends what credit allows and never waits for credit. Done means that nothing
// is left but open buffers: there is room for more. The error is the failure of the
// attempt.
func (w *Writer) Drain() (done bool, err error) {
	if w.backlog == 0 {
		return true, nil
	}
	select {
	case <-w.hub.failed:
		return false, w.hub.Err()
	default:
	}
	for _, o := range w.outlets {
		if o.pending.count == 0 {
			continue
		}
		if err := o.drain(); err != nil {
			w.hub.fail(err)
			return false, err
		}
	}
	return w.backlog == 0, nil
}

// Room is signalled when Drain may get further.
func (w *Writer) Room() <-chan struct{} { return w.room }

// receive takes a credit from NATS, on the client's goroutine.
func (w *Writer) receive(frame []byte) {
	if err := w.receiveCredit(frame); err != nil {
		w.hub.fail(fmt.Errorf("receive credit for %s: %w", w.outlets[0].channel, err))
	}
}

func (w *Writer) receiveCredit(frame []byte) error {
	h, _, err := openFrame(frame)
	if err != nil {
		return err
	}
	if old, err := w.hub.stale(&h); old || err != nil {
		return err
	}
	at := h.Channel.To - w.outlets[0].channel.To
	if h.Kind != credit || at < 0 || at >= len(w.outlets) || w.outlets[at].channel != h.Channel {
		return fault.Corruptf("%s frame for %s is no credit of this edge", h.Kind, h.Channel)
	}
	w.outlets[at].raise(uint64(h.Value))
	return nil
}

// drop gives the buffers back when the task is gone.
func (w *Writer) drop() {
	for _, o := range w.outlets {
		o.close()
		for o.pending.count > 0 {
			if e := o.pending.pop(); e.buffer != nil {
				w.hub.pool.put(e.buffer)
			}
		}
	}
	w.backlog = 0
}
