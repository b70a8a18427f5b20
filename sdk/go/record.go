package wasmill

import (
	"encoding/binary"
	"math"
	"strconv"
)

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp int64 = math.MinInt64

// Change is what a record does to a table; a stream that only grows has only inserts.
type Change uint8

// The changes.
const (
	Insert Change = iota
	Delete
	UpdateBefore
	UpdateAfter
)

// Record is one record. A nil slice is absent, an empty one is there and empty. The bytes
// of a key that Process gets are not to be written to: tables and timers use them until
// the batch ends. A record that leaves under another key gets another slice.
type Record struct {
	Timestamp int64  // event time in ms since 1970, or NoTimestamp
	Key       []byte // at most 16 MiB - 1
	Value     []byte
	Extension []byte // headers and trace, passed on unseen
	Change    Change
}

// The layout of a record; see docs/formats.md.
const (
	headerSize = 16
	maxKeyLen  = 1<<24 - 1
	changeMask = 3
	keyAbsent  = 1 << 2
	valueNull  = 1 << 3
	extended   = 1 << 7
	knownBits  = changeMask | keyAbsent | valueNull | extended
)

// decode reads the record at an offset of a batch and returns its size. Zero means that
// there is no whole record.
func (r *Record) decode(batch []byte, offset int) int {
	b := batch[offset:]
	if len(b) < headerSize {
		return 0
	}
	head := load64(b, 0)
	r.Timestamp = int64(load64(b, 8))
	kind := uint8(head >> 24)
	r.Change = Change(kind & changeMask)
	at := uint64(headerSize)
	if kind&^changeMask != 0 {
		return r.decodeFlagged(b, head)
	}
	mid := at + head&maxKeyLen
	end := mid + head>>32
	if end > uint64(len(b)) {
		return 0
	}
	r.Key = b[at:mid:mid]
	r.Value = b[mid:end:end]
	r.Extension = nil
	return int(end)
}

// plain tells of the first word of a record that it has no flags.
func plain(head uint64) bool { return head>>24&(0xff&^changeMask) == 0 }

// keyless tells that it has no key, and no other flags.
func keyless(head uint64) bool {
	return head>>24&(0xff&^changeMask) == keyAbsent && head&maxKeyLen == 0
}

// decodeFlagged is decode for a record whose key, value or extension is special.
func (r *Record) decodeFlagged(b []byte, head uint64) int {
	kind := uint8(head >> 24)
	keyLen, valueLen := head&maxKeyLen, head>>32
	if kind&^knownBits != 0 || kind&keyAbsent != 0 && keyLen != 0 || kind&valueNull != 0 && valueLen != 0 {
		return 0
	}
	r.Key, r.Value, r.Extension = nil, nil, nil
	at := uint64(headerSize)
	if kind&extended != 0 {
		if len(b) < headerSize+4 {
			return 0
		}
		end := at + 4 + uint64(binary.LittleEndian.Uint32(b[at:]))
		if end > uint64(len(b)) {
			return 0
		}
		r.Extension = b[at+4 : end : end]
		at = end
	}
	mid := at + keyLen
	end := mid + valueLen
	if end > uint64(len(b)) {
		return 0
	}
	if kind&keyAbsent == 0 {
		r.Key = b[at:mid:mid]
	}
	if kind&valueNull == 0 {
		r.Value = b[mid:end:end]
	}
	return int(end)
}

// size is the number of bytes of the record in a batch.
func (r *Record) size() int {
	n := headerSize + len(r.Key) + len(r.Value)
	if r.Extension != nil {
		n += 4 + len(r.Extension)
	}
	return n
}

// head is the first eight bytes of the record.
func (r *Record) head() uint64 {
	kind := uint64(r.Change & changeMask)
	if r.Key == nil {
		kind |= keyAbsent
	}
	if r.Value == nil {
		kind |= valueNull
	}
	if r.Extension != nil {
		kind |= extended
	}
	return uint64(len(r.Key)) | kind<<24 | uint64(len(r.Value))<<32
}

// AppendRecord appends r to a batch, in the form in which records travel.
func AppendRecord(batch []byte, r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return batch, err
	}
	return r.append(batch), nil
}

// DecodeBatch takes a batch apart. The records' slices alias it.
func DecodeBatch(batch []byte) ([]Record, error) {
	var records []Record
	for at := 0; at < len(batch); {
		var r Record
		n := r.decode(batch, at)
		if n == 0 {
			return nil, malformed(len(records))
		}
		if err := r.check(); err != nil {
			return nil, err
		}
		records = append(records, r)
		at += n
	}
	return records, nil
}

func (r *Record) append(batch []byte) []byte {
	batch = binary.LittleEndian.AppendUint64(batch, r.head())
	batch = binary.LittleEndian.AppendUint64(batch, uint64(r.Timestamp))
	if r.Extension != nil {
		batch = binary.LittleEndian.AppendUint32(batch, uint32(len(r.Extension)))
		batch = append(batch, r.Extension...)
	}
	batch = append(batch, r.Key...)
	return append(batch, r.Value...)
}

// check says why the record can't travel.
func (r *Record) check() error {
	if len(r.Key) > maxKeyLen {
		return failure("key of " + strconv.Itoa(len(r.Key)) + " bytes is longer than 16777215")
	}
	if r.size() > maxRecord {
		return failure("record of " + strconv.Itoa(r.size()) + " bytes is longer than 1073741824")
	}
	if r.Timestamp == math.MaxInt64 {
		return failure("timestamp is int64 max, which is no event time")
	}
	return nil
}

// maxRecord is the largest record, header included, that travels.
const maxRecord = 1 << 30

func malformed(index int) error {
	return failure("record " + strconv.Itoa(index) + " of the batch is malformed")
}

// failure is an error of the SDK's own.
type failure string

func (f failure) Error() string { return "wasmill: " + string(f) }
