package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// RunReader reads a run entry by entry, and checks all of it: checksums, order, and
// that it is whole. Its errors are corruptions, or those of what it reads from.
type RunReader struct {
	// Checkpoint that wrote the run, and the one it builds on; 0: it holds everything.
	Checkpoint, Since uint64
	// Tables of the run, by name; Name and Scope only.
	Tables []Table

	r       io.Reader
	partial bool
	block   []byte // payload of the present block, shrinking
	buffers [2][]byte
	head    blockOf
	open    bool // the present group has not ended
	counts  [3]uint64
	ended   bool

	start       bool   // of a block: no entry of it has been read
	key, subkey []byte // of the last entry
	hash        uint64
	place       [2]int // group and table of the last entry
	any         bool
}

// NewRunReader reads a run from its header on.
func NewRunReader(r io.Reader) (*RunReader, error) { return newReader(r, false) }

// NewPartialReader reads a run's header and then some of its groups, in order: it does
// not expect the others, nor the end.
func NewPartialReader(r io.Reader) (*RunReader, error) { return newReader(r, true) }

func newReader(from io.Reader, partial bool) (*RunReader, error) {
	r := &RunReader{r: from, partial: partial}
	if err := r.readBlock(); err != nil {
		if err == io.EOF {
			err = corrupt("it is empty")
		}
		return nil, err
	}
	if r.head.kind != blockHeader {
		return nil, corrupt("it begins with a block of kind %d", r.head.kind)
	}
	return r, r.readHeader(r.block)
}

func (r *RunReader) readHeader(b []byte) error {
	if len(b) < 23 || string(b[:4]) != runMagic {
		return corrupt("the header is not one")
	}
	if b[4] != runVersion {
		return corrupt("version %d, this program reads %d", b[4], runVersion)
	}
	r.Checkpoint, r.Since = binary.LittleEndian.Uint64(b[5:]), binary.LittleEndian.Uint64(b[13:])
	count := int(binary.LittleEndian.Uint16(b[21:]))
	b = b[23:]
	for range count {
		if len(b) < 2 || len(b) < 2+int(b[1]) || int(b[0]) >= len(scopes) {
			return corrupt("the list of tables is malformed")
		}
		t := Table{Name: string(b[2 : 2+b[1]]), Scope: scopes[b[0]]}
		if n := len(r.Tables); n > 0 && r.Tables[n-1].Name >= t.Name {
			return corrupt("table %q is not in order", t.Name)
		}
		r.Tables = append(r.Tables, t)
		b = b[2+len(t.Name):]
	}
	if len(b) != 0 {
		return corrupt("%d bytes follow the list of tables", len(b))
	}
	r.block = nil
	return nil
}

// Next returns the next entry; io.EOF after the last. Its slices may be read until the
// next call but one.
func (r *RunReader) Next() (Entry, error) {
	for len(r.block) == 0 {
		if r.ended {
			return Entry{}, io.EOF
		}
		if r.head.entries > 0 {
			return Entry{}, corrupt("a block of %s ends %d entries early", r.where(), r.head.entries)
		}
		if err := r.nextBlock(); err != nil {
			if err == io.EOF && r.partial && !r.open {
				r.ended = true
			} else if err == io.EOF {
				err = corrupt("it is cut off")
			}
			return Entry{}, err
		}
	}
	return r.entry()
}

func (r *RunReader) nextBlock() error {
	before := r.head
	if err := r.readBlock(); err != nil {
		return err
	}
	switch h := r.head; {
	case h.kind == blockData && h.table < len(r.Tables) && h.entries > 0:
		if r.open && h.group != before.group {
			return corrupt("group %d does not end before %d", before.group, h.group)
		}
		if !r.open {
			r.counts[2]++
		}
		r.open = h.flags&flagLastOfGroup == 0
		return nil
	case h.kind == blockEnd && !r.open && len(r.block) == 20:
		r.ended = true
		for i, want := range []uint64{binary.LittleEndian.Uint64(r.block), binary.LittleEndian.Uint64(r.block[8:]), uint64(binary.LittleEndian.Uint32(r.block[16:]))} {
			if r.counts[i] != want && !r.partial {
				return corrupt("%d of %d %s are there", r.counts[i], want, []string{"entries", "deleted entries", "groups"}[i])
			}
		}
		r.block = nil
		return r.checkEnd()
	}
	return corrupt("a block of kind %d is out of place", r.head.kind)
}

// checkEnd refuses bytes behind the end.
func (r *RunReader) checkEnd() error {
	var b [1]byte
	switch _, err := io.ReadFull(r.r, b[:]); {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	}
	return corrupt("bytes follow its end")
}

