package connector

import (
	"context"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// GeneratorBase is the timestamp of a generator's record 0: 2020-01-01, in ms since
// 1970. With a rate, a record's timestamp minus the base is when it was due, in ms
// after the job's start; the time since then is its latency.
const GeneratorBase int64 = 1_577_836_800_000

// maxRatePerMs is the pace of the timestamps of a generator without a rate.
const maxRatePerMs = 1000

const maxGeneratedValue = 64 << 20

// Schedule is what a source that keeps one gives its records out by: the timestamp of
// record n is the start, and n / rate seconds.
type Schedule struct {
	Start int64 // ms since 1970
	Rate  int64 // records per second, of all subtasks
}

// ScheduleOf finds the schedule that the timestamps of an operator's records are: those
// of a generator with a rate, and of Nexmark's events at that speed. It is false where
// timestamps say nothing of when a record is due.
func ScheduleOf(op *graph.Operator) (s Schedule, ok bool) {
	if op.Role != graph.RoleSource {
		return s, false
	}
	switch op.Connector {
	case "generator":
		with := generatorSettings{}
		ok = settings(op, &with) == nil && with.Rate > 0
		return Schedule{GeneratorBase, with.Rate}, ok
	case "nexmark":
		with := nexmarkSettings{}
		ok = settings(op, &with) == nil && with.scheduled()
		return Schedule{with.Start, with.Rate}, ok
	}
	return s, false
}

// Elapsed is how far a source has come by its schedule, from where its splits stand: a
// job that goes on goes on with its schedule. It is the highest duration there is when
// nothing is left.
func (s Schedule) Elapsed(splits []operator.Split) (time.Duration, error) {
	elapsed := time.Duration(math.MaxInt64)
	for _, split := range splits {
		if split.Done {
			continue
		}
		n, err := strconv.ParseInt(split.Position, 10, 64)
		if err != nil || n < 0 {
			return 0, fault.Corruptf("position %q of split %s is no number of a record", split.Position, split.ID)
		}
		elapsed = min(elapsed, time.Duration(float64(n)/float64(s.Rate)*1e3)*time.Millisecond)
	}
	return elapsed, nil
}

type generatorSettings struct {
	Records   int64 `json:"records"` // below 0: unlimited
	Rate      int64 `json:"rate"`    // per second, of all subtasks; 0: max
	Keys      int64 `json:"keys"`
	ValueSize int   `json:"valueSize"`
	Seed      int64 `json:"seed"`
}

// generator makes records. Record n is made from n and the settings alone: its key is
// one of so many decimal numbers, its value is n in hexadecimal, then letters.
type generator struct {
	with    generatorSettings
	c       Context
	stripes []stripe
	seed    uint64
	letters []byte   // random; a value is cut from a random place of it
	keys    [][]byte // all of them, if they are few
	keyText [20]byte
	clock   schedule
	out     []byte
}

const (
	lettersPlaces = 32 << 10 // a power of two: places in letters where a value begins
	keyTable      = 1 << 16
	numberDigits  = 16
)

func openGenerator(_ context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	g := &generator{c: c}
	if err := settings(op, &g.with); err != nil {
		return nil, err
	}
	var err error
	if g.stripes, err = openStripes(c); err != nil {
		return nil, err
	}
	g.seed = mix(uint64(g.with.Seed) + 1)
	g.letters = letters(g.seed, lettersPlaces+g.with.ValueSize)
	for k := range min(g.with.Keys, keyTable) {
		g.keys = append(g.keys, strconv.AppendInt(nil, k, 10))
	}
	if g.with.Records < 0 {
		g.with.Records = math.MaxInt64
	}
	g.clock = newSchedule(c.Started, g.with.Rate, GeneratorBase)
	g.out = make([]byte, 0, batchBytes+record.HeaderSize+len(g.keyText)+g.with.ValueSize)
	return g, nil
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const golden = 0x9e3779b97f4a7c15

func letters(seed uint64, n int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[mix(seed+uint64(i)*golden)>>58]
	}
	return text
}

// Poll never re-plans: what is late is given out at once, with its own timestamps.
func (g *generator) Poll(most int) (operator.Status, error) {
	g.out = g.out[:0]
	until := g.with.Records
	if g.with.Rate > 0 {
		until = min(until, g.clock.due())
	}
	var s *stripe
	for count := 0; ; count++ {
		if len(g.stripes) == 1 {
			s = &g.stripes[0]
		} else {
			s = earliest(g.stripes)
		}
		if s == nil || s.next >= until || count >= most || len(g.out) >= batchBytes {
			break
		}
		g.add(s.next)
		s.next += s.step
	}
	if len(g.out) > 0 {
		if err := g.c.Collector.Emit(0, g.out); err != nil {
			return operator.End, err
		}
	}
	switch {
	case s == nil || s.next >= g.with.Records:
		return operator.End, nil
	case s.next >= until:
		g.clock.wake(s.next)
		return operator.Idle, nil
	}
	return operator.More, nil
}

// add writes record n behind the others; out has the room.
func (g *generator) add(n int64) {
	random := mix(g.seed + uint64(n)*golden)
	key := g.key(random)
	size := g.with.ValueSize
	at := len(g.out)
	g.out = g.out[:at+record.HeaderSize+len(key)+size]
	head := g.out[at:]
	kind := record.Insert
	if key == nil {
		kind = record.KeyAbsent
	}
	binary.LittleEndian.PutUint64(head, uint64(len(key))|uint64(kind)<<24|uint64(size)<<32)
	binary.LittleEndian.PutUint64(head[8:], uint64(g.clock.timestamp(n)))
	copy(head[record.HeaderSize:], key)
	value := head[record.HeaderSize+len(key):]
	place := int(random & (lettersPlaces - 1))
	copy(value, g.letters[place:])
	if size >= numberDigits {
		binary.BigEndian.PutUint64(value, hexOf(uint32(n>>32)))
		binary.BigEndian.PutUint64(value[8:], hexOf(uint32(n)))
	}
}

func (g *generator) key(random uint64) []byte {
	if g.with.Keys == 0 {
		return nil
	}
	k, _ := bits.Mul64(random, uint64(g.with.Keys))
	if k < uint64(len(g.keys)) {
		return g.keys[k]
	}
	return strconv.AppendUint(g.keyText[:0], k, 10)
}

// hexOf is the eight hexadecimal digits of n, as the bytes of a big-endian number.
func hexOf(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	// A digit above 9 has a carry when 6 is added: it becomes a letter.
	above := (x + 0x0606060606060606) >> 4 & 0x0101010101010101
	return x + 0x3030303030303030 + above*('a'-'0'-10)
}

func (g *generator) Ready() <-chan struct{} { return g.clock.ready }

func (g *generator) Position() []operator.Split { return positions(g.stripes, g.with.Records) }

func (g *generator) Close() error {
	g.clock.stop()
	return nil
}
