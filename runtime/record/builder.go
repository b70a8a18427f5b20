package record

import (
	"encoding/binary"
	"slices"
)

// Builder writes records one after another into a batch. The zero value is ready;
// Reset keeps the memory for the next batch.
type Builder struct {
	batch []byte
	count int
}

// NewBuilder writes into buf from its start, growing it when needed.
func NewBuilder(buf []byte) Builder { return Builder{batch: buf[:0]} }

// Append adds a record without an extension: kind says whether key and value are
// there. Key and value are copied.
func (b *Builder) Append(kind Kind, timestamp int64, key, value []byte) {
	at := len(b.batch)
	need := HeaderSize + len(key) + len(value)
	batch := b.batch
	if cap(batch)-at < need {
		batch = slices.Grow(batch, need)
	}
	batch = batch[:at+need]
	head := batch[at : at+HeaderSize]
	binary.LittleEndian.PutUint64(head, uint64(len(key))|uint64(kind)<<24|uint64(len(value))<<32)
	binary.LittleEndian.PutUint64(head[8:], uint64(timestamp))
	copy(batch[at+HeaderSize:], key)
	copy(batch[at+HeaderSize+len(key):], value)
	b.batch = batch
	b.count++
}

// AppendRecord adds a record as it is, extension included.
func (b *Builder) AppendRecord(r *Record) {
	if r.Kind&Extended == 0 {
		b.Append(r.Kind, r.Timestamp, r.Key, r.Value)
		return
	}
	batch := slices.Grow(b.batch, r.Size())
	batch = binary.LittleEndian.AppendUint64(batch, uint64(len(r.Key))|uint64(r.Kind)<<24|uint64(len(r.Value))<<32)
	batch = binary.LittleEndian.AppendUint64(batch, uint64(r.Timestamp))
	batch = binary.LittleEndian.AppendUint32(batch, uint32(len(r.Extension)))
	batch = append(batch, r.Extension...)
	batch = append(batch, r.Key...)
	b.batch = append(batch, r.Value...)
	b.count++
}

// AppendBytes adds an encoded record, as Cursor.Bytes gives it.
func (b *Builder) AppendBytes(encoded []byte) {
	b.batch = append(b.batch, encoded...)
	b.count++
}

// Extend reserves a record of valueLen bytes and returns the place for its value, so
// that a source writes it without a copy.
func (b *Builder) Extend(kind Kind, timestamp int64, key []byte, valueLen int) []byte {
	at := len(b.batch)
	need := HeaderSize + len(key) + valueLen
	b.batch = slices.Grow(b.batch, need)[:at+need]
	record := b.batch[at:]
	binary.LittleEndian.PutUint64(record, uint64(len(key))|uint64(kind)<<24|uint64(valueLen)<<32)
	binary.LittleEndian.PutUint64(record[8:], uint64(timestamp))
	copy(record[HeaderSize:], key)
	b.count++
	return record[HeaderSize+len(key):]
}

// Bytes is the batch so far; it is valid until the next Append or Reset.
func (b *Builder) Bytes() []byte { return b.batch }

// Len is the size of the batch in bytes.
func (b *Builder) Len() int { return len(b.batch) }

// Count is the number of records in the batch.
func (b *Builder) Count() int { return b.count }

// Reset empties the batch and keeps its memory.
func (b *Builder) Reset() { b.batch, b.count = b.batch[:0], 0 }