// readBlock reads a block and checks its sum. io.EOF: there is none.
func (r *RunReader) readBlock() error {
	var head [blockHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return corrupt("it is cut off in the head of a block")
		}
		return err
	}
	r.head = blockOf{
		length: int(binary.LittleEndian.Uint32(head[:])), sum: binary.LittleEndian.Uint32(head[4:]),
		kind: head[8], flags: head[9], table: int(binary.LittleEndian.Uint16(head[10:])),
		group: int(binary.LittleEndian.Uint32(head[12:])), entries: int(binary.LittleEndian.Uint32(head[16:])),
	}
	if r.head.length > maxBlock {
		return corrupt("a block of %d bytes, at most %d are possible", r.head.length, maxBlock)
	}
	// The last entry still lies in the other buffer: its order is compared.
	r.buffers[0], r.buffers[1] = r.buffers[1], r.buffers[0]
	b := r.buffers[0][:0]
	for len(b) < r.head.length { // grown step by step: a length may be wrong
		step := min(r.head.length-len(b), 1<<20)
		b = slices.Grow(b, step)[:len(b)+step]
		if _, err := io.ReadFull(r.r, b[len(b)-step:]); err != nil {
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
				return corrupt("it is cut off in a block")
			}
			return err
		}
	}
	r.buffers[0], r.block, r.start = b, b, true
	sum := crc32.Checksum(head[:4], castagnoli)
	sum = crc32.Update(crc32.Update(sum, castagnoli, head[8:]), castagnoli, b)
	if sum != r.head.sum {
		return corrupt("checksum of a block: %08x, expected %08x", sum, r.head.sum)
	}
	return nil
}

// entry takes the next entry off the block.
func (r *RunReader) entry() (Entry, error) {
	e := Entry{Group: r.head.group, Table: r.Tables[r.head.table].Name}
	flags := r.block[0]
	r.block = r.block[1:]
	first := !r.any || r.place != [2]int{r.head.group, r.head.table}
	ok := flags&^entryAllFlags == 0 && r.head.entries > 0
	hash := r.hash
	if flags&entrySameKey != 0 {
		ok = ok && !first && !r.start
		e.Key = r.key
	} else {
		ok = r.take(&e.Key, MaxKey) && ok
		hash = hashOf(e.Key, nil)
	}
	ok = ok && r.take(&e.Subkey, MaxSubkey)
	if flags&entryDeleted != 0 {
		e.Deleted = true
		ok = ok && flags&entryStamped == 0
		r.counts[1]++
	} else if ok {
		var version uint64
		ok = r.uvarint(&version) && version <= math.MaxUint32
		e.Version = uint32(version)
		if ok && flags&entryStamped != 0 {
			var n int
			e.Stamp, n = binary.Varint(r.block)
			if ok = n > 0 && e.Stamp != 0; ok {
				r.block = r.block[n:]
			}
		}
		ok = ok && r.take(&e.Value, MaxValue)
	}
	if !ok {
		return Entry{}, corrupt("an entry of %s is malformed", r.where())
	}
	if r.any && !r.ascends(&e, hash) {
		return Entry{}, corrupt("an entry of %s is not in order", r.where())
	}
	r.start = false
	r.any, r.hash, r.key, r.subkey = true, hash, e.Key, e.Subkey
	r.place = [2]int{r.head.group, r.head.table}
	r.head.entries--
	r.counts[0]++
	return e, nil
}

// ascends tells whether an entry comes behind the last one.
func (r *RunReader) ascends(e *Entry, hash uint64) bool {
	if place := [2]int{r.head.group, r.head.table}; place != r.place {
		return place[0] > r.place[0] || place[0] == r.place[0] && place[1] > r.place[1]
	}
	if hash != r.hash {
		return hash > r.hash
	}
	if c := compareKeys(e.Key, r.key); c != 0 {
		return c > 0
	}
	return bytes.Compare(e.Subkey, r.subkey) > 0
}

func (r *RunReader) uvarint(n *uint64) bool {
	v, size := binary.Uvarint(r.block)
	if size <= 0 {
		return false
	}
	*n, r.block = v, r.block[size:]
	return true
}

// take takes bytes with their length off the block.
func (r *RunReader) take(b *[]byte, most int) bool {
	var n uint64
	if !r.uvarint(&n) || n > uint64(most) || n > uint64(len(r.block)) {
		return false
	}
	*b, r.block = r.block[:n:n], r.block[n:]
	return true
}

func (r *RunReader) where() string {
	return fmt.Sprintf("group %d, table %q", r.head.group, r.Tables[r.head.table].Name)
}
