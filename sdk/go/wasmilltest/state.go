package wasmilltest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// entryName is table, key and subkey.
type entryName struct {
	table    int
	key, sub string
}

type entry struct {
	value   []byte
	version uint32
}

// State does a request of many operations, as sdk/abi.md says.
func (e *engine) State(request, out []byte) int64 {
	done, used := int64(0), 0
	for len(request) > 0 {
		size := 16
		var parts [3][]byte
		for n := range parts {
			length := int(binary.LittleEndian.Uint32(request[4+4*n:]))
			parts[n] = request[size : size+length]
			size += length
		}
		name := entryName{int(binary.LittleEndian.Uint16(request[2:])), string(parts[0]), string(parts[1])}
		answer := e.do(request[0], name, parts[2], len(out)-used)
		if answer == nil || len(answer) > len(out)-used {
			break
		}
		used += copy(out[used:], answer)
		request = request[size:]
		done++
	}
	return done<<32 | int64(used)
}

// do does one operation; nil: there is no room for the answer.
func (e *engine) do(code byte, name entryName, value []byte, room int) []byte {
	answer := []byte{}
	switch code {
	case 0:
		found, ok := e.tables[name]
		answer = binary.LittleEndian.AppendUint32(answer, found.version)
		length := ^uint32(0)
		if ok {
			length = uint32(len(found.value))
		}
		return append(binary.LittleEndian.AppendUint32(answer, length), found.value...)
	case 1:
		e.tables[name] = entry{bytes.Clone(value), e.version}
	case 2:
		delete(e.tables, name)
	case 3:
		e.tables[name] = entry{append(bytes.Clone(e.tables[name].value), value...), e.version}
	case 4:
		return e.scan(name, room)
	case 6:
		for _, n := range e.names(name) {
			delete(e.tables, n)
		}
	default:
		e.err = errors.New("the test knows no such operation of the state import")
	}
	return answer
}

// names are the entries of a key from a subkey on, in order.
func (e *engine) names(from entryName) []entryName {
	var names []entryName
	for n := range e.tables {
		if n.table == from.table && n.key == from.key && n.sub >= from.sub {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b entryName) int { return cmp.Compare(a.sub, b.sub) })
	return names
}

func (e *engine) scan(from entryName, room int) []byte {
	answer := make([]byte, 8)
	for _, n := range e.names(from) {
		found := e.tables[n]
		if len(answer)+12+len(n.sub)+len(found.value) > room {
			if len(answer) == 8 {
				return nil
			}
			answer[0] = 1
			break
		}
		answer = binary.LittleEndian.AppendUint32(answer, uint32(len(n.sub)))
		answer = binary.LittleEndian.AppendUint32(answer, uint32(len(found.value)))
		answer = binary.LittleEndian.AppendUint32(answer, found.version)
		answer = append(append(answer, n.sub...), found.value...)
	}
	binary.LittleEndian.PutUint32(answer[4:], uint32(len(answer)-8))
	return answer
}

func (e *engine) find(domain int32, at int64, key, tag []byte) int {
	return slices.IndexFunc(e.timers, func(t wasmill.Timer) bool {
		return int32(t.Domain) == domain && t.At == at && bytes.Equal(t.Key, key) && bytes.Equal(t.Tag, tag)
	})
}

func (e *engine) TimerSet(domain int32, at int64, key, tag []byte) {
	if e.find(domain, at, key, tag) < 0 {
		e.timers = append(e.timers, wasmill.Timer{Domain: wasmill.Domain(domain), At: at, Key: bytes.Clone(key), Tag: bytes.Clone(tag)})
	}
}

func (e *engine) TimerDelete(domain int32, at int64, key, tag []byte) {
	if n := e.find(domain, at, key, tag); n >= 0 {
		e.timers = slices.Delete(e.timers, n, n+1)
	}
}

func (e *engine) Watermark() int64 { return e.watermark }

func (e *engine) Reply(b []byte) { e.replies = bytes.Clone(b) }

// AdvanceWatermark moves event time on: timers that are due fire, the earliest first.
func (h *Harness) AdvanceWatermark(ts int64) {
	h.t.Helper()
	h.engine.watermark = ts
	h.fire(wasmill.EventTime, ts)
	if err := h.engine.end(h.instance.Watermark(ts)); err != nil {
		h.t.Fatalf("watermark: %v", err)
	}
	h.Flush()
}

// Barrier is what comes before a snapshot.
func (h *Harness) Barrier(checkpoint int64) {
	h.t.Helper()
	h.Flush()
	if err := h.engine.end(h.instance.Barrier(checkpoint)); err != nil {
		h.t.Fatalf("barrier: %v", err)
	}
}

// AdvanceClock moves the operator's clock on: timers that are due fire.
func (h *Harness) AdvanceClock(ms int64) {
	h.t.Helper()
	h.engine.now = ms
	h.fire(wasmill.ProcessingTime, ms)
}

func (h *Harness) fire(domain wasmill.Domain, upTo int64) {
	h.t.Helper()
	for {
		first := -1
		for n, t := range h.engine.timers {
			if t.Domain == domain && t.At <= upTo && (first < 0 || t.At < h.engine.timers[first].At) {
				first = n
			}
		}
		if first < 0 {
			return
		}
		t := h.engine.timers[first]
		h.engine.timers = slices.Delete(h.engine.timers, first, first+1)
		batch, err := wasmill.AppendRecord(nil, &wasmill.Record{Timestamp: t.At, Key: t.Key, Value: t.Tag, Change: wasmill.Change(domain)})
		if err == nil {
			err = h.engine.end(h.instance.Timers(batch))
		}
		if err != nil {
			h.t.Fatalf("timer: %v", err)
		}
	}
}

// Timers is how many timers are set.
func (h *Harness) Timers() int { return len(h.engine.timers) }

// Restart is a checkpoint and what comes after it: the operator is made anew, by another
// version of its code maybe, and finds its tables, by their names, and timers.
func (h *Harness) Restart(op wasmill.Operator) {
	h.t.Helper()
	next, err := Open(h.t, op, Options{Restored: true, Now: h.engine.now})
	if err != nil {
		h.t.Fatalf("restart: %v", err)
	}
	next.engine.timers, next.engine.watermark = h.engine.timers, h.engine.watermark
	for name, e := range h.engine.tables {
		if at := slices.Index(next.tables(), h.tables()[name.table]); at >= 0 {
			name.table = at
			next.engine.tables[name] = e
		}
	}
	*h = *next
	h.instance.SetHost(&h.engine)
}

func (h *Harness) tables() []string {
	var names []string
	for _, t := range h.names.Tables {
		names = append(names, t.Name)
	}
	return names
}
