package state

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

// TimersTable is the name of the table that timers live in.
const TimersTable = "$timers"

// Domain is the time a timer is of.
type Domain uint8

// The domains; the numbers are the guest interface's.
const (
	EventTime      Domain = 0
	ProcessingTime Domain = 1
)

// Timers are timers of keys: identified by domain, time, key and tag, so that setting
// one twice is setting it once. They lie in a table of a backend, in each key group
// under the domain as key and (time, key, tag) as subkey, and are restored with it.
// What comes next in a group is kept here, to be found at once.
//
// The model is Flink's timer service. Timers belong to the goroutine of the task.
type Timers struct {
	backend    Backend
	table      int
	first, end int
	next       [2]earliest

	due     []dueTimer
	subkeys []byte              // of due
	seen    map[uint64]struct{} // hashes of the keys of due
	subkey  []byte
}

type dueTimer struct {
	ts       int64
	group    int
	from, to int // in Timers.subkeys
}

// noTimer is the time of the next timer where there is none.
const noTimer = math.MaxInt64

// timerHead is what comes before key and tag in a subkey: i64 time with its sign bit
// turned, big-endian, u16 length of the key, big-endian.
const timerHead = 10

// MaxTimerName is how many bytes the key and the tag of a timer may take together.
const MaxTimerName = MaxSubkey - timerHead

