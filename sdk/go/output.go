package wasmill

import "encoding/binary"

const (
	// fullBatch is the size, in bytes, at which an output's batch is handed out.
	fullBatch = 64 << 10
	// keptBuffer is the largest buffer that is kept for the next batch.
	keptBuffer = 1 << 20
)

// Output is a way out of the operator. Records given to it are gathered into batches,
// which leave when they are full and when the call of the operator ends.
type Output struct {
	context    *Context
	index      int
	batch      []byte
	partitions [][]byte
}

// Emit gives out a copy of the record.
func (o *Output) Emit(r *Record) {
	if len(r.Key)|len(r.Value) < fullBatch/2 && r.Extension == nil && r.Timestamp != 1<<63-1 {
		need := headerSize + len(r.Key) + len(r.Value)
		at := len(o.batch)
		if cap(o.batch)-at < need {
			o.hand()
			at = 0
		}
		if cap(o.batch) >= need {
			b := o.batch[:at+need]
			binary.LittleEndian.PutUint64(b[at:], r.head())
			binary.LittleEndian.PutUint64(b[at+8:], uint64(r.Timestamp))
			copy(b[at+headerSize:], r.Key)
			copy(b[at+headerSize+len(r.Key):], r.Value)
			o.batch = b
			return
		}
	}
	o.emitLarge(r)
}

// emitLarge is Emit for a record that is long, extended, bad or the first.
func (o *Output) emitLarge(r *Record) {
	if err := r.check(); err != nil {
		o.context.fail(err)
		return
	}
	if o.batch == nil {
		o.batch = make([]byte, 0, fullBatch)
	}
	if len(o.batch)+r.size() > fullBatch {
		o.hand()
	}
	o.batch = r.append(o.batch)
}

// EmitTo gives a copy of the record to one subtask of the receiving operator; the job
// file's edge must say "by: partition".
func (o *Output) EmitTo(partition int, r *Record) {
	if err := r.check(); err != nil || partition < 0 {
		if err == nil {
			err = failure("partition is negative")
		}
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
	if len(o.batch) > 0 && o.context.err == nil {
		o.context.host.Emit(o.index, o.batch)
	}
	o.batch = emptied(o.batch)
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

// emptied keeps the memory of a batch unless one large record made it big.
func emptied(batch []byte) []byte {
	if cap(batch) > keptBuffer {
		return nil
	}
	return batch[:0]
}
