package wasmill

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"time"
	"unsafe"
)

// Scope is what a table belongs to.
type Scope string

// The scopes. The zero value is Keyed.
const (
	Keyed     Scope = ""          // the key of the record, timer or window at hand
	Split     Scope = "split"     // the subtask; entries are spread over all on a rescale
	Union     Scope = "union"     // the subtask; after a restore each has the entries of all
	Broadcast Scope = "broadcast" // all subtasks, which must write the same
)

// Table is a Value, a Map or a List, for Operator.Tables.
type Table interface{ info() *tableInfo }

type tableInfo struct {
	store *store
	name  string
	scope Scope
	ttl   time.Duration
	index int
	place int // in store.ahead; -1: it is not fetched ahead
	value bool
	word  bool // values are as of Int64, and always were
}

// Codec turns values into bytes and back.
type Codec[T any] struct {
	Append func(b []byte, v T) []byte // appends to b
	Decode func(b []byte) (T, error)  // may keep b until the call of the operator ends
	word   bool                       // it is Int64
}

// Value is a table of one value for each key. Declare it with a name and a codec, list
// it in Operator.Tables and use it while a record, timer or window is at hand:
//
//	counts := &wasmill.Value[int64]{Name: "counts", Codec: wasmill.Int64}
//
// The values of a batch's keys are fetched at once, and written back at its end.
type Value[T any] struct {
	Name  string
	Scope Scope
	TTL   time.Duration // since the last write; 0: for ever
	Codec Codec[T]
	// Migrate reads what was written under an older Operator.StateVersion; nil: Codec
	// reads it.
	Migrate func(version uint32, b []byte) (T, error)
	table   tableInfo
}

func (v *Value[T]) info() *tableInfo {
	v.table.name, v.table.scope, v.table.ttl, v.table.value = v.Name, v.Scope, v.TTL, true
	v.table.word = v.Codec.word && v.Migrate == nil
	return &v.table
}

// Get returns the value of the key at hand; ok: there is one.
func (v *Value[T]) Get(c *Context) (value T, ok bool) {
	if s := c.store; v.table.word && c.row >= 0 && v.table.place >= 0 && v.table.store == s {
		if e := s.fetched(c.row + v.table.place); len(e.value) == 8 {
			n := toInt64(get64(dataOf(e.value), 0))
			return *(*T)(unsafe.Pointer(&n)), true
		}
	}
	return v.get(c)
}

// get is Get by way of the codec.
func (v *Value[T]) get(c *Context) (value T, ok bool) {
	var e *storeEntry
	if s := c.store; c.row >= 0 && v.table.place >= 0 && v.table.store == s {
		e = s.fetched(c.row + v.table.place)
	} else {
		e = s.current(&v.table, nil)
	}
	if e == nil || e.value == nil {
		return value, false
	}
	if v.Migrate != nil {
		return decodeEntry(c, e, &v.Codec, v.Migrate)
	}
	value, err := v.Codec.Decode(e.value)
	if err != nil {
		c.fail(err)
	}
	return value, err == nil
}

// Set replaces the value of the key at hand.
func (v *Value[T]) Set(c *Context, value T) {
	if s := c.store; v.table.word && c.row >= 0 && v.table.place >= 0 && v.table.store == s {
		if e := s.fetched(c.row + v.table.place); len(e.value) == 8 {
			put64(dataOf(e.value), 0, ofInt64(*(*int64)(unsafe.Pointer(&value))))
			e.version, e.dirty = s.version, true
			return
		}
	}
	v.set(c, value)
}

// set is Set by way of the codec.
func (v *Value[T]) set(c *Context, value T) {
	var e *storeEntry
	if s := c.store; c.row >= 0 && v.table.place >= 0 && v.table.store == s {
		e = s.fetched(c.row + v.table.place)
	} else {
		e = s.current(&v.table, nil)
	}
	if e == nil {
		return
	}
	b := e.value
	setLen(&b, 0)
	if b = v.Codec.Append(b, value); b == nil {
		b = noBytes
	}
	e.value, e.version, e.dirty = b, c.store.version, true
}

// Clear removes the value of the key at hand.
func (v *Value[T]) Clear(c *Context) {
	if e := c.store.current(&v.table, nil); e != nil {
		e.value, e.dirty = nil, true
	}
}

func decodeEntry[T any](c *Context, e *storeEntry, codec *Codec[T], migrate func(uint32, []byte) (T, error)) (value T, ok bool) {
	if e == nil || e.value == nil {
		return value, false
	}
	value, err := read(c, e.value, e.version, codec, migrate)
	return value, err == nil
}

func read[T any](c *Context, b []byte, version uint32, codec *Codec[T], migrate func(uint32, []byte) (T, error)) (value T, err error) {
	if migrate != nil && version != c.store.version {
		value, err = migrate(version, b)
	} else {
		value, err = codec.Decode(b)
	}
	if err != nil {
		c.fail(err)
	}
	return value, err
}

func encodeEntry[T any](c *Context, e *storeEntry, codec *Codec[T], value T) {
	if e == nil {
		return
	}
	b := codec.Append(e.value[:0], value)
	if b == nil {
		b = noBytes
	}
	e.value, e.version, e.dirty = b, c.store.version, true
}

