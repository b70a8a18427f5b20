// Package record is the format of records and batches: what travels between
// operators, crosses into guests and is written down. Every layer passes a batch on
// as bytes; nobody re-encodes it.
//
// A batch is a run of records, each (little-endian, no padding)
//
//	u32 keyLen:24|kind:8   u32 valueLen   i64 timestamp   [u32 extLen   ext]   key   value
//
// Start with Record, then Cursor (reads), Builder (writes) and Validate (decides
// whether foreign bytes are a batch). Frames around batches are exchange's; the
// meaning of keys and values is the user's.
package record

import "math"

// Sizes and limits, in bytes.
const (
	HeaderSize = 16
	// MaxKeyLen is the longest key the format can say.
	MaxKeyLen = 1<<24 - 1
	// MaxSize is the largest record, header included, that the engine carries.
	MaxSize = 1 << 30
)

// NoTimestamp is the timestamp of a record without one. It and math.MaxInt64 are not
// event times.
const NoTimestamp int64 = math.MinInt64

// Kind is the kind byte of a record: a change in bits 0–1 and flags.
type Kind uint8

// Changes, as in a changelog. An append-only stream has only inserts.
const (
	Insert Kind = iota
	Delete
	UpdateBefore
	UpdateAfter
)

// Flags and masks of a Kind.
const (
	ChangeMask Kind = 3
	KeyAbsent  Kind = 1 << 2 // no key, which is not the same as an empty one
	ValueNull  Kind = 1 << 3 // no value, which is not the same as an empty one
	Extended   Kind = 1 << 7 // an extension block follows the header
	validMask       = ChangeMask | KeyAbsent | ValueNull | Extended
)

// Change is the kind without its flags.
func (k Kind) Change() Kind { return k & ChangeMask }

func (k Kind) String() string {
	return [...]string{"insert", "delete", "update-before", "update-after"}[k&ChangeMask]
}

// Record is one record. Its slices may alias the batch it was read from.
type Record struct {
	Kind      Kind
	Timestamp int64 // event time in ms since 1970, or NoTimestamp
	Key       []byte
	Value     []byte
	Extension []byte // headers and trace, if Kind has Extended
}

// Size is the number of bytes the record takes in a batch.
func (r *Record) Size() int {
	n := HeaderSize + len(r.Key) + len(r.Value)
	if r.Kind&Extended != 0 {
		n += 4 + len(r.Extension)
	}
	return n
}
