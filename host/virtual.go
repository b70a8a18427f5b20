package host

import (
	"encoding/binary"
	"math"
)

// clockStep is how far a read moves the virtual clock, in ns.
const clockStep = 1000

// readClock is the virtual clock in ns since 1970; it moves with each read, so that
// guests that wait for time to pass go on.
func (i *Instance) readClock() int64 {
	if i.clock < math.MaxInt64-clockStep {
		i.clock += clockStep
	}
	return i.clock
}

// ifClock guards against clocks WASI does not know. All clocks show the same time.
func (i *Instance) ifClock(id uint64, then func() uint64) uint64 {
	if id > 3 {
		return errnoInval
	}
	return then()
}

// randomWord is SplitMix64 (Steele, Lea, Flood 2014): its whole state is one word.
func (i *Instance) randomWord() uint64 {
	i.random += 0x9e3779b97f4a7c15
	z := i.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func randomGet(i *Instance, s []uint64) {
	b, ok := i.memory.view(uint32(s[0]), uint32(s[1]))
	if !ok {
		s[0] = errnoFault
		return
	}
	i.charge(int64(len(b)))
	var word [8]byte
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(word[:], i.randomWord())
		b = b[copy(b, word[:]):]
	}
	s[0] = errnoSuccess
}

// Sizes in poll_oneoff's arrays.
const (
	subscriptionSize = 48
	eventSize        = 32
)

// pollOneoff never waits: the virtual clock moves to the earliest deadline asked for,
// and the subscriptions that are due then are answered. Descriptors are always ready.
func pollOneoff(i *Instance, s []uint64) {
	count := uint32(s[2])
	if count == 0 || count > 4096 {
		s[0] = errnoInval
		return
	}
	in, ok := i.memory.view(uint32(s[0]), count*subscriptionSize)
	out, ok2 := i.memory.view(uint32(s[1]), count*eventSize)
	if !ok || !ok2 {
		s[0] = errnoFault
		return
	}
	i.charge(int64(count) * subscriptionSize)
	due := int64(math.MaxInt64)
	for at := 0; at < len(in); at += subscriptionSize {
		due = min(due, i.deadline(in[at:]))
	}
	i.clock = max(i.clock, due)
	var answers []byte // in and out may overlap
	for at := 0; at < len(in); at += subscriptionSize {
		subscription := in[at : at+subscriptionSize]
		if i.deadline(subscription) > i.clock {
			continue
		}
		var event [eventSize]byte
		copy(event[:8], subscription[:8]) // user data
		event[10] = subscription[8]       // clock, read or write
		answers = append(answers, event[:]...)
	}
	copy(out, answers)
	s[0] = i.put32(s[3], uint32(len(answers)/eventSize))
}

// deadline is when a subscription is due on the virtual clock.
func (i *Instance) deadline(subscription []byte) int64 {
	if subscription[8] != 0 {
		return math.MinInt64
	}
	timeout := binary.LittleEndian.Uint64(subscription[24:])
	absolute := binary.LittleEndian.Uint16(subscription[40:])&1 != 0
	if timeout > math.MaxInt64 {
		timeout = math.MaxInt64
	}
	if absolute {
		return int64(timeout)
	}
	if int64(timeout) > math.MaxInt64-i.clock {
		return math.MaxInt64
	}
	return i.clock + int64(timeout)
}
