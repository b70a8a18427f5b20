package exchange

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// transport is what a hub needs of NATS. Handlers are called on other goroutines, in
// order for each subject; frames are theirs to keep.
type transport interface {
	join(h *Hub) error
	leave(h *Hub, granted int)
	reserve(channels, credit int) (each int, err error)
	subscribe(subject string, messages, bytes int, handle func(frame []byte)) (cancel func() error, err error)
	publish(subject string, frame []byte) error // copies the frame
	flush() error
}

// Hub is one worker's end of the exchange for one attempt of one job. All inboxes of
// all workers are made, and Ready, before any writer sends.
type Hub struct {
	config    Config
	transport transport // nil when all channels are local
	prefix    string    // of the subjects of this attempt
	pool      pool
	failed    chan struct{}

	mu      sync.Mutex
	err     error             // guarded by mu
	closed  bool              // guarded by mu
	ports   map[Channel]*port // guarded by mu
	inboxes []*Inbox          // guarded by mu
	writers []*Writer         // guarded by mu
	cancels []func() error    // guarded by mu; end the subscriptions
	granted int               // guarded by mu; credit reserved on the connection
}

// NewHub makes a hub. An invalid configuration is told by the first Inbox or Writer.
func NewHub(c Config) *Hub {
	if c.Conn == nil {
		return newHub(c, nil)
	}
	return newHub(c, c.Conn)
}

func newHub(c Config, t transport) *Hub {
	h := &Hub{transport: t, failed: make(chan struct{}), ports: make(map[Channel]*port)}
	err := c.Validate()
	if c.Credit == 0 {
		c.Credit = DefaultCredit
	}
	if c.FrameSize == 0 {
		c.FrameSize = DefaultFrameSize
	}
	h.config = c
	h.pool.size = c.FrameSize
	h.prefix = fmt.Sprintf("%s.%s.%s.%d-%d.", c.Subject, c.Job.Namespace, c.Job.Name, c.Attempt.Term, c.Attempt.Number)
	if err == nil && t != nil {
		err = t.join(h)
	}
	if err != nil {
		h.fail(err)
	}
	return h
}

// dataSubject is the one of a receiving subtask of an edge.
func (h *Hub) dataSubject(edge, to int) string {
	return fmt.Sprintf("%sdata.%d.%d", h.prefix, edge, to)
}

// creditSubject is the one of a sending subtask of an edge.
func (h *Hub) creditSubject(edge, from int) string {
	return fmt.Sprintf("%scredit.%d.%d", h.prefix, edge, from)
}

func (h *Hub) owns(subject string) bool { return strings.HasPrefix(subject, h.prefix) }

// Inbox makes the receiving end of a subtask: its channels, in the order by which
// Next names them. Those that are remote come over NATS. The task's name is for
// errors.
func (h *Hub) Inbox(task string, subtask int, channels []Channel, remote func(Channel) bool) (*Inbox, error) {
	in := newInbox(h, fmt.Sprintf("%s[%d]", task, subtask))
	far := 0
	for _, c := range channels {
		if remote(c) {
			far++
		}
	}
	window := h.config.Credit
	if far > 0 {
		var err error
		if window, err = h.reserve(far); err != nil {
			return nil, fmt.Errorf("make inbox of %s: %w", in.name, err)
		}
	}
	for i, c := range channels {
		p := &port{inbox: in, index: i, channel: c}
		if remote(c) {
			p.receiver = receiver{window: uint64(window), limit: maxCost}
			p.subject = h.creditSubject(c.Edge, c.From)
		} else {
			near := uint64(min(h.config.Credit, localCredit))
			p.receiver = receiver{window: near, limit: near}
		}
		in.ports = append(in.ports, p)
		in.channels[c] = p
	}
	if err := h.register(in); err != nil {
		return nil, fmt.Errorf("make inbox of %s: %w", in.name, err)
	}
	return in, h.listen(in, window)
}

func (h *Hub) reserve(channels int) (each int, err error) {
	if h.transport == nil {
		return 0, errors.New("remote channels need a connection")
	}
	if each, err = h.transport.reserve(channels, h.config.Credit); err != nil {
		return 0, err
	}
	h.mu.Lock()
	h.granted += each * channels
	h.mu.Unlock()
	return each, nil
}

func (h *Hub) register(in *Inbox) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	for _, p := range in.ports {
		if h.ports[p.channel] != nil {
			return fmt.Errorf("channel %s exists", p.channel)
		}
		h.ports[p.channel] = p
	}
	h.inboxes = append(h.inboxes, in)
	return nil
}

