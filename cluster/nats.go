package cluster

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/wasmill/wasmill/runtime/fault"
)

// NATS is the transport between processes: one subject for each address, below
// wasmill.<cluster>.control.
type NATS struct {
	conn   *nats.Conn
	prefix string
	lost   chan struct{}

	sending sync.Mutex // held by the message that is being sent
	parts   *splitter  // guarded by sending

	mu     sync.Mutex
	err    error // guarded by mu
	closed bool  // guarded by mu
}

// NewNATS connects for control messages. The connection is the transport's own: data
// goes over others. A lost connection ends the transport; it is not taken up again,
// since messages may be missing.
func NewNATS(address, clusterName, name string, options ...nats.Option) (*NATS, error) {
	t := &NATS{prefix: "wasmill." + clusterName + ".control.", lost: make(chan struct{}), parts: newSplitter()}
	options = append([]nats.Option{
		nats.Name("wasmill " + name + " control"),
		nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.fail(err) }),
		nats.ClosedHandler(func(c *nats.Conn) {
			err := c.LastError()
			if err == nil {
				err = nats.ErrConnectionClosed
			}
			t.fail(err)
		}),
	}, options...)
	conn, err := nats.Connect(address, options...)
	if err != nil {
		if bad := (*url.Error)(nil); errors.As(err, &bad) {
			err = bad.Err // without the address
		}
		return nil, fault.Transientf("connect to NATS at %s: %w", redacted(address), err)
	}
	t.conn = conn
	return t, nil
}

// redacted is a list of addresses without the passwords and tokens in them.
func redacted(addresses string) string {
	list := strings.Split(addresses, ",")
	for i, a := range list {
		u, err := url.Parse(strings.TrimSpace(a))
		switch {
		case err != nil || u.User == nil && strings.Contains(a, "@"):
			list[i] = "an address that can't be read"
		case u.User != nil:
			if _, has := u.User.Password(); !has {
				u.User = url.UserPassword("token", "")
			}
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}

func (t *NATS) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil && !t.closed {
		t.err = fault.Transientf("control connection to NATS lost: %w", err)
		close(t.lost)
	}
}

// Send publishes.
func (t *NATS) Send(to string, e Envelope) error {
	data, err := Encode(e)
	if err != nil {
		return err
	}
	t.sending.Lock()
	defer t.sending.Unlock()
	for _, part := range t.parts.split(data) {
		if err := t.conn.Publish(t.prefix+to, part); err != nil {
			return fault.Transientf("send to %s: %w", to, err)
		}
	}
	return nil
}

// Listen subscribes, and returns when the server knows of it.
func (t *NATS) Listen(address string) (<-chan Envelope, error) {
	inbox := make(chan Envelope, inboxSize)
	var parts joiner // of the subscription's goroutine
	_, err := t.conn.Subscribe(t.prefix+address, func(m *nats.Msg) {
		data, err := parts.join(m.Data)
		if data == nil && err == nil {
			return // there is more to come
		}
		var e Envelope
		if err == nil {
			e, err = Decode(data)
		}
		if err != nil {
			t.fail(fmt.Errorf("message at %s: %w", address, err))
			return
		}
		select {
		case inbox <- e:
		case <-t.lost:
		}
	})
	if err == nil {
		err = t.conn.Flush()
	}
	if err != nil {
		return nil, fault.Transientf("listen at %s: %w", address, err)
	}
	return inbox, nil
}

// Lost is closed when the connection is gone.
func (t *NATS) Lost() <-chan struct{} { return t.lost }

// Err says why the connection is gone.
func (t *NATS) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Close sends what is still buffered and ends the connection.
func (t *NATS) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	err := t.conn.Flush()
	t.conn.Close()
	return err
}
