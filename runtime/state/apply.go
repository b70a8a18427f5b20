package state

import (
	"encoding/binary"
	"fmt"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
)

// Codes of the operations of the state import.
const (
	OpGet         = 0 // answer: version, value
	OpPut         = 1
	OpDelete      = 2
	OpAppend      = 3
	OpScan        = 4 // from subkey, to val if FlagTo; answer: entries
	OpScanKeys    = 5 // after key if FlagAfter; answer: keys
	OpDeleteRange = 6 // from subkey, to val if FlagTo
)

// Flags of operations; others are refused.
const (
	FlagTo    = 1 // scan, delete_range: val is the subkey at which it ends
	FlagAfter = 1 // scan_keys: key is the one after which it starts
)

// OpSize is the size of the head of an operation, in bytes:
//
//	op = u8 code   u8 flags   u16 table   u32 keyLen   u32 subLen   u32 valLen   key   subkey   val
const OpSize = 16

// AnswerSize is the size of the head of an answer. Get, scan and scan_keys have one; the
// others have none.
//
//	answer = u32 version   i32 length (-1: absent)   bytes
//	scan: version is 1 if there are more entries, 0 if not; bytes = (u32 subLen   u32 valLen   u32 version   subkey   value)*
//	scan_keys: version as for scan; bytes = (u32 keyLen   key)*
//
// A scan answers as much as fits, and at least one entry, unless there is none. It goes
// on behind the last one: from its subkey and a zero byte, or after its key.
const AnswerSize = 8

// tableOp is one decoded operation; its slices alias the request.
type tableOp struct {
	code, flags      uint8
	table            int
	key, subkey, val []byte
}

// take reads the operation that a request begins with and returns its size; 0: it is cut
// off.
func (op *tableOp) take(req []byte) (size int) {
	if len(req) < OpSize {
		return 0
	}
	op.code, op.flags, op.table = req[0], req[1], int(binary.LittleEndian.Uint16(req[2:]))
	key := OpSize + uint64(binary.LittleEndian.Uint32(req[4:]))
	subkey := key + uint64(binary.LittleEndian.Uint32(req[8:]))
	val := subkey + uint64(binary.LittleEndian.Uint32(req[12:]))
	if val > uint64(len(req)) {
		return 0
	}
	op.key, op.subkey, op.val = req[OpSize:key:key], req[key:subkey:subkey], req[subkey:val:val]
	return int(val)
}

// touchAhead is how many operations are looked at before they are done: what they read is
// brought near, all at once.
const touchAhead = 32

// fetchAhead is how many operations are looked at when they wait for files.
const fetchAhead = 512

// nextOp is an operation that will be done soon. With a part it is on one entry in memory
// and goes the short way.
type nextOp struct {
	tableOp
	memory *Memory
	looked
}

// Apply does the operations of a request in order and writes their answers to out, one
// behind the other. It stops before an answer that does not fit; done is how many
// operations are done, n how many bytes of out are written. An error is the guest's
// fault, or the backend's; operations before it are done.
func (t *Tables) Apply(req, out []byte) (done, n int, err error) {
	window := touchAhead
	if t.disk != nil {
		window = fetchAhead
	}
	for len(req) > 0 {
		count := 0
		for count < window && len(req) > 0 {
			next := &t.ahead[count]
			size := next.take(req)
			if size == 0 {
				break
			}
			t.prepare(next)
			req = req[size:]
			count++
		}
		if count == 0 {
			return done, n, fault.Guestf("state request: operation %d is cut off", done)
		}
		t.locate(t.ahead[:count])
		if t.disk != nil {
			if err := t.disk.fetch(); err != nil {
				return done, n, err
			}
		}
		for i := range count {
			wrote, fits, err := t.do(&t.ahead[i], out[n:])
			if err != nil {
				return done, n, fmt.Errorf("state request: operation %d: %w", done, err)
			}
			if !fits {
				return done, n, nil
			}
			n += wrote
			done++
		}
	}
	return done, n, nil
}

// prepare finds out whether an operation goes the short way.
func (t *Tables) prepare(op *nextOp) {
	op.part = nil
	if op.code > OpPut || op.flags != 0 || op.table >= len(t.places) ||
		len(op.key) > MaxKey || len(op.subkey) > MaxSubkey || len(op.val) > MaxValue {
		return
	}
	if op.code == OpPut && t.lately.recall(op) {
		return
	}
	p := &t.places[op.table]
	hash, group := keygroup.Hash(op.key), 0
	if p.keyed {
		if group = keygroup.OfHash(hash, t.maxParallelism); group < t.first || group >= t.end {
			return
		}
	}
	if p.memory == nil {
		if op.code == OpGet {
			t.disk.want(group, p.index, op.key, op.subkey)
		}
		return
	}
	op.memory, op.e = p.memory, nil
	op.part, _ = p.memory.part(group, p.index)
	op.hash = withSubkey(hash, op.subkey)
}

