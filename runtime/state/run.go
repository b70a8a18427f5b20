package state

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

// RunInfo says what a snapshot wrote: one run, in the format of docs/formats.md.
type RunInfo struct {
	Checkpoint uint64
	// Since is the confirmed checkpoint that the run builds on; 0: it holds everything.
	Since uint64
	// Header is how many bytes come before the first group.
	Header int64
	// Groups says where each key group lies, ascending; those without entries are left
	// out. The header followed by any of them is a run that NewPartialReader reads.
	Groups  []GroupRange
	Bytes   int64 // of the whole run
	Entries int64
	Deleted int64 // of the entries, those that say that one is gone
}

// GroupRange is where the entries of a key group lie within a run, in bytes.
type GroupRange struct {
	Group  int
	Offset int64
	Length int64
}

// A run is a header block, blocks of entries, and an end block. Entries are ordered by
// key group, name of the table, xxhash64 of the key, length of the key, key and subkey; a
// block is of one group and table. Tables are known by their place in the header, which has them by name.
//
//	block = u32 length of the payload   u32 CRC-32C of all that follows   u8 kind   u8 flags
//	        u16 table   u32 group   u32 entries   payload
const (
	runMagic   = "WMRN"
	runVersion = 1

	blockHead   = 20
	blockHeader = 0 // payload: magic, u8 version, u64 checkpoint, u64 since, tables
	blockData   = 1 // payload: entries
	blockEnd    = 2 // payload: u64 entries, u64 of them deleted, u32 groups

	flagLastOfGroup = 1

	// blockTarget is how large a block grows; only one entry makes it larger.
	blockTarget  = 64 << 10
	maxBlock     = MaxValue + MaxKey + MaxSubkey + 64
	maxTableName = 255
)

// Flags of an entry.
const (
	entryDeleted  = 1 // no version, stamp and value
	entrySameKey  = 2 // the key of the one before, in the same block: it is left out
	entryStamped  = 4 // the stamp is there
	entryAllFlags = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockOf is the head of a block.
type blockOf struct {
	length  int
	sum     uint32
	kind    uint8
	flags   uint8
	table   int
	group   int
	entries int
}

// seal fills in the head of a block, which is the first blockHead bytes.
func seal(block []byte, h blockOf) {
	binary.LittleEndian.PutUint32(block, uint32(len(block)-blockHead))
	block[8], block[9] = h.kind, h.flags
	binary.LittleEndian.PutUint16(block[10:], uint16(h.table))
	binary.LittleEndian.PutUint32(block[12:], uint32(h.group))
	binary.LittleEndian.PutUint32(block[16:], uint32(h.entries))
	binary.LittleEndian.PutUint32(block[4:], blockSum(block))
}

// blockSum is the checksum of a block: its length counts, too.
func blockSum(block []byte) uint32 {
	return crc32.Update(crc32.Checksum(block[:4], castagnoli), castagnoli, block[8:])
}

// runWriter writes a run; add gets the entries in order.
type runWriter struct {
	w       io.Writer
	rank    []int // of each table in the order of names
	info    RunInfo
	block   []byte // head and payload of the block being filled
	head    blockOf
	lastKey []byte
	err     error
}

func newRunWriter(w io.Writer, tables []Table, checkpoint, since uint64) *runWriter {
	r := &runWriter{w: w, rank: make([]int, len(tables)), info: RunInfo{Checkpoint: checkpoint, Since: since}}
	b := make([]byte, blockHead, blockTarget)
	b = append(b, runMagic...)
	b = append(b, runVersion)
	b = binary.LittleEndian.AppendUint64(b, checkpoint)
	b = binary.LittleEndian.AppendUint64(b, since)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tables)))
	for rank, i := range byName(tables) {
		r.rank[i] = rank
		b = append(b, scopeCode(tables[i].Scope), byte(len(tables[i].Name)))
		b = append(b, tables[i].Name...)
	}
	r.block = b
	r.write(blockOf{kind: blockHeader})
	r.info.Header = r.info.Bytes
	return r
}

// write seals the block and begins the next.
func (r *runWriter) write(h blockOf) {
	if r.err != nil {
		return
	}
	seal(r.block, h)
	n, err := r.w.Write(r.block)
	r.info.Bytes += int64(n)
	r.err = err
	r.block = r.block[:blockHead]
	r.head, r.lastKey = blockOf{}, nil
}

// byName is the order of tables in a run: their indexes sorted by name.
func byName(tables []Table) []int {
	order := make([]int, len(tables))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(tables[a].Name, tables[b].Name) })
	return order
}

// add writes an entry of a table, known by its index.
func (r *runWriter) add(table int, e *Entry) error {
	table = r.rank[table]
	newGroup := len(r.info.Groups) == 0 || r.info.Groups[len(r.info.Groups)-1].Group != e.Group
	switch {
	case newGroup:
		r.endGroup()
		r.info.Groups = append(r.info.Groups, GroupRange{Group: e.Group, Offset: r.info.Bytes})
	case r.head.entries > 0 && (r.head.table != table || len(r.block)+len(e.Key)+len(e.Subkey)+len(e.Value) > blockTarget):
		r.write(r.head)
	}
	r.head.kind, r.head.group, r.head.table = blockData, e.Group, table
	r.head.entries++
	r.info.Entries++
	if e.Deleted {
		r.info.Deleted++
	}
	same := r.lastKey != nil && string(r.lastKey) == string(e.Key)
	r.block = appendEntry(r.block, e, same)
	if !same {
		r.lastKey = append(r.lastKey[:0], e.Key...)
		if r.lastKey == nil {
			r.lastKey = []byte{}
		}
	}
	return r.err
}

func appendEntry(b []byte, e *Entry, sameKey bool) []byte {
	flags := byte(0)
	if e.Deleted {
		flags |= entryDeleted
	} else if e.Stamp != 0 {
		flags |= entryStamped
	}
	if sameKey {
		flags |= entrySameKey
	}
	b = append(b, flags)
	if !sameKey {
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		b = append(b, e.Key...)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Subkey)))
	b = append(b, e.Subkey...)
	if e.Deleted {
		return b
	}
	b = binary.AppendUvarint(b, uint64(e.Version))
	if e.Stamp != 0 {
		b = binary.AppendVarint(b, e.Stamp)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Value)))
	return append(b, e.Value...)
}

// endGroup writes the last block of the group being written.
func (r *runWriter) endGroup() {
	if len(r.info.Groups) == 0 {
		return
	}
	h := r.head
	h.flags |= flagLastOfGroup
	r.write(h)
	last := &r.info.Groups[len(r.info.Groups)-1]
	last.Length = r.info.Bytes - last.Offset
}

// close ends the run and says what is in it.
func (r *runWriter) close() (RunInfo, error) {
	r.endGroup()
	r.block = binary.LittleEndian.AppendUint64(r.block, uint64(r.info.Entries))
	r.block = binary.LittleEndian.AppendUint64(r.block, uint64(r.info.Deleted))
	r.block = binary.LittleEndian.AppendUint32(r.block, uint32(len(r.info.Groups)))
	r.write(blockOf{kind: blockEnd})
	return r.info, r.err
}

var scopes = []Scope{ScopeKey, ScopeSplit, ScopeUnion, ScopeBroadcast}

func scopeCode(s Scope) byte {
	for i, known := range scopes {
		if s == known {
			return byte(i)
		}
	}
	return 0
}

func corrupt(format string, args ...any) error {
	return fault.Corruptf("state run: "+format, args...)
}
