package wasmill

import "unsafe"

const (
	// fullBatch is the size, in bytes, at which an output's batch is handed out.
	fullBatch = 64 << 10
	// keptBuffer is the largest buffer that is kept for the next batch.
	keptBuffer = 1 << 20
	// maxPartitions bounds the memory that a slip can take.
	maxPartitions = 1 << 16
)

// Output is a way out of the operator. Records given to it are gathered into batches,
// which leave when they are full and when the call of the operator ends.
type Output struct {
	context    *Context
	index      int    // -1: there is no such output
	buffer     []byte // the batch and room for more
	used       int    // bytes of the batch
	partitions [][]byte
}

// Emit gives out a copy of the record.
func (o *Output) Emit(r *Record) {
	key, value := r.Key, r.Value
	at := o.used
	mid := at + headerSize + len(key)
	end := mid + len(value)
	if end > len(o.buffer) || r.Extension != nil || r.Timestamp == 1<<63-1 {
		o.emitSlowly(r)
		return
	}
	o.used = end
	kind := uint64(r.Change & changeMask)
	if key == nil {
		kind |= keyAbsent
	}
	if value == nil {
		kind |= valueNull
	}
	p := dataOf(o.buffer)
	put64(p, at, uint64(len(key))|kind<<24|uint64(len(value))<<32)
	put64(p, at+8, uint64(r.Timestamp))
	// put, but without a call where there is no need of memmove
	switch n := len(key); {
	case n > 16 || n > 0 && n < 8:
		move(p, at+headerSize, key)
	case n > 0:
		putShort(p, at+headerSize, dataOf(key), n)
	}
	switch n := len(value); {
	case n > 16:
		move(p, mid, value)
	case n >= 8:
		putShort(p, mid, dataOf(value), n)
	case n >= 4:
		first, last := get32(dataOf(value), 0), get32(dataOf(value), n-4)
		put32(p, mid, first)
		put32(p, end-4, last)
	default:
		for i, c := range value {
			*(*byte)(unsafe.Add(p, mid+i)) = c
		}
	}
}

// emitSlowly is Emit for a record that is extended or bad, or does not fit.
func (o *Output) emitSlowly(r *Record) {
	err := r.check()
	if o.index < 0 {
		err = failure("there is no such output")
	}
	if err != nil {
		o.context.fail(err)
		return
	}
	if o.used+r.size() > len(o.buffer) {
		o.hand()
	}
	if r.size() > len(o.buffer) {
		o.buffer = nil // garbage before the next is made
		o.buffer = make([]byte, max(fullBatch, r.size()))
	}
	o.used = len(r.append(o.buffer[:o.used]))
}

// EmitTo gives a copy of the record to one subtask of the receiving operator; the job
// file's edge must say "by: partition".
func (o *Output) EmitTo(partition int, r *Record) {
	err := r.check()
	switch {
	case o.index < 0:
		err = failure("there is no such output")
	case partition < 0 || partition >= maxPartitions:
		err = failure("there is no such partition")
	}
	if err != nil {
		o.context.fail(err)
		return
	}
	for len(o.partitions) <= partition {
		o.partitions = append(o.partitions, nil)
	}
	if b := o.partitions[partition]; len(b) > 0 && len(b)+r.size() > fullBatch {
		o.handTo(partition)
	}
	o.partitions[partition] = r.append(o.partitions[partition])
}

// hand gives the gathered batch to the host.
func (o *Output) hand() {
	if o.used > 0 && o.context.err == nil {
		o.context.host.Emit(o.index, o.buffer[:o.used])
	}
	o.used = 0
	if len(o.buffer) > keptBuffer {
		o.buffer = nil
	}
}

func (o *Output) handTo(partition int) {
	batch := o.partitions[partition]
	if len(batch) > 0 && o.context.err == nil {
		o.context.host.EmitTo(o.index, partition, batch)
	}
	o.partitions[partition] = emptied(batch)
}

func (o *Output) handAll() {
	o.hand()
	for p := range o.partitions {
		o.handTo(p)
	}
}

// emptied keeps the memory of a batch unless a large record made it big.
func emptied(batch []byte) []byte {
	if cap(batch) > keptBuffer {
		return nil
	}
	return batch[:0]
}