// NewTimers finds the timers of a backend, in its table of that index.
func NewTimers(backend Backend, table, first, end int) (*Timers, error) {
	t := &Timers{backend: backend, table: table, first: first, end: end, seen: map[uint64]struct{}{}}
	for d := range t.next {
		t.next[d].init(end - first)
		for group := first; group < end; group++ {
			if err := t.look(Domain(d), group); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// look finds the next timer of a group in its table.
func (t *Timers) look(d Domain, group int) error {
	next := int64(noTimer)
	err := t.backend.Scan(group, t.table, domainKey[d][:], nil, nil, func(subkey, _ []byte, _ uint32) bool {
		next = timerTime(subkey)
		return false
	})
	t.next[d].set(group-t.first, next)
	return err
}

var domainKey = [2][1]byte{{0}, {1}}

func timerTime(subkey []byte) int64 {
	return int64(binary.BigEndian.Uint64(subkey) ^ 1<<63)
}

func timerKey(subkey []byte) []byte {
	return subkey[timerHead:][:binary.BigEndian.Uint16(subkey[8:])]
}

func (t *Timers) name(d Domain, group int, ts int64, key, tag []byte) ([]byte, error) {
	switch {
	case d > ProcessingTime:
		return nil, fault.Guestf("timer domain %d: 0 is event time, 1 is processing time", d)
	case group < t.first || group >= t.end:
		return nil, errPlace(group, t.table)
	case len(key)+len(tag) > MaxTimerName:
		return nil, fault.Guestf("timer with key and tag of %d bytes, at most %d are possible", len(key)+len(tag), MaxTimerName)
	case ts == math.MaxInt64 || ts == math.MinInt64:
		return nil, fault.Guestf("timer at %d, which is no time", ts)
	}
	b := binary.BigEndian.AppendUint64(t.subkey[:0], uint64(ts)^1<<63)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	t.subkey = append(append(b, key...), tag...)
	return t.subkey, nil
}

// Set sets a timer of a key of a group; one that is set already stays.
func (t *Timers) Set(d Domain, group int, ts int64, key, tag []byte) error {
	subkey, err := t.name(d, group, ts, key, tag)
	if err != nil {
		return err
	}
	if err := t.backend.Put(group, t.table, domainKey[d][:], subkey, nil); err != nil {
		return err
	}
	if n := &t.next[d]; ts < n.get(group-t.first) {
		n.set(group-t.first, ts)
	}
	return nil
}

// Delete deletes a timer, if it is set.
func (t *Timers) Delete(d Domain, group int, ts int64, key, tag []byte) error {
	subkey, err := t.name(d, group, ts, key, tag)
	if err != nil {
		return err
	}
	if err := t.backend.Delete(group, t.table, domainKey[d][:], subkey); err != nil {
		return err
	}
	if ts == t.next[d].get(group-t.first) {
		return t.look(d, group)
	}
	return nil
}

// Next is the time of the earliest timer of a domain, if there is one.
func (t *Timers) Next(d Domain) (ts int64, ok bool) {
	ts = t.next[d].least()
	return ts, ts != noTimer
}

// Due takes the timers that are due at a time and writes them to a batch as records: key,
// value = tag, timestamp = due, kind = domain; earlier ones first. There is at most one
// of each key, its earliest, and at most max in all: call it again, after the guest has
// seen them, until it gives none.
func (t *Timers) Due(d Domain, upTo int64, max int, batch *record.Builder) (count int, err error) {
	n := &t.next[d]
	upTo = min(upTo, noTimer-1)
	if n.least() > upTo || max <= 0 {
		return 0, nil
	}
	t.due, t.subkeys = t.due[:0], t.subkeys[:0]
	clear(t.seen)
	for group := n.below(upTo, 0); group >= 0; group = n.below(upTo, group+1) {
		if err := t.collect(d, t.first+group, upTo, max); err != nil {
			return 0, err
		}
	}
	slices.SortFunc(t.due, func(a, b dueTimer) int {
		if a.ts != b.ts {
			if a.ts < b.ts {
				return -1
			}
			return 1
		}
		return bytes.Compare(t.subkeys[a.from:a.to], t.subkeys[b.from:b.to])
	})
	t.due = t.due[:min(max, len(t.due))]
	for _, due := range t.due {
		subkey := t.subkeys[due.from:due.to]
		key := timerKey(subkey)
		batch.Append(record.Kind(d), due.ts, key, subkey[timerHead+len(key):])
		if err := t.backend.Delete(due.group, t.table, domainKey[d][:], subkey); err != nil {
			return 0, err
		}
	}
	return len(t.due), t.lookAgain(d)
}

// collect lists the earliest timer of each key of a group. It does not look far behind
// many timers of few keys: the others come with the next call.
func (t *Timers) collect(d Domain, group int, upTo int64, max int) error {
	found, looked := 0, 0
	return t.backend.Scan(group, t.table, domainKey[d][:], nil, nil, func(subkey, _ []byte, _ uint32) bool {
		ts := timerTime(subkey)
		if ts > upTo {
			return false
		}
		looked++
		hash := hashOf(timerKey(subkey), nil)
		if _, again := t.seen[hash]; again {
			return looked < 8*found+64
		}
		t.seen[hash] = struct{}{}
		from := len(t.subkeys)
		t.subkeys = append(t.subkeys, subkey...)
		t.due = append(t.due, dueTimer{ts, group, from, len(t.subkeys)})
		found++
		return found < max
	})
}

// lookAgain finds what comes next in the groups that timers were taken from.
func (t *Timers) lookAgain(d Domain) error {
	slices.SortFunc(t.due, func(a, b dueTimer) int { return a.group - b.group })
	last := -1
	for _, due := range t.due {
		if due.group != last {
			if err := t.look(d, due.group); err != nil {
				return err
			}
			last = due.group
		}
	}
	return nil
}

// earliest is a tournament tree of the next time of each group.
type earliest struct {
	leaves int
	times  []int64 // 1 is the root, the leaves are behind
}

func (e *earliest) init(groups int) {
	for e.leaves = 1; e.leaves < groups; {
		e.leaves *= 2
	}
	e.times = slices.Repeat([]int64{noTimer}, 2*e.leaves)
}

func (e *earliest) get(group int) int64 { return e.times[e.leaves+group] }

func (e *earliest) least() int64 { return e.times[1] }

func (e *earliest) set(group int, ts int64) {
	i := e.leaves + group
	e.times[i] = ts
	for i /= 2; i >= 1; i /= 2 {
		e.times[i] = min(e.times[2*i], e.times[2*i+1])
	}
}

// below is the first group from the given one on whose next time is not above ts, or -1.
func (e *earliest) below(ts int64, from int) int {
	if from >= e.leaves {
		return -1
	}
	i := e.leaves + from
	for e.times[i] > ts {
		for i&1 == 1 { // up, while it is the last of its parent
			if i /= 2; i <= 1 {
				return -1
			}
		}
		i++
		// The subtree to the right: if it has none, on from there.
		if e.times[i] <= ts {
			break
		}
	}
	for i < e.leaves {
		if i *= 2; e.times[i] > ts {
			i++
		}
	}
	return i - e.leaves
}
