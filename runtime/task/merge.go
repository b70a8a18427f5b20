package task

import (
	"math"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
)

// NoWatermark is a channel's watermark before the first; MaxWatermark is that of one
// which has ended.
const (
	NoWatermark  int64 = math.MinInt64
	MaxWatermark int64 = math.MaxInt64
)

// Input says which input of the head operator a channel feeds.
type Input struct {
	Input, Edge, From int
	First             bool // it is read to its end, or until it is idle, before the others
}

// merge makes one stream of a task's channels: it merges their watermarks by minimum,
// aligns their barriers and notices their end. It is a step machine: control elements
// go in, what is to be done comes out, in order.
type merge struct {
	inputs    []Input // by channel
	channels  []channelState
	open      int
	first     int // channels that come first and have not ended or been idle yet
	watermark int64
	idle      bool
	aligned   bool // barriers hold channels back (exactly once)

	aligning uint64 // the checkpoint whose barriers arrive, 0 if none
	arrived  int    // of the open channels
	done     uint64 // the last checkpoint that was taken or given up
}

type channelState struct {
	watermark int64
	idle      bool
	ended     bool
	passed    bool // it has ended, or been idle once
	arrived   bool // barrier of the checkpoint that is aligning
}

// step is one thing to do.
type step struct {
	kind  stepKind
	value int64 // a watermark, checkpoint or channel
}

type stepKind int

const (
	advance stepKind = iota // the merged watermark is value
	becomeIdle
	becomeActive
	pause      // channel value
	resume     // channel value
	beginAlign // of checkpoint value
	snapshot   // checkpoint value: every channel has come to its barrier
	overtake   // checkpoint value: take it ahead of barriers that have not come
	catch      // channel value: what it has in front of its barrier is in flight
	notYet     // checkpoint value: channels are held back until others have been read
	giveUp     // checkpoint value
	finish     // every channel has ended
)

func newMerge(inputs []Input, aligned bool) merge {
	m := merge{inputs: inputs, channels: make([]channelState, len(inputs)), open: len(inputs), watermark: NoWatermark, aligned: aligned}
	for i := range m.channels {
		m.channels[i].watermark = NoWatermark
	}
	return m
}

// begin holds channels back that have to wait for others.
func (m *merge) begin() (steps []step) {
	for _, in := range m.inputs {
		if in.First {
			m.first++
		}
	}
	if m.first > 0 {
		return m.others(nil, pause)
	}
	return nil
}

// others pauses or resumes the channels that do not come first.
func (m *merge) others(steps []step, kind stepKind) []step {
	for i, in := range m.inputs {
		if !in.First {
			steps = append(steps, step{kind, int64(i)})
		}
	}
	return steps
}

// control takes an element that is not data.
func (m *merge) control(channel int, e exchange.Element) ([]step, error) {
	waiting := m.first
	steps, err := m.take(channel, e)
	if err == nil && waiting > 0 && m.first == 0 && m.open > 0 {
		// A channel that was held back has not come to a barrier yet.
		steps = m.others(steps, resume)
	}
	return steps, err
}

// quiet notes that nothing comes from a channel at the moment, or ever.
func (m *merge) quiet(channel int) {
	if c := &m.channels[channel]; !c.passed {
		c.passed = true
		if m.inputs[channel].First {
			m.first--
		}
	}
}

func (m *merge) take(channel int, e exchange.Element) ([]step, error) {
	c := &m.channels[channel]
	if c.ended {
		return nil, fault.Corruptf("channel %d: %s behind the end of input", channel, e.Kind)
	}
	switch e.Kind {
	case exchange.Watermark:
		c.watermark, c.idle = max(c.watermark, e.Value), false
		return m.settle(nil), nil
	case exchange.Idle:
		c.idle = true
		m.quiet(channel)
		return m.settle(nil), nil
	case exchange.Active:
		c.idle = false
		return m.settle(nil), nil
	case exchange.Barrier:
		return m.barrier(channel, uint64(e.Value)), nil
	case exchange.Abort:
		return m.abort(uint64(e.Value)), nil
	case exchange.End:
		c.ended, c.idle = true, false
		m.quiet(channel)
		m.open--
		if c.arrived {
			m.arrived--
			c.arrived = false
		}
		steps := m.complete(nil)
		return m.settle(steps), nil
	}
	return nil, fault.Corruptf("channel %d: unexpected control element %s", channel, e.Kind)
}

