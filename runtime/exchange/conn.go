package exchange

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wasmill/wasmill/runtime/fault"
)

// creditPerConn bounds the bytes that may be on their way to one connection: half of
// the server's default max_pending of 64 MiB, so that it never drops the connection.
const creditPerConn = 32 << 20

// Times that bound how long a dead server or socket holds a task.
const (
	connectTimeout = 5 * time.Second
	writeTimeout   = 10 * time.Second
	flushTimeout   = 5 * time.Second
)

// Conn is a worker's connection for data, shared by the hubs of all its jobs. It is
// never re-established: a lost connection may have lost frames, so it fails the
// attempts that use it (D1).
type Conn struct {
	nats *nats.Conn

	mu      sync.Mutex
	hubs    map[*Hub]struct{} // guarded by mu
	granted int               // guarded by mu; bytes of credit promised to senders
	lost    error             // guarded by mu; why the connection is no more
}

// Connect opens a connection for data. The options say who and where (name, token,
// TLS); how the connection behaves is this package's.
func Connect(url string, options ...nats.Option) (*Conn, error) {
	c := &Conn{hubs: make(map[*Hub]struct{})}
	options = append(options,
		nats.NoReconnect(),
		nats.ReconnectBufSize(-1),
		nats.Timeout(connectTimeout),
		nats.FlusherTimeout(writeTimeout),
		nats.WriteBufferSize(64<<10),
		nats.SkipSubjectValidation(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { c.fault(sub, err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.disconnected(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) { c.disconnected(nc.LastError()) }),
	)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fault.As(fault.ErrTransient, fmt.Errorf("connect to NATS for data: %w", err))
	}
	if limit := nc.MaxPayload(); limit < maxCost {
		nc.Close()
		return nil, fmt.Errorf("connect to NATS for data: its max_payload is %d bytes, frames take up to %d", limit, maxCost)
	}
	c.nats = nc
	return c, nil
}

// Close ends the connection and fails the hubs that still use it.
func (c *Conn) Close() { c.nats.Close() }

// Bytes is what went out and came in over the connection.
func (c *Conn) Bytes() (out, in uint64) {
	s := c.nats.Stats()
	return s.OutBytes, s.InBytes
}

func (c *Conn) disconnected(cause error) {
	if cause == nil {
		cause = errors.New("closed")
	}
	c.failAll(fault.As(fault.ErrTransient, fmt.Errorf("lost the NATS connection for data: %w", cause)), true)
}

// fault takes what the client reports by the way: a dropped message, a refused
// subject, a write that failed. All of them may mean lost frames.
func (c *Conn) fault(sub *nats.Subscription, cause error) {
	err := fault.As(fault.ErrTransient, fmt.Errorf("fault on the NATS connection for data: %w", cause))
	if sub == nil {
		c.failAll(err, false)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for h := range c.hubs {
		if h.owns(sub.Subject) {
			h.fail(fmt.Errorf("%s: %w", sub.Subject, err))
		}
	}
}

func (c *Conn) failAll(err error, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lost && c.lost == nil {
		c.lost = err
	}
	for h := range c.hubs {
		h.fail(err)
	}
}

// join makes the hub hear of faults.
func (c *Conn) join(h *Hub) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hubs[h] = struct{}{}
	return c.lost
}

func (c *Conn) leave(h *Hub, granted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.hubs, h)
	c.granted -= granted
}

// reserve takes credit for the channels of an inbox that come in over this connection:
// what is asked for, or less, so that an eighth of what is left does; that leaves
// something for the inboxes of later jobs.
func (c *Conn) reserve(channels, credit int) (each int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := creditPerConn - c.granted
	each = min(credit, max(maxCost, left/8/channels))
	if each*channels > left {
		return 0, fmt.Errorf("%d more channels take %d bytes of credit at least, the connection has %d of %d left: lower the parallelism or spread the job over more workers",
			channels, each*channels, left, creditPerConn)
	}
	c.granted += each * channels
	return each, nil
}

func (c *Conn) subscribe(subject string, messages, bytes int, handle func(frame []byte)) (cancel func() error, err error) {
	sub, err := c.nats.Subscribe(subject, func(m *nats.Msg) { handle(m.Data) })
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(messages, bytes); err != nil {
		return nil, err
	}
	return func() error {
		err := sub.Unsubscribe()
		if err == nil || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
			return nil
		}
		return fmt.Errorf("unsubscribe from %s: %w", subject, err)
	}, nil
}

func (c *Conn) publish(subject string, frame []byte) error { return c.nats.Publish(subject, frame) }

func (c *Conn) flush() error { return c.nats.FlushTimeout(flushTimeout) }