// listen subscribes to the subjects of the inbox's remote channels.
func (h *Hub) listen(in *Inbox, window int) error {
	channels := make(map[string]int)
	for _, p := range in.ports {
		if p.subject != "" {
			channels[h.dataSubject(p.channel.Edge, p.channel.To)]++
		}
	}
	for subject, n := range channels {
		if err := h.subscribe(subject, n, window, in.receive); err != nil {
			return fmt.Errorf("make inbox of %s: %w", in.name, err)
		}
	}
	return nil
}

// subscribe bounds what the client keeps by what the senders may send: the credit and
// a share of controls.
func (h *Hub) subscribe(subject string, channels, window int, handle func(frame []byte)) error {
	messages := channels * (window/minCost + maxControls)
	cancel, err := h.transport.subscribe(subject, messages, channels*2*window+messages*2*headerSize, handle)
	if err != nil {
		return fault.As(fault.ErrTransient, fmt.Errorf("subscribe to %s: %w", subject, err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancels = append(h.cancels, cancel)
	return nil
}

// Ready returns when the server knows the subscriptions of all inboxes, so that
// writers anywhere may send.
func (h *Hub) Ready() error {
	if err := h.Err(); err != nil || h.transport == nil {
		return err
	}
	if err := h.transport.flush(); err != nil {
		return fault.As(fault.ErrTransient, fmt.Errorf("flush subscriptions to NATS: %w", err))
	}
	return nil
}

// Writer makes the sending end of an edge for one subtask. The inboxes of receivers
// that are not remote exist already. With graph.Forward the only receiver is the
// subtask of the same number.
func (h *Hub) Writer(edge, from, receivers int, partition graph.Partition, maxParallelism int, remote func(to int) bool) (*Writer, error) {
	w, err := newWriter(h, edge, from, receivers, partition, maxParallelism, remote)
	if err != nil {
		return nil, fmt.Errorf("make writer of edge %d, subtask %d: %w", edge, from, err)
	}
	return w, nil
}

// Probe asks the receivers over NATS whether all that was sent came, and for their
// newest credit. Core NATS may drop the last frame before a silence, or the credit a
// sender waits for, and only a later message shows that: a worker probes every second
// or so, on any goroutine.
func (h *Hub) Probe() error {
	h.mu.Lock()
	writers := h.writers
	h.mu.Unlock()
	for _, w := range writers {
		for _, o := range w.outlets {
			if err := o.probe(); err != nil {
				h.fail(err)
				return err
			}
		}
	}
	return nil
}

// Failed is closed when the attempt cannot go on: Err says why.
func (h *Hub) Failed() <-chan struct{} { return h.failed }

// Err is the first cause of the attempt's failure, or nil.
func (h *Hub) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *Hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || h.closed {
		return
	}
	h.err = err
	close(h.failed)
}

// Close ends the exchange of the attempt when its tasks have returned. What was not
// delivered is dropped. The error says which inboxes were not given back what they
// handed out.
func (h *Hub) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	inboxes, writers, cancels, granted := h.inboxes, h.writers, h.cancels, h.granted
	h.mu.Unlock()

	var errs []error
	for _, cancel := range cancels {
		errs = append(errs, cancel())
	}
	if h.transport != nil {
		h.transport.leave(h, granted)
	}
	for _, w := range writers {
		w.drop()
	}
	for _, in := range inboxes {
		errs = append(errs, in.drop())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close exchange of %s: %w", h.config.Job, err)
	}
	if n := h.pool.inUse(); n > 0 {
		return fmt.Errorf("close exchange of %s: %d buffers are missing", h.config.Job, n)
	}
	return nil
}

// stale tells a frame of an earlier attempt, which is ignored (C2). A later one means
// that this attempt is over.
func (h *Hub) stale(f *header) (bool, error) {
	if f.Attempt == h.config.Attempt {
		return false, nil
	}
	if f.Attempt.Before(h.config.Attempt) {
		return true, nil
	}
	return false, fault.As(fault.ErrFenced, fmt.Errorf("attempt %s is over: a frame of attempt %s came", h.config.Attempt, f.Attempt))
}

// grant tells the sender of a channel how much it may send.
func (h *Hub) grant(p *port, sender *outlet, limit uint64) {
	if p.subject == "" {
		if sender != nil {
			sender.raise(limit)
		}
		return
	}
	var frame [headerSize]byte
	sealFrame(frame[:], &header{Kind: credit, Attempt: h.config.Attempt, Channel: p.channel, Value: int64(limit)})
	if err := h.transport.publish(p.subject, frame[:]); err != nil {
		h.fail(fault.As(fault.ErrTransient, fmt.Errorf("grant credit on %s: %w", p.channel, err)))
	}
}
