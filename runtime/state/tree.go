package state

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/wasmill/wasmill/runtime/prefetch"
)

// The subkeys of a key, other than "", are listed in order by a B+tree of the key. It
// holds refs of entries only: entries are found through the hash table, the tree is for
// scans. Its root stands in the hash table under the key, with flagTree.
//
// A node is a block: u16 count, u8 log2 of the block's size, u8 level (0: a leaf), four
// bytes unused, then items. An item of a leaf is an entry, one of an inner node a child.
type node struct {
	count uint16
	log   uint8
	level uint8
	_     uint32
}

// item is a place in a node: the first bytes of the (least) subkey, big-endian, so that
// most comparisons end here, and the ref.
type item struct {
	prefix uint64
	ref    uint64
}

const (
	nodeSmall = 6  // log2 of the size of the first block: 3 items
	nodeLarge = 10 // 63 items; larger ones split
)

func prefixOf(subkey []byte) uint64 {
	if len(subkey) >= 8 {
		return binary.BigEndian.Uint64(subkey)
	}
	var b [8]byte
	copy(b[:], subkey)
	return binary.BigEndian.Uint64(b[:])
}

func (n *node) limit() int { return (1<<n.log - 8) / 16 }

func (n *node) all() []item {
	return unsafe.Slice((*item)(unsafe.Add(unsafe.Pointer(n), 8)), n.limit())
}

func (n *node) items() []item { return n.all()[:n.count] }

func (m *Memory) node(ref uint64) *node { return (*node)(m.at(ref)) }

func (m *Memory) newNode(log, level uint8) (uint64, *node, error) {
	ref, err := m.takeBlock(int(log))
	if err != nil {
		return 0, nil, err
	}
	n := m.node(ref)
	n.log, n.level = log, level
	return ref, n, nil
}

// subkeyOf is the subkey of an entry.
func (m *Memory) subkeyOf(p *part, ref uint64) []byte {
	e := m.at(ref)
	lens := *(*uint32)(unsafe.Add(e, entryLens))
	return unsafe.Slice((*byte)(unsafe.Add(e, p.head+int(lens&0xffff))), lens>>16)
}

// compare orders an item of a node of that level against a subkey.
func (m *Memory) compare(p *part, it item, level uint8, prefix uint64, subkey []byte) int {
	if it.prefix != prefix {
		if it.prefix < prefix {
			return -1
		}
		return 1
	}
	for ; level > 0; level-- {
		it = m.node(it.ref).all()[0]
	}
	return bytes.Compare(m.subkeyOf(p, it.ref), subkey)
}

