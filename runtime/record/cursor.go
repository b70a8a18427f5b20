package record

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Cursor walks the records of a batch without allocating. It never reads outside the
// batch: malformed bytes end the walk and are told by Err.
//
//	for c := record.NewCursor(batch); c.Next(); {
//		use(c.Key, c.Value)
//	}
type Cursor struct {
	Record        // the current record; its slices alias the batch
	batch  []byte // the whole batch
	start  int    // offset of the current record
	next   int    // offset of the record after it
}

// NewCursor is a cursor before the first record. It is a pointer because a loop variable
// whose address is taken is copied at every turn; inlined, it stays on the stack.
func NewCursor(batch []byte) *Cursor { return &Cursor{batch: batch} }

// Reset puts the cursor before the first record of another batch, for a cursor that is
// kept because what it is passed to makes it escape.
func (c *Cursor) Reset(batch []byte) { *c = Cursor{batch: batch} }

// Next moves to the next record. False at the end, and at malformed bytes (see Err).
func (c *Cursor) Next() bool {
	b := c.batch[c.next:]
	if len(b) < HeaderSize {
		return false
	}
	head := binary.LittleEndian.Uint64(b)
	kind := Kind(head >> 24)
	c.Timestamp = int64(binary.LittleEndian.Uint64(b[8:]))
	c.Kind = kind
	keyLen, valueLen := int(head&MaxKeyLen), int(head>>32)
	at := HeaderSize
	if kind&^(ChangeMask|KeyAbsent|ValueNull) != 0 {
		if at = c.extension(b, kind); at < 0 {
			return false
		}
	}
	end := at + keyLen + valueLen
	if end > len(b) {
		return false
	}
	mid := at + keyLen
	c.Key = b[at:mid:mid]
	c.Value = b[mid:end:end]
	c.start = c.next
	c.next += end
	return true
}

// extension takes the extension block and returns the offset behind it, or -1.
func (c *Cursor) extension(b []byte, kind Kind) int {
	if kind&^validMask != 0 || len(b) < HeaderSize+4 {
		return -1
	}
	n := int(binary.LittleEndian.Uint32(b[HeaderSize:]))
	end := HeaderSize + 4 + n
	if end > len(b) {
		return -1
	}
	c.Extension = b[HeaderSize+4 : end : end]
	return end
}

// Bytes is the current record as it stands in the batch.
func (c *Cursor) Bytes() []byte { return c.batch[c.start:c.next:c.next] }

// Offset is where the next record starts.
func (c *Cursor) Offset() int { return c.next }

// Err is nil when the walk reached the end of a well-formed batch. It says nothing
// about flags and timestamps: that is Validate's.
func (c *Cursor) Err() error {
	if c.next == len(c.batch) {
		return nil
	}
	return &FormatError{Offset: c.next, Reason: explain(c.batch[c.next:])}
}

// FormatError says where bytes are not a batch, and why.
type FormatError struct {
	Index  int // of the record, from 0; only set by Validate
	Offset int // of the record within the batch, in bytes
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("record %d at byte %d of the batch: %s", e.Index, e.Offset, e.Reason)
}

// Is makes a FormatError a corruption; whoever knows that a guest wrote the bytes
// says so instead.
func (e *FormatError) Is(target error) bool { return target == fault.ErrCorrupt }

func explain(b []byte) string {
	if len(b) < HeaderSize {
		return fmt.Sprintf("%d bytes left, a header takes %d", len(b), HeaderSize)
	}
	head := binary.LittleEndian.Uint64(b)
	kind := Kind(head >> 24)
	if kind&^validMask != 0 {
		return fmt.Sprintf("unknown bits in kind %#02x", uint8(kind))
	}
	at := uint64(HeaderSize)
	if kind&Extended != 0 {
		if len(b) < HeaderSize+4 {
			return "extension length is cut off"
		}
		at += 4 + uint64(binary.LittleEndian.Uint32(b[HeaderSize:]))
	}
	need := at + head&MaxKeyLen + head>>32
	if need > uint64(len(b)) {
		return fmt.Sprintf("record takes %d bytes, %d are left", need, len(b))
	}
	if kind&KeyAbsent != 0 && head&MaxKeyLen != 0 {
		return "key is marked absent and has bytes"
	}
	if kind&ValueNull != 0 && head>>32 != 0 {
		return "value is marked null and has bytes"
	}
	if int64(binary.LittleEndian.Uint64(b[8:])) == math.MaxInt64 {
		return "timestamp is int64 max, which is no event time"
	}
	if need > MaxSize {
		return fmt.Sprintf("record takes %d bytes, more than the %d allowed", need, MaxSize)
	}
	return ""
}

// Validate decides whether foreign bytes are a batch, and counts its records. It
// checks all that the format says: lengths, kind bits, absent keys and null values
// that have bytes, timestamps. The error is a *FormatError.
func Validate(batch []byte) (records int, err error) {
	for at := 0; at < len(batch); {
		b := batch[at:]
		if len(b) >= HeaderSize {
			head := binary.LittleEndian.Uint64(b)
			need := HeaderSize + int(head&MaxKeyLen) + int(head>>32)
			// The common record first: an insert, update or delete with key and value.
			if Kind(head>>24)&^ChangeMask == 0 && need <= len(b) && need <= MaxSize &&
				binary.LittleEndian.Uint64(b[8:]) != math.MaxInt64 {
				at += need
				records++
				continue
			}
		}
		if reason := explain(b); reason != "" {
			return records, &FormatError{Index: records, Offset: at, Reason: reason}
		}
		c := NewCursor(b)
		c.Next()
		at += c.Offset()
		records++
	}
	return records, nil
}

// Count is the number of records in a valid batch. It looks at lengths only.
func Count(batch []byte) int {
	n := 0
	for at := 0; at <= len(batch)-HeaderSize; n++ {
		head := binary.LittleEndian.Uint64(batch[at:])
		next := at + HeaderSize + int(head&MaxKeyLen) + int(head>>32)
		if Kind(head>>24)&Extended != 0 && at+HeaderSize+4 <= len(batch) {
			next += 4 + int(binary.LittleEndian.Uint32(batch[at+HeaderSize:]))
		}
		at = next
	}
	return n
}

// Cut is the length of the longest run of whole records at the start of a valid batch
// that takes at most max bytes, or that of the first record if it alone takes more.
func Cut(batch []byte, max int) int {
	c := NewCursor(batch)
	end := 0
	for c.Next() && (end == 0 || c.Offset() <= max) {
		end = c.Offset()
	}
	return end
}