// Map is a table of many values for each key, by subkeys in the order of their bytes.
type Map[K, V any] struct {
	Name    string
	Scope   Scope
	TTL     time.Duration
	Keys    Codec[K] // of subkeys; their order is that of the bytes
	Values  Codec[V]
	Migrate func(version uint32, b []byte) (V, error)
	table   tableInfo
	sub     []byte
}

func (m *Map[K, V]) info() *tableInfo {
	m.table.name, m.table.scope, m.table.ttl = m.Name, m.Scope, m.TTL
	return &m.table
}

func (m *Map[K, V]) entry(c *Context, k K) *storeEntry {
	m.sub = m.Keys.Append(m.sub[:0], k)
	return c.store.current(&m.table, m.sub)
}

// Get returns the value of a subkey; ok: there is one.
func (m *Map[K, V]) Get(c *Context, k K) (value V, ok bool) {
	return decodeEntry(c, m.entry(c, k), &m.Values, m.Migrate)
}

// Set replaces the value of a subkey.
func (m *Map[K, V]) Set(c *Context, k K, value V) { encodeEntry(c, m.entry(c, k), &m.Values, value) }

// Remove removes a subkey.
func (m *Map[K, V]) Remove(c *Context, k K) {
	if e := m.entry(c, k); e != nil {
		e.value, e.dirty = nil, true
	}
}

// Clear removes all subkeys of the key at hand.
func (m *Map[K, V]) Clear(c *Context) { c.store.clearKey(&m.table) }

// All goes through the map of the key at hand in order. What is changed meanwhile may be
// seen or not.
func (m *Map[K, V]) All(c *Context) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		c.store.scan(&m.table, nil, func(sub, b []byte, version uint32) bool {
			k, err := m.Keys.Decode(sub)
			if err != nil {
				c.fail(err)
				return false
			}
			v, err := read(c, b, version, &m.Values, m.Migrate)
			return err == nil && yield(k, v)
		})
	}
}

// List is a table of a list for each key. Adding to one does not read it.
type List[T any] struct {
	Name    string
	Scope   Scope
	TTL     time.Duration
	Codec   Codec[T]
	Migrate func(version uint32, b []byte) (T, error)
	table   tableInfo
	element []byte
}

func (l *List[T]) info() *tableInfo {
	l.table.name, l.table.scope, l.table.ttl = l.Name, l.Scope, l.TTL
	return &l.table
}

// Add adds an element to the list of the key at hand.
func (l *List[T]) Add(c *Context, v T) {
	key := noBytes
	if l.Scope == Keyed {
		key = c.key
	}
	if key == nil || l.table.store != c.store {
		c.fail(failure("table " + l.Name + ": there is no key at hand, or it is not in Operator.Tables"))
		return
	}
	l.element = l.Codec.Append(append(l.element[:0], 0, 0, 0, 0), v)
	binary.LittleEndian.PutUint32(l.element, uint32(len(l.element)-4))
	c.store.note(opAppend, l.table.index, key, nil, l.element)
}

// All goes through the list of the key at hand.
func (l *List[T]) All(c *Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		c.store.scan(&l.table, nil, func(_, b []byte, version uint32) bool {
			for len(b) >= 4 {
				n := int(binary.LittleEndian.Uint32(b))
				if n > len(b)-4 {
					c.fail(failure("table " + l.Name + " holds no list"))
					return false
				}
				v, err := read(c, b[4:4+n:4+n], version, &l.Codec, l.Migrate)
				if err != nil || !yield(v) {
					return false
				}
				b = b[4+n:]
			}
			return false
		})
	}
}

// Clear removes the list of the key at hand.
func (l *List[T]) Clear(c *Context) { c.store.clearKey(&l.table) }

// Int64 is the codec of integers: eight bytes in which order is kept.
var Int64 = Codec[int64]{
	Append: func(b []byte, v int64) []byte {
		n := len(b)
		if cap(b)-n < 8 {
			return binary.BigEndian.AppendUint64(b, uint64(v)^1<<63)
		}
		setLen(&b, n+8)
		put64(dataOf(b), n, ofInt64(v))
		return b
	},
	Decode: func(b []byte) (int64, error) {
		if len(b) != 8 {
			return 0, failure("an integer of other than eight bytes; was it written by an older version?")
		}
		return toInt64(get64(dataOf(b), 0)), nil
	},
	word: true,
}

func toInt64(word uint64) int64 { return int64(bits.ReverseBytes64(word) ^ 1<<63) }
func ofInt64(v int64) uint64    { return bits.ReverseBytes64(uint64(v) ^ 1<<63) }

// String is the codec of text.
var String = Codec[string]{
	Append: func(b []byte, v string) []byte { return append(b, v...) },
	Decode: func(b []byte) (string, error) { return string(b), nil },
}

// Bytes is the codec of bytes. What it decodes may be read until the call ends.
var Bytes = Codec[[]byte]{
	Append: func(b []byte, v []byte) []byte { return append(b, v...) },
	Decode: func(b []byte) ([]byte, error) { return b, nil },
}
