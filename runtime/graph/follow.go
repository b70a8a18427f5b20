package graph

import "math/bits"

// checkFirst reports inputs that are read before others and can't be: whatever feeds
// both would wait for the second to be read, and so the first would never end.
func (b *builder) checkFirst(edges []Edge, order []int) {
	vertices := b.job.vertices
	if !anyFirst(edges) || len(order) < len(vertices) {
		return
	}
	incoming := make([][]Edge, len(vertices))
	for _, e := range edges {
		incoming[e.To] = append(incoming[e.To], e)
	}
	above := make([]set, len(vertices)) // what each gets its records from, nearly or far
	for _, v := range order {
		first, others := set(nil), set(nil)
		for _, e := range incoming[v] {
			into := &others
			if e.First {
				into = &first
			}
			*into = into.with(e.From, len(vertices)).union(above[e.From])
		}
		o := b.job.vertices[v]
		for _, f := range o.feeds {
			if !f.in.first {
				continue
			}
			if len(others) == 0 {
				b.add(f.in.firstV.at(), "remove it", "there is no other input to be read before")
			} else if shared := first.meets(others); shared >= 0 {
				b.add(f.in.firstV.at(), "give it a source of its own", "it would wait for itself: %s feeds this input and one that is read later", vertices[shared].name)
			}
		}
		above[v] = first.union(others)
	}
}

func anyFirst(edges []Edge) bool {
	for _, e := range edges {
		if e.First {
			return true
		}
	}
	return false
}

// set is a set of vertices, by their indexes.
type set []uint64

func (s set) with(i, of int) set {
	if s == nil {
		s = make(set, (of+63)/64)
	}
	s[i/64] |= 1 << (i % 64)
	return s
}

// union may change s.
func (s set) union(t set) set {
	if s == nil {
		return append(set(nil), t...)
	}
	for i := range t {
		s[i] |= t[i]
	}
	return s
}

// meets is the first member of both, -1 if there is none.
func (s set) meets(t set) int {
	for i := range min(len(s), len(t)) {
		if both := s[i] & t[i]; both != 0 {
			return i*64 + bits.TrailingZeros64(both)
		}
	}
	return -1
}

// adviseEndless warns of jobs whose input does not end by itself and that would show,
// or keep, nothing of it until it does.
func (b *builder) adviseEndless(edges []Edge, order []int) {
	incoming := make([][]Edge, len(b.job.vertices))
	for _, e := range edges {
		incoming[e.To] = append(incoming[e.To], e)
	}
	endless := make([]bool, len(b.job.vertices))
	timeless := make([]bool, len(b.job.vertices)) // no watermark ever comes from it
	for _, v := range order {
		o := b.job.vertices[v]
		endless[v], timeless[v] = o.endless, o.endless
		for _, e := range incoming[v] {
			endless[v] = endless[v] || endless[e.From]
			timeless[v] = timeless[v] || timeless[e.From]
		}
		if o.window != nil && o.window.Kind != Global && timeless[v] {
			b.warn(o.windowV.named(), "write watermark: {outOfOrder: 1m} at its sources", "no watermarks reach it: its windows never close")
		}
		timeless[v] = timeless[v] && o.watermark == nil
		if !endless[v] || b.job.Checkpoint.Interval > 0 {
			continue
		}
		const hint = "write checkpoint: {interval: 10s}"
		switch {
		case o.twoPhase:
			b.warn(o.at.named(), hint, "without checkpoints nothing of %s %s appears until the job ends", o.role, o.what)
		case o.window != nil || len(o.state.Tables) > 0:
			b.warn(o.at.named(), hint, "without checkpoints its state is lost when the job fails")
		}
	}
}
