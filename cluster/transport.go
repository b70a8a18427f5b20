package cluster

import (
	"fmt"
	"sync"
)

// CoordinatorAddress is where the coordinator listens. A worker listens at its name.
const CoordinatorAddress = "coordinator"

// Transport carries messages between addresses. Messages from one sender to one
// address arrive in order or not at all; nobody is told when they don't, so whoever
// waits for an answer repeats itself or gives up.
type Transport interface {
	// Send never waits for the receiver.
	Send(to string, e Envelope) error
	// Listen gives the messages for an address; it is called once for each.
	Listen(address string) (<-chan Envelope, error)
	// Lost is closed when the transport carries nothing any more; Err says why.
	Lost() <-chan struct{}
	Err() error
	Close() error
}

// inboxSize bounds the messages that wait at an address. It is far above what a job
// has in flight: a full inbox means that its owner stands still.
const inboxSize = 4096

// Local is the transport within one process. Messages are encoded all the same, so
// that a job behaves alike in one process and in many.
type Local struct {
	mu      sync.Mutex
	inboxes map[string]chan Envelope // guarded by mu
	lost    chan struct{}
	closed  bool // guarded by mu
}

// NewLocal is an empty transport.
func NewLocal() *Local {
	return &Local{inboxes: map[string]chan Envelope{}, lost: make(chan struct{})}
}

// Send delivers at once.
func (l *Local) Send(to string, e Envelope) error {
	data, err := Encode(e)
	if err != nil {
		return err
	}
	if e, err = Decode(data); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	inbox, ok := l.inboxes[to]
	if !ok || l.closed {
		return fmt.Errorf("send to %s: nobody listens", to)
	}
	select {
	case inbox <- e:
		return nil
	default:
		return fmt.Errorf("send to %s: its inbox of %d messages is full", to, inboxSize)
	}
}

// Listen opens the inbox of an address.
func (l *Local) Listen(address string) (<-chan Envelope, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.inboxes[address]; taken {
		return nil, fmt.Errorf("listen at %s: address is taken", address)
	}
	inbox := make(chan Envelope, inboxSize)
	l.inboxes[address] = inbox
	return inbox, nil
}

// Lost is closed by Close: nothing else ends a local transport.
func (l *Local) Lost() <-chan struct{} { return l.lost }

// Err is always nil: a local transport only ends by Close.
func (l *Local) Err() error { return nil }

// Close ends the transport.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.lost)
	}
	return nil
}
