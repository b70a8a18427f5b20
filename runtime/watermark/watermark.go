// Package watermark makes watermarks: what the operators that assign them (sources, and
// modules in the middle of a graph) say of how far event time is. It is not for merging
// those that channels bring (runtime/task). Start with Generator.
package watermark

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/record"
)

// Watermarks at both ends. A watermark W says that no record with a timestamp at or
// below W comes any more.
const (
	Beginning int64 = math.MinInt64 // nothing is known yet
	Infinity  int64 = math.MaxInt64 // the input has ended
)

// Generator makes watermarks for records that are out of order by a bound at most, as
// Flink's BoundedOutOfOrderness does: per split the highest timestamp seen, less the
// bound and 1; of all splits the minimum. A split without records for a time is idle
// and holds nothing up. It is a step machine: records, time that passed and ends come
// in, Current answers.
type Generator struct {
	bound     int64 // ms
	idleAfter int64 // ms; 0: never idle
	splits    []*Split
	current   int64
}

// Split is the part of the input whose records come in an order of their own.
type Split struct {
	id    string
	max   int64 // the highest timestamp seen; Beginning: none
	quiet int64 // ms without a record, while there could have been one
	ended bool
}

// NewGenerator makes a machine without splits. Bound and idleAfter are in ms.
func NewGenerator(bound, idleAfter int64) *Generator {
	return &Generator{bound: max(bound, 0), idleAfter: max(idleAfter, 0), current: Beginning}
}

// Split finds a split by its name, or adds it. One without records holds the watermark
// up until it is idle. An operator in the middle of a graph has one split, "".
func (w *Generator) Split(id string) *Split {
	at, ok := slices.BinarySearchFunc(w.splits, id, func(s *Split, id string) int { return strings.Compare(s.id, id) })
	if !ok {
		w.splits = slices.Insert(w.splits, at, &Split{id: id, max: Beginning})
	}
	return w.splits[at]
}

// Observe takes the timestamp of a record. One that is none, and math.MaxInt64, which
// is no event time, tell nothing but that the split is alive.
func (s *Split) Observe(timestamp int64) {
	if timestamp > s.max && timestamp != Infinity {
		s.max = timestamp
	}
	s.quiet = 0
}

// ObserveBatch takes the timestamps of a valid batch.
func (s *Split) ObserveBatch(batch []byte) {
	for c := record.NewCursor(batch); c.Next(); {
		s.Observe(c.Timestamp)
	}
}

// End says that nothing comes from the split any more.
func (s *Split) End() { s.ended = true }

// Pass lets time pass, in ms: only such in which the splits were asked for records,
// not what was spent back-pressured, stopped or held up by an alignment.
func (w *Generator) Pass(elapsed int64) {
	for _, s := range w.splits {
		s.quiet = min(s.quiet, math.MaxInt64-max(elapsed, 0)) + max(elapsed, 0)
	}
}

// IdleIn is how many ms without a record are left until a split becomes idle;
// math.MaxInt64: none does.
func (w *Generator) IdleIn() int64 {
	least := int64(math.MaxInt64)
	if w.idleAfter == 0 {
		return least
	}
	for _, s := range w.splits {
		if left := w.idleAfter - s.quiet; !s.ended && left > 0 {
			least = min(least, left)
		}
	}
	return least
}

// Current is the watermark, which never falls, and whether all splits that have not
// ended are idle. When all have ended it is Infinity. An idle split that has records
// again holds the watermark where it is until it has caught up.
func (w *Generator) Current() (watermark int64, idle bool) {
	least, ended, active := Infinity, len(w.splits) > 0, false
	for _, s := range w.splits {
		if s.ended {
			continue
		}
		ended = false
		if w.idleAfter > 0 && s.quiet >= w.idleAfter {
			continue
		}
		active = true
		if s.max == Beginning {
			least = Beginning
			continue
		}
		least = min(least, lower(lower(s.max, w.bound), 1))
	}
	switch {
	case ended:
		w.current = Infinity
	case active:
		w.current = max(w.current, least)
	}
	return w.current, !active && !ended && len(w.splits) > 0
}

// lower takes a non-negative number off, and stops at Beginning.
func lower(t, by int64) int64 { return max(t, Beginning+by) - by }

// version is the first byte of the encoding:
//
//	u8 version   i64 current   (u16 idLen   id   i64 max   i64 quiet   u8 ended)*
const version = 1

// Encode appends the state to b, for a snapshot.
func (w *Generator) Encode(b []byte) []byte {
	b = append(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.current))
	for _, s := range w.splits {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s.id)))
		b = append(b, s.id...)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.max))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.quiet))
		b = append(b, 0)
		if s.ended {
			b[len(b)-1] = 1
		}
	}
	return b
}

// Restore takes over the splits that owns names from an encoded state; call it for the
// states of all subtasks that there were, before the first record. The watermark is
// the least of those states'. Malformed bytes are a corruption and change nothing.
func (w *Generator) Restore(state []byte, owns func(split string) bool) error {
	current, splits, err := decode(state)
	if err != nil {
		return err
	}
	if w.current == Beginning || current < w.current {
		w.current = current
	}
	for _, s := range splits {
		if owns(s.id) {
			*w.Split(s.id) = s
		}
	}
	return nil
}

func decode(b []byte) (current int64, splits []Split, err error) {
	if len(b) < 9 || b[0] != version {
		return 0, nil, fault.Corruptf("watermarks: %d bytes, not of version %d", len(b), version)
	}
	current = int64(binary.LittleEndian.Uint64(b[1:]))
	for b = b[9:]; len(b) > 0; {
		const fixed = 2 + 8 + 8 + 1
		if len(b) < fixed {
			return 0, nil, fault.Corruptf("watermarks: a split is cut off")
		}
		n := int(binary.LittleEndian.Uint16(b))
		if len(b) < fixed+n {
			return 0, nil, fault.Corruptf("watermarks: a split is cut off")
		}
		s := Split{id: string(b[2 : 2+n])}
		b = b[2+n:]
		s.max, s.quiet = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		if b[16] > 1 || s.quiet < 0 || s.max == Infinity || len(splits) > 0 && splits[len(splits)-1].id >= s.id {
			return 0, nil, fault.Corruptf("watermarks: split %q is not as written", s.id)
		}
		s.ended = b[16] == 1
		splits = append(splits, s)
		b = b[17:]
	}
	return current, splits, nil
}
