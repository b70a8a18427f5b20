package graph

import (
	"slices"
	"strings"
)

// order is a topological order of the vertices; among those that could come next, the
// first of the file does. A cycle is reported, and each only once.
func (b *builder) order(edges []Edge) []int {
	vertices := b.job.vertices
	in, out := make([]int, len(vertices)), make([][]int, len(vertices))
	for _, e := range edges {
		in[e.To]++
		out[e.From] = append(out[e.From], e.To)
	}
	var order, ready []int
	for i := range vertices {
		if in[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		v := ready[0]
		ready = ready[1:]
		order = append(order, v)
		for _, to := range out[v] {
			if in[to]--; in[to] == 0 {
				at, _ := slices.BinarySearch(ready, to)
				ready = slices.Insert(ready, at, to)
			}
		}
	}
	if len(order) < len(vertices) {
		b.reportCycles(edges, in)
	}
	return order
}

// reportCycles names a cycle for every vertex that is first in one. What is left of
// in are the vertices in cycles and behind them.
func (b *builder) reportCycles(edges []Edge, in []int) {
	back := make([][]int, len(in)) // where records of a stuck vertex come from, among the stuck
	for _, e := range edges {
		if in[e.From] > 0 && in[e.To] > 0 {
			back[e.To] = append(back[e.To], e.From)
		}
	}
	told := make([]bool, len(in))
	for start := range in {
		if in[start] == 0 || told[start] {
			continue
		}
		// Every stuck vertex has a stuck one before it: going back ends in a cycle.
		var walk []int
		step := map[int]int{}
		at := start
		for !told[at] {
			told[at] = true
			step[at] = len(walk)
			walk = append(walk, at)
			at = back[at][0]
		}
		from, here := step[at]
		if !here {
			continue // a cycle told before
		}
		cycle := slices.Clone(walk[from:])
		slices.Reverse(cycle)
		first := slices.Index(cycle, slices.Min(cycle))
		cycle = append(cycle[first:], cycle[:first]...)
		names := make([]string, 0, len(cycle)+1)
		for _, v := range append(cycle, cycle[0]) {
			names = append(names, b.job.vertices[v].name)
		}
		o := b.job.vertices[cycle[0]]
		b.add(o.inputsV.named(), "a job's records flow one way: remove an input", "is in a cycle: %s", strings.Join(names, " → "))
	}
}
