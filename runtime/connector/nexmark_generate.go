package connector

import (
	"github.com/wasmill/wasmill/runtime/operator"
)

// nexmarkGenerator gives out events that it makes.
type nexmarkGenerator struct {
	with   nexmarkSettings
	c      Context
	splits nexmarkSplits
	maker  *nexmarkMaker
	clock  schedule
	out    []byte

	numbers [eventsAtOnce]int64 // of the events that are made next
}

// eventsAtOnce are made one behind the other once what they need is near.
const eventsAtOnce = 16

func openNexmarkGenerator(with nexmarkSettings, c Context) (operator.Source, error) {
	g := &nexmarkGenerator{with: with, c: c}
	var err error
	if g.splits, err = openNexmarkSplits(c); err != nil {
		return nil, err
	}
	g.clock = newSchedule(c.Started, with.Rate, with.Start)
	g.maker = newNexmarkMaker(with, &g.clock)
	g.out = make([]byte, 0, batchBytes+eventsAtOnce*largestEvent)
	return g, nil
}

// Poll never re-plans: what is late is given out at once, with its own timestamps.
func (g *nexmarkGenerator) Poll(most int) (operator.Status, error) {
	until := g.with.Events
	if g.with.scheduled() {
		until = min(until, g.clock.due())
	}
	next, any := g.fill(until, most)
	if len(g.out) > 0 {
		if err := g.c.Collector.Emit(0, g.out); err != nil {
			return operator.End, err
		}
	}
	switch {
	case !any || next >= g.with.Events:
		return operator.End, nil
	case next >= until:
		g.clock.wake(next)
		return operator.Idle, nil
	}
	return operator.More, nil
}

// fill makes a batch of events below until. Next is a number below which none is left.
func (g *nexmarkGenerator) fill(until int64, most int) (next int64, any bool) {
	g.out = g.out[:0]
	if len(g.splits.own) == 0 {
		return 0, false
	}
	for {
		var numbers []int64
		numbers, next = g.splits.take(g.numbers[:0:min(most, eventsAtOnce)], until)
		g.maker.approach(numbers)
		for _, n := range numbers {
			g.out = g.maker.add(g.out, n)
		}
		if most -= len(numbers); most == 0 || len(numbers) < eventsAtOnce || len(g.out) >= batchBytes {
			return next, true
		}
	}
}

func (g *nexmarkGenerator) Ready() <-chan struct{} {
	if !g.with.scheduled() {
		return nil
	}
	return g.clock.ready
}

func (g *nexmarkGenerator) Position() []operator.Split { return g.splits.positions(g.with.Events) }

func (g *nexmarkGenerator) Close() error {
	g.clock.stop()
	return nil
}