// search returns the first item that is not below the subkey, and whether it is it.
func (m *Memory) search(p *part, n *node, prefix uint64, subkey []byte) (at int, same bool) {
	items := n.items()
	low, high := 0, len(items)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch c := m.compare(p, items[mid], n.level, prefix, subkey); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// child is the child that holds the subkey, if it is there.
func (m *Memory) child(p *part, n *node, prefix uint64, subkey []byte) int {
	at, same := m.search(p, n, prefix, subkey)
	if !same && at > 0 {
		at--
	}
	return at
}

// plant adds an entry below a node; right is a new neighbour if the node has split.
func (m *Memory) plant(p *part, ref uint64, it item, subkey []byte) (left, right uint64, err error) {
	n := m.node(ref)
	if n.level == 0 {
		at, _ := m.search(p, n, it.prefix, subkey)
		return m.addItem(ref, at, it)
	}
	at := m.child(p, n, it.prefix, subkey)
	l, r, err := m.plant(p, n.all()[at].ref, it, subkey)
	if err != nil {
		return 0, 0, err
	}
	n.all()[at] = item{m.node(l).all()[0].prefix, l}
	if r == 0 {
		return ref, 0, nil
	}
	return m.addItem(ref, at+1, item{m.node(r).all()[0].prefix, r})
}

// addItem inserts an item into a node, which grows, and splits when it is large.
func (m *Memory) addItem(ref uint64, at int, it item) (left, right uint64, err error) {
	n := m.node(ref)
	count := int(n.count)
	if count < n.limit() {
		n.count++
		items := n.items()
		copy(items[at+1:], items[at:count])
		items[at] = it
		return ref, 0, nil
	}
	if n.log < nodeLarge {
		if ref, err = m.resize(ref, n.log+1); err != nil {
			return 0, 0, err
		}
		return m.addItem(ref, at, it)
	}
	// Behind everything, as timers are set: the left node stays full.
	keep := count / 2
	log := uint8(nodeLarge)
	if at == count {
		keep, log = count, nodeSmall
	}
	right, r, err := m.newNode(log, n.level)
	if err != nil {
		return 0, 0, err
	}
	r.count = uint16(count - keep)
	copy(r.items(), n.items()[keep:])
	n.count = uint16(keep)
	if at > keep || at == count {
		_, _, err = m.addItem(right, at-keep, it)
	} else {
		_, _, err = m.addItem(ref, at, it)
	}
	return ref, right, err
}

// resize moves a node to a block of another size.
func (m *Memory) resize(ref uint64, log uint8) (uint64, error) {
	n := m.node(ref)
	to, r, err := m.newNode(log, n.level)
	if err != nil {
		return 0, err
	}
	r.count = n.count
	copy(r.items(), n.items())
	m.giveBlock(ref, int(n.log))
	return to, nil
}

// uproot removes an entry that is below a node; 0 is returned when nothing is left.
func (m *Memory) uproot(p *part, ref uint64, prefix uint64, subkey []byte) (uint64, error) {
	n := m.node(ref)
	at := 0
	if n.level == 0 {
		at, _ = m.search(p, n, prefix, subkey)
	} else {
		at = m.child(p, n, prefix, subkey)
		left, err := m.uproot(p, n.all()[at].ref, prefix, subkey)
		if err != nil {
			return 0, err
		}
		if left != 0 {
			n.all()[at] = item{m.node(left).all()[0].prefix, left}
			return ref, nil
		}
	}
	items := n.items()
	copy(items[at:], items[at+1:])
	n.count--
	switch {
	case n.count == 0:
		m.giveBlock(ref, int(n.log))
		return 0, nil
	case n.log > nodeSmall && int(n.count) <= n.limit()/4:
		return m.resize(ref, n.log-1)
	}
	return ref, nil
}

// replant tells that an entry lies elsewhere now; its old place can still be read.
func (m *Memory) replant(p *part, ref uint64, prefix uint64, subkey []byte, to uint64) {
	n := m.node(ref)
	for n.level > 0 {
		n = m.node(n.all()[m.child(p, n, prefix, subkey)].ref)
	}
	if at, same := m.search(p, n, prefix, subkey); same {
		n.all()[at].ref = to
	}
}

// walk visits the entries below a node that are not below from, until visit returns
// false.
func (m *Memory) walk(p *part, ref uint64, prefix uint64, from []byte, visit func(ref uint64) bool) bool {
	n := m.node(ref)
	at := 0
	if len(from) > 0 {
		if n.level == 0 {
			at, _ = m.search(p, n, prefix, from)
		} else {
			at = m.child(p, n, prefix, from)
		}
	}
	if n.level == 0 {
		return m.walkLeaf(n.items()[at:], visit)
	}
	for i, it := range n.items()[at:] {
		if i > 0 {
			from = nil
		}
		if !m.walk(p, it.ref, prefix, from, visit) {
			return false
		}
	}
	return true
}

// walkLeaf visits entries. They lie apart: a few at a time are loaded before they are
// visited, so that it is not waited for each. Many visits end with the first or second, so
// they are few at first.
func (m *Memory) walkLeaf(items []item, visit func(ref uint64) bool) bool {
	for n := 2; len(items) > 0; n = min(2*n, touchAhead) {
		few := items[:min(len(items), n)]
		items = items[len(few):]
		for _, it := range few {
			m.touched += uint64(*(*uint32)(m.at(it.ref)))
		}
		for _, it := range few {
			m.nearRest(m.at(it.ref))
		}
		m.nearing.Now()
		for _, it := range few {
			if !visit(it.ref) {
				return false
			}
		}
	}
	return true
}

// nearRest brings near what an entry has behind its first line.
func (m *Memory) nearRest(e unsafe.Pointer) {
	k, s, v := sizes(e)
	end := int(uintptr(e)&(prefetch.Line-1)) + min(maxEntryHead+k+s+v, nearMost)
	for line := prefetch.Line; line < end; line += prefetch.Line {
		m.nearing.Add(unsafe.Add(e, line))
	}
}

// fell gives back all blocks below a node, and the node.
func (m *Memory) fell(ref uint64) {
	n := m.node(ref)
	if n.level > 0 {
		for _, it := range n.items() {
			m.fell(it.ref)
		}
	}
	m.giveBlock(ref, int(n.log))
}

// first is the first entry below a node that is not below from; 0: none.
func (m *Memory) first(p *part, ref uint64, prefix uint64, from []byte) (found uint64) {
	n := m.node(ref)
	if n.level == 0 {
		if at, _ := m.search(p, n, prefix, from); at < int(n.count) {
			return n.all()[at].ref
		}
		return 0
	}
	for _, it := range n.items()[m.child(p, n, prefix, from):] {
		if found = m.first(p, it.ref, prefix, from); found != 0 {
			break
		}
	}
	return found
}