// settle says how the merged watermark and idleness change.
func (m *merge) settle(steps []step) []step {
	if m.open == 0 {
		if m.watermark < MaxWatermark {
			m.watermark = MaxWatermark
			steps = append(steps, step{advance, MaxWatermark})
		}
		return append(steps, step{kind: finish})
	}
	low, active := MaxWatermark, false
	for i := range m.channels {
		if c := &m.channels[i]; !c.ended && !c.idle {
			low, active = min(low, c.watermark), true
		}
	}
	if active == m.idle {
		m.idle = !active
		if m.idle {
			// What the idle channels said together still holds.
			return append(m.raise(steps, m.highest()), step{kind: becomeIdle})
		}
		steps = append(steps, step{kind: becomeActive})
	}
	if active {
		steps = m.raise(steps, low)
	}
	return steps
}

func (m *merge) raise(steps []step, to int64) []step {
	if to <= m.watermark {
		return steps
	}
	m.watermark = to
	return append(steps, step{advance, to})
}

// highest is the highest watermark of the open channels; when all are idle, none holds
// the others back any more.
func (m *merge) highest() int64 {
	high := NoWatermark
	for i := range m.channels {
		if c := &m.channels[i]; !c.ended {
			high = max(high, c.watermark)
		}
	}
	return high
}

func (m *merge) barrier(channel int, checkpoint uint64) (steps []step) {
	if checkpoint <= m.done || checkpoint < m.aligning {
		return nil
	}
	if m.first > 0 {
		return m.decline(checkpoint)
	}
	if checkpoint > m.aligning && m.aligning != 0 {
		steps = m.abort(m.aligning) // a later one overtakes it
	}
	if m.aligning == 0 {
		m.aligning = checkpoint
		steps = append(steps, step{beginAlign, int64(checkpoint)})
	}
	c := &m.channels[channel]
	if c.arrived {
		return steps
	}
	c.arrived = true
	m.arrived++
	if m.aligned && m.arrived < m.open {
		steps = append(steps, step{pause, int64(channel)})
	}
	return m.complete(steps)
}

// decline gives a checkpoint up that can't be taken: the barriers of channels that are
// held back would not come before what is in front of them is read.
func (m *merge) decline(checkpoint uint64) []step {
	m.done = checkpoint
	return []step{{notYet, int64(checkpoint)}, {giveUp, int64(checkpoint)}}
}

// complete takes the snapshot when every open channel has come to its barrier (D2).
func (m *merge) complete(steps []step) []step {
	if m.aligning == 0 || m.open == 0 || m.arrived < m.open {
		return steps
	}
	checkpoint := m.aligning
	return append(append(steps, step{snapshot, int64(checkpoint)}), m.release(checkpoint)...)
}

// overtake takes a checkpoint, whose barrier has come to the task, before every channel
// has come to it: what they have in front of it belongs to the checkpoint, too (D2).
func (m *merge) overtake(checkpoint uint64) (steps []step) {
	if !m.aligned || m.open == 0 || checkpoint <= m.done || checkpoint < m.aligning {
		return nil
	}
	if m.first > 0 {
		return m.decline(checkpoint)
	}
	if checkpoint > m.aligning && m.aligning != 0 {
		steps = m.abort(m.aligning)
	}
	steps = append(steps, step{overtake, int64(checkpoint)})
	for i := range m.channels {
		if c := &m.channels[i]; !c.ended && !c.arrived {
			steps = append(steps, step{catch, int64(i)})
		}
	}
	return append(steps, m.release(checkpoint)...)
}

func (m *merge) abort(checkpoint uint64) []step {
	if checkpoint <= m.done {
		return nil
	}
	steps := []step{{giveUp, int64(checkpoint)}}
	switch {
	case m.aligning == checkpoint:
		return append(steps, m.release(checkpoint)...)
	case m.aligning != 0 && m.aligning < checkpoint:
		// The channel has passed the one that is aligning without its barrier.
		steps = append(m.abort(m.aligning), steps...)
	}
	m.done = checkpoint
	return steps
}

// release forgets an alignment and lets its channels go on.
func (m *merge) release(checkpoint uint64) (steps []step) {
	for i := range m.channels {
		if m.channels[i].arrived {
			m.channels[i].arrived = false
			if m.aligned {
				steps = append(steps, step{resume, int64(i)})
			}
		}
	}
	m.aligning, m.arrived, m.done = 0, 0, max(m.done, checkpoint)
	return steps
}