// locate finds the entries of operations that go the short way.
func (t *Tables) locate(ops []nextOp) {
	near := &t.near
	for len(ops) > 0 {
		some := ops[:min(len(ops), touchAhead)]
		ops = ops[len(some):]
		for i := range some {
			if op := &some[i]; op.part != nil && op.e == nil {
				near.Add(op.memory.start(&op.looked))
			}
		}
		near.Now()
		for i := range some {
			if op := &some[i]; op.part != nil && op.e == nil {
				op.memory.follow(&op.looked, len(op.key)+len(op.subkey), near)
			}
		}
		near.Now()
	}
}

// do does one operation.
func (t *Tables) do(op *nextOp, out []byte) (n int, fits bool, err error) {
	if op.part != nil {
		if op.code == OpPut {
			return 0, true, op.memory.putLooked(&op.looked, op.key, op.subkey, op.val)
		}
		value, version, ok := op.memory.getLooked(&op.looked, op.key, op.subkey)
		if n, fits = answerGet(out, value, version, ok); ok && fits {
			t.lately.note(op)
		}
		return n, fits, nil
	}
	if !op.valid() {
		return 0, false, fault.Guestf("code %d with flags %#x is no operation", op.code, op.flags)
	}
	switch op.code {
	case OpGet:
		value, version, ok, err := t.Get(op.table, op.key, op.subkey)
		if err != nil {
			return 0, false, err
		}
		n, fits = answerGet(out, value, version, ok)
		return n, fits, nil
	case OpPut:
		err = t.Put(op.table, op.key, op.subkey, op.val)
	case OpDelete:
		err = t.Delete(op.table, op.key, op.subkey)
	case OpAppend:
		err = t.Append(op.table, op.key, op.subkey, op.val)
	case OpDeleteRange:
		err = t.DeleteRange(op.table, op.key, op.subkey, op.to())
	case OpScan:
		return t.reply.scan(t, &op.tableOp, out)
	default:
		return t.reply.scanKeys(t, &op.tableOp, out)
	}
	return 0, true, err
}

func (op *tableOp) valid() bool {
	switch op.code {
	case OpScan, OpDeleteRange:
		return op.flags&^FlagTo == 0
	case OpScanKeys:
		return op.flags&^FlagAfter == 0
	}
	return op.code < OpScan && op.flags == 0
}

// to is where a range ends; nil: nowhere.
func (op *tableOp) to() []byte {
	if op.flags&FlagTo == 0 {
		return nil
	}
	return op.val
}

func answerGet(out, value []byte, version uint32, ok bool) (n int, fits bool) {
	if len(out) < AnswerSize+len(value) {
		return 0, false
	}
	binary.LittleEndian.PutUint32(out, version)
	if !ok {
		binary.LittleEndian.PutUint32(out[4:], ^uint32(0))
		return AnswerSize, true
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(value)))
	return AnswerSize + copy(out[AnswerSize:], value), true
}

// answer collects the answer of a scan. It keeps its visitors, so that a scan does not
// allocate.
type answer struct {
	out      []byte
	n        int // bytes written behind the head
	more     bool
	visit    func(subkey, value []byte, version uint32) bool
	visitKey func(key []byte) bool
}

func (a *answer) init() {
	a.visit = func(subkey, value []byte, version uint32) bool {
		need := 12 + len(subkey) + len(value)
		if a.more = len(a.out)-a.n < need; a.more {
			return false
		}
		b := a.out[a.n:]
		binary.LittleEndian.PutUint32(b, uint32(len(subkey)))
		binary.LittleEndian.PutUint32(b[4:], uint32(len(value)))
		binary.LittleEndian.PutUint32(b[8:], version)
		copy(b[12:], subkey)
		copy(b[12+len(subkey):], value)
		a.n += need
		return true
	}
	a.visitKey = func(key []byte) bool {
		need := 4 + len(key)
		if a.more = len(a.out)-a.n < need; a.more {
			return false
		}
		binary.LittleEndian.PutUint32(a.out[a.n:], uint32(len(key)))
		copy(a.out[a.n+4:], key)
		a.n += need
		return true
	}
}

func (a *answer) start(out []byte) bool {
	a.n, a.more = 0, false
	if len(out) < AnswerSize {
		return false
	}
	a.out = out[AnswerSize:]
	return true
}

func (a *answer) end(out []byte, err error) (n int, fits bool, _ error) {
	a.out = nil
	if err != nil || a.more && a.n == 0 {
		return 0, false, err
	}
	more := uint32(0)
	if a.more {
		more = 1
	}
	binary.LittleEndian.PutUint32(out, more)
	binary.LittleEndian.PutUint32(out[4:], uint32(a.n))
	return AnswerSize + a.n, true, nil
}

func (a *answer) scan(t *Tables, op *tableOp, out []byte) (n int, fits bool, err error) {
	if !a.start(out) {
		return 0, false, nil
	}
	return a.end(out, t.Scan(op.table, op.key, op.subkey, op.to(), a.visit))
}

func (a *answer) scanKeys(t *Tables, op *tableOp, out []byte) (n int, fits bool, err error) {
	if !a.start(out) {
		return 0, false, nil
	}
	after := op.key
	if op.flags&FlagAfter == 0 {
		after = nil
	}
	return a.end(out, t.ScanKeys(op.table, after, a.visitKey))
}
