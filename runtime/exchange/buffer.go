package exchange

import "sync"

// buffer holds a frame: room for the header, then the batch. It passes from writer to
// inbox by pointer.
type buffer struct {
	bytes  []byte // header room included
	pooled bool   // false for one made for a single large record
}

func (b *buffer) batch() []byte { return b.bytes[headerSize:] }

// maxFree is how many unused buffers a pool keeps.
const maxFree = 256

// pool holds the buffers of a hub, all of one size.
type pool struct {
	size int // payload

	mu   sync.Mutex
	free []*buffer // guarded by mu
	out  int       // guarded by mu; buffers in use
}

// get gives an empty buffer for at least size bytes of payload.
func (p *pool) get(size int) *buffer {
	pooled := size <= p.size
	p.mu.Lock()
	p.out++
	if n := len(p.free); pooled && n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return b
	}
	p.mu.Unlock()
	return &buffer{bytes: make([]byte, headerSize, headerSize+max(size, p.size)), pooled: pooled}
}

// put takes a buffer back.
func (p *pool) put(b *buffer) {
	b.bytes = b.bytes[:headerSize]
	p.mu.Lock()
	p.out--
	if b.pooled && len(p.free) < maxFree {
		p.free = append(p.free, b)
	}
	p.mu.Unlock()
}

// inUse is how many buffers were not put back.
func (p *pool) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

// queue is a first-in first-out queue in a ring that grows.
type queue[T any] struct {
	ring  []T // length is a power of two
	head  int
	count int
}

func (q *queue[T]) push(v T) {
	if q.count == len(q.ring) {
		grown := make([]T, max(8, 2*len(q.ring)))
		n := copy(grown, q.ring[q.head:])
		copy(grown[n:], q.ring[:q.head])
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = v
	q.count++
}

func (q *queue[T]) pop() T {
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.count--
	return v
}

// at is the element behind n others; it may be changed in place.
func (q *queue[T]) at(n int) *T { return &q.ring[(q.head+n)&(len(q.ring)-1)] }

// first and last may be changed in place; they are nil when the queue is empty.
func (q *queue[T]) first() *T {
	if q.count == 0 {
		return nil
	}
	return q.at(0)
}

func (q *queue[T]) last() *T {
	if q.count == 0 {
		return nil
	}
	return q.at(q.count - 1)
}
