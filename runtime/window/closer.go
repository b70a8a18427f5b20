package window

import (
	"encoding/binary"

	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// callBytes is about how much a guest is given in one call. Of accumulators no more than
// callEntries are read before they are written again, so that they are still near.
const (
	callBytes   = 256 << 10
	callEntries = 256
)

// closer gathers what windows hold and gives it to the guest, many keys in one call.
// All windows of a call have the same end, so that its output can be stamped.
type closer struct {
	aggregator operator.Aggregator
	applier    operator.Applier
	output     *Output

	start, end int64
	firing     Firing
	items      []item
	values     []value
	arena      []byte
	calls      groups
	merges     groups
	after      int64 // how long after the last moment of a window its results are: ms
}

// item is a key in a window. Its values are records by input, or accumulators: these
// lie in the arena as merge gets them, behind the key.
type item struct {
	start  int64
	firing Firing
	key    span
	first  int // of its values, if they are records
	parts  int // accumulators
}

type value struct {
	span
	input uint8
}

// span is a place in the arena.
type span struct{ offset, size int }

func (c *closer) bytes(s span) []byte { return c.arena[s.offset : s.offset+s.size : s.offset+s.size] }

func (c *closer) keep(b []byte) span {
	s := span{len(c.arena), len(b)}
	c.arena = append(c.arena, b...)
	return s
}

// window says which window the keys that follow are of.
func (c *closer) window(start, end int64, firing Firing) error {
	if end != c.end {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.start, c.end, c.firing = start, end, firing
	return nil
}

// full says that the next key calls the guest.
func (c *closer) full() bool { return len(c.arena) >= callBytes }

// key begins a key of the window; its values follow.
func (c *closer) key(key []byte) error {
	if c.full() {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.items = append(c.items, item{c.start, c.firing, c.keep(key), len(c.values), 0})
	return nil
}

// value adds an accumulator, or records of an input, to the last key: records input by
// input, both in the order of their panes.
func (c *closer) value(input int, v []byte) {
	if c.aggregator != nil {
		c.items[len(c.items)-1].parts++
		c.arena = append(binary.LittleEndian.AppendUint32(c.arena, uint32(len(v))), v...)
		return
	}
	c.values = append(c.values, value{c.keep(v), uint8(input)})
}

// parts adds accumulators to the last key, each behind its length.
func (c *closer) parts(n int, b []byte) {
	c.items[len(c.items)-1].parts += n
	c.arena = append(c.arena, b...)
}

// dropEmpty forgets the last key if it has no accumulators.
func (c *closer) dropEmpty() {
	if last := len(c.items) - 1; c.items[last].parts == 0 {
		c.arena = c.arena[:c.items[last].key.offset]
		c.items = c.items[:last]
	}
}

// flush calls the guest with what was gathered.
func (c *closer) flush() error {
	if len(c.items) == 0 {
		return nil
	}
	c.output.window = record.NoTimestamp
	if c.end != Infinity {
		c.output.window = c.end - 1 + c.after
	}
	var err error
	if c.aggregator != nil {
		err = c.finish()
	} else {
		err = c.apply()
	}
	c.output.window = record.NoTimestamp
	c.items, c.values, c.arena = c.items[:0], c.values[:0], c.arena[:0]
	return err
}

func (c *closer) valuesOf(i int) []value {
	end := len(c.values)
	if i+1 < len(c.items) {
		end = c.items[i+1].first
	}
	return c.values[c.items[i].first:end]
}

// partsOf is the accumulators of an item, each behind its length.
func (c *closer) partsOf(i int) []byte {
	end := len(c.arena)
	if i+1 < len(c.items) {
		end = c.items[i+1].key.offset
	}
	key := c.items[i].key
	return c.arena[key.offset+key.size : end]
}

// finish merges the panes of each key and finishes them.
func (c *closer) finish() error {
	merged, err := c.merge()
	if err != nil {
		return err
	}
	c.calls.reset()
	for i := range c.items {
		it := &c.items[i]
		var acc []byte
		switch it.parts {
		case 0:
			continue
		case 1:
			acc = c.partsOf(i)[4:]
		default:
			if acc, err = merged.next(); err != nil {
				return err
			}
		}
		c.calls.begin(c.bytes(it.key), acc, true, 0, it.firing, it.start, c.end)
		c.calls.end()
	}
	if err := merged.end(); err != nil {
		return err
	}
	return c.aggregator.Finish(c.calls.buf)
}

func (c *closer) merge() (replies, error) {
	c.merges.reset()
	for i := range c.items {
		it := &c.items[i]
		if it.parts < 2 {
			continue
		}
		c.merges.begin(c.bytes(it.key), nil, false, 0, it.firing, it.start, c.end)
		c.merges.buf = append(c.merges.buf, c.partsOf(i)...)
		c.merges.end()
	}
	return mergeAll(c.aggregator, &c.merges)
}

// mergeAll calls the guest, if there is anything to merge.
func mergeAll(a operator.Aggregator, g *groups) (replies, error) {
	r := replies{call: "merge"}
	if g.count == 0 {
		return r, nil
	}
	answer, err := a.Merge(g.buf)
	r.rest = answer
	return r, err
}

// apply gives the records of each key, input by input. A window larger than a call goes
// on in the next.
func (c *closer) apply() error {
	c.calls.reset()
	for i := range c.items {
		it, values := &c.items[i], c.valuesOf(i)
		for n, v := range values {
			for rest := c.bytes(v.span); len(rest) > 0; {
				piece := recordsUpTo(rest, callBytes)
				c.calls.begin(c.bytes(it.key), nil, false, v.input, it.firing, it.start, c.end)
				c.calls.buf = append(c.calls.buf, rest[:piece]...)
				c.calls.end()
				if rest = rest[piece:]; len(rest) > 0 || n+1 < len(values) {
					c.calls.more()
				}
				if len(c.calls.buf) < callBytes {
					continue
				}
				if err := c.applier.Apply(c.calls.buf); err != nil {
					return err
				}
				c.calls.reset()
			}
		}
	}
	if c.calls.count == 0 {
		return nil
	}
	return c.applier.Apply(c.calls.buf)
}

// recordsUpTo is how many bytes whole records of a batch take: at most the limit, at
// least one record.
func recordsUpTo(batch []byte, limit int) int {
	if len(batch) <= limit {
		return len(batch)
	}
	c := record.NewCursor(batch)
	at := 0
	for c.Next() && (at == 0 || c.Offset() <= limit) {
		at = c.Offset()
	}
	if at == 0 {
		return len(batch)
	}
	return at
}
