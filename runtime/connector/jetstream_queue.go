package connector

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// streamMessage is a message that was read and not given out yet.
type streamMessage struct {
	sequence uint64
	stored   int64 // ns since 1970
	subject  string
	header   nats.Header
	data     []byte
}

const (
	queueMessages = 32 << 10
	queueBytes    = 8 << 20
)

// streamQueue lies between what reads a stream and the task. It is bounded: who puts
// waits, and with it the server.
type streamQueue struct {
	ready chan struct{} // signalled when take has something to say again

	mu       sync.Mutex
	space    sync.Cond
	messages []streamMessage // guarded by mu
	bytes    int             // guarded by mu; of messages
	passed   uint64          // guarded by mu; the last sequence that was read, of a message that is not kept, too
	err      error           // guarded by mu; why nothing comes any more
	hungry   bool            // guarded by mu; take had nothing and wants a signal
	closed   bool            // guarded by mu
}

func newStreamQueue() *streamQueue {
	q := &streamQueue{ready: make(chan struct{}, 1)}
	q.space.L = &q.mu
	return q
}

// put waits while the queue is full.
func (q *streamQueue) put(m streamMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && (len(q.messages) >= queueMessages || q.bytes >= queueBytes) {
		q.space.Wait()
	}
	q.messages = append(q.messages, m)
	q.bytes += len(m.data) + len(m.subject)
	q.passed = m.sequence
	q.wake()
}

// pass says that the stream was read up to a sequence.
func (q *streamQueue) pass(sequence uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sequence > q.passed {
		q.passed = sequence
		q.wake()
	}
}

func (q *streamQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.wake()
}

// wake is called with mu held.
func (q *streamQueue) wake() {
	if q.hungry {
		q.hungry = false
		signal(q.ready)
	}
}

// take exchanges an empty slice for all that is there, and says how far the stream is
// read with it. It never waits.
func (q *streamQueue) take(empty []streamMessage) (all []streamMessage, passed uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		q.hungry = q.err == nil
		return empty, q.passed, q.err
	}
	all, q.messages, q.bytes = q.messages, empty, 0
	q.space.Broadcast()
	return all, q.passed, nil
}

func (q *streamQueue) readTo() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.passed
}

// close lets go of who waits.
func (q *streamQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.space.Broadcast()
}
