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
}

func openNexmarkGenerator(with nexmarkSettings, c Context) (operator.Source, error) {
	g := &nexmarkGenerator{with: with, c: c}
	var err error
	if g.splits, err = openNexmarkSplits(c); err != nil {
		return nil, err
	}
	g.clock = newSchedule(c.Started, with.Rate, with.Start)
	g.maker = newNexmarkMaker(with, &g.clock)
	g.out = make([]byte, 0, batchBytes+largestEvent)
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
	s := &g.splits
	g.out = g.out[:0]
	if len(s.own) == 0 {
		return 0, false
	}
	for count := 0; ; {
		r := s.own[s.at]
		n := s.round + r
		if n >= until || count == most || len(g.out) >= batchBytes {
			return n, true
		}
		if s.next[r] == n {
			g.out = g.maker.add(g.out, n)
			s.next[r] = n + nexmarkParts
			count++
		}
		if s.at++; s.at == len(s.own) {
			s.at = 0
			s.round += nexmarkParts
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
