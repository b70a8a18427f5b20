package graph

import (
	"math/bits"
	"strings"
)

// waiting is an operator that reads some inputs to their end before the others. What
// feeds the others comes to its own end only after that, as its records are not taken.
type waiting struct {
	o             *vertex
	first, others set // the sources behind each
	open          bool
}

// checkFirst reports inputs that would wait for themselves: the sources behind them
// can't end before they have.
func (b *builder) checkFirst(edges []Edge, order []int) {
	var all []*waiting
	if anyFirst(edges) && len(order) == len(b.job.vertices) {
		all = b.waiting(edges, order)
	}
	told := false
	for _, w := range all {
		for _, f := range w.o.feeds {
			if !f.in.first {
				continue
			}
			if len(w.others) == 0 {
				b.add(f.in.firstV.at(), "remove it", "there is no other input to be read before")
			} else if shared := w.first.meets(w.others); shared >= 0 {
				b.add(f.in.firstV.at(), "give it a source of its own", "it would wait for itself: %s feeds this input and one that is read later", b.job.vertices[shared].name)
				told = true
			}
		}
	}
	if !told {
		b.checkCircle(all)
	}
}

// waiting finds the sources behind each operator, and those operators that wait.
func (b *builder) waiting(edges []Edge, order []int) (all []*waiting) {
	vertices := b.job.vertices
	incoming := make([][]Edge, len(vertices))
	for _, e := range edges {
		incoming[e.To] = append(incoming[e.To], e)
	}
	sources := make([]set, len(vertices)) // behind those that have inputs
	for _, v := range order {
		w := &waiting{o: vertices[v]}
		for _, e := range incoming[v] {
			into := &w.others
			if e.First {
				into = &w.first
			}
			if len(incoming[e.From]) == 0 {
				*into = into.with(e.From, len(vertices))
			} else {
				*into = into.union(sources[e.From])
			}
		}
		if w.first != nil {
			all = append(all, w)
		}
		sources[v] = append(set(nil), w.others...).union(w.first)
	}
	return all
}

// checkCircle lets sources end, one after another: each when all that read it have
// read their first inputs. Those that are left wait for each other.
func (b *builder) checkCircle(all []*waiting) {
	closed := make([]int, len(b.job.vertices)) // of a source: operators that don't take its records yet
	pending := make([]int, len(all))           // sources that its first inputs wait for
	for i, w := range all {
		pending[i] = w.first.size()
		w.others.each(func(source int) { closed[source]++ })
	}
	var ended []int
	for v, o := range b.job.vertices {
		if len(o.feeds) == 0 && closed[v] == 0 {
			ended = append(ended, v)
		}
	}
	for len(ended) > 0 {
		source := ended[0]
		ended = ended[1:]
		for i, w := range all {
			if !w.first.has(source) {
				continue
			}
			if pending[i]--; pending[i] > 0 {
				continue
			}
			w.open = true
			w.others.each(func(source int) {
				if closed[source]--; closed[source] == 0 {
					ended = append(ended, source)
				}
			})
		}
	}
	b.tellCircle(all)
}

// tellCircle names operators that wait for each other, once: going from one to the
// next ends in a circle.
func (b *builder) tellCircle(all []*waiting) {
	next := func(w *waiting) *waiting {
		for _, other := range all {
			if !other.open && w.first.meets(other.others) >= 0 {
				return other
			}
		}
		return nil
	}
	var at *waiting
	for _, w := range all {
		if !w.open && len(w.others) > 0 {
			at = w
			break
		}
	}
	step := map[*waiting]int{}
	var walk []*waiting
	for at != nil {
		if from, here := step[at]; here {
			walk = walk[from:]
			break
		}
		step[at] = len(walk)
		walk = append(walk, at)
		at = next(at)
	}
	if at == nil {
		return
	}
	var names []string
	for _, w := range append(walk, walk[0]) {
		names = append(names, w.o.name)
	}
	for _, f := range walk[0].o.feeds {
		if f.in.first {
			b.add(f.in.firstV.at(), "read something else first", "what is read first would never end: each waits for the next: %s", strings.Join(names, " → "))
			return
		}
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

// with changes s, unless it is empty; of is how many vertices there are.
func (s set) with(i, of int) set {
	if len(s) == 0 {
		s = make(set, (of+63)/64)
	}
	s[i/64] |= 1 << (i % 64)
	return s
}

func (s set) has(i int) bool { return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0 }

func (s set) size() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

func (s set) each(visit func(i int)) {
	for at, word := range s {
		for ; word != 0; word &= word - 1 {
			visit(at*64 + bits.TrailingZeros64(word))
		}
	}
}

// union changes s, unless it is empty.
func (s set) union(t set) set {
	if len(s) == 0 {
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
