package graph

import (
	"slices"
	"strings"
)

// connect makes edges of the inputs, between indexes of vertices, and reports what
// does not fit together.
func (b *builder) connect() []Edge {
	var edges []Edge
	index := map[*vertex]int{}
	for i, o := range b.job.vertices {
		index[o] = i
	}
	for i, o := range b.job.vertices {
		if !b.takesInput(o) {
			continue
		}
		seen := map[Edge]bool{}
		fed := map[int]bool{}
		whole := len(o.inputs) > 0
		for _, in := range o.inputs {
			input, okInput := b.receiving(o, in)
			from, output, okOutput := b.sending(o, in)
			fed[input] = true
			if !okInput || !okOutput {
				whole = whole && okInput
				continue
			}
			e := Edge{From: index[from], Output: output, To: i, Input: input}
			if seen[e] {
				b.add(in.v.at(), "remove one", "the input is there twice")
				continue
			}
			seen[e] = true
			b.checkPartition(from, o, output, in)
			o.feeds = append(o.feeds, feed{from, output, in})
			e.Partition, e.First = in.by, in.first
			edges = append(edges, e)
		}
		for input, name := range o.takes {
			if whole && !fed[input] {
				b.add(o.inputsV.named(), "write {from: OPERATOR, as: "+name+"}", "input %s of %s gets nothing", quote(name), b.relative(o.what))
			}
		}
	}
	b.checkUnread()
	return edges
}

// takesInput reports inputs where there can be none, and none where there must be.
func (b *builder) takesInput(o *vertex) bool {
	isSource := o.role == RoleSource || o.module != nil && len(o.takes) == 0
	switch {
	case o.role == "":
		return true // which names it uses can be checked all the same
	case isSource && o.inputsV != nil:
		b.add(o.inputsV.named(), "remove inputs", "a source takes no inputs")
		return false
	case isSource:
		return false
	case o.inputsV == nil && o.at.get("inputs") == nil && o.at.kind == mapping:
		b.add(o.at.named(), "write inputs: [OPERATOR]", "%s gets no input", o.role)
		return false
	case o.inputsV != nil && o.inputsV.kind == sequence && len(o.inputsV.items) == 0:
		b.add(o.inputsV.at(), "write inputs: [OPERATOR]", "the list is empty")
		return false
	}
	return true
}

// receiving is the index of the input that an entry means.
func (b *builder) receiving(o *vertex, in input) (int, bool) {
	switch {
	case !o.known:
		return 0, false
	case in.as == "" && in.asV != nil:
		return 0, false // reported
	case in.as == "" && len(o.takes) > 1:
		b.add(in.v.at(), "write as: one of "+strings.Join(o.takes, ", "), "%s has %d inputs and this does not say which", b.relative(o.what), len(o.takes))
		return 0, false
	case in.as == "":
		return 0, true
	}
	i := slices.Index(o.takes, in.as)
	if i < 0 {
		b.add(in.asV.at(), Suggest(in.as, o.takes), "no input %s", quote(in.as))
	}
	return i, i >= 0
}

// sending is the operator and the index of its output that an entry means.
func (b *builder) sending(to *vertex, in input) (*vertex, int, bool) {
	from, ok := b.byName[in.from]
	switch {
	case !ok:
		var names []string
		for _, o := range b.job.vertices {
			if o != to && o.role != RoleSink {
				names = append(names, o.name)
			}
		}
		b.add(in.fromV.at(), Suggest(in.from, names), "no operator %s", quote(in.from))
		return nil, 0, false
	case from.role == RoleSink:
		b.add(in.fromV.at(), "", "%s is a sink and has no outputs", quote(in.from))
		return nil, 0, false
	case !from.known:
		return nil, 0, false
	case in.output == "" && from.own == 0:
		b.add(in.fromV.at(), "", "%s has no outputs", quote(in.from))
		return nil, 0, false
	case in.output == "":
		return from, 0, true
	}
	i := slices.Index(from.gives, in.output)
	if i < 0 {
		b.add(in.fromV.at(), Suggest(in.output, from.gives), "operator %s has no output %s", in.from, quote(in.output))
	}
	return from, i, i >= 0
}

func (b *builder) checkPartition(from, to *vertex, output int, in input) {
	at := in.v.at()
	if in.byV != nil {
		at = in.byV.at()
	}
	switch in.by {
	case Forward:
		if p, q := b.parallelism(from), b.parallelism(to); p != q && p > 0 && q > 0 {
			b.add(at, "write by: rebalance or by: key, or set parallelism", "forward demands equal parallelism: %s has %d, %s has %d", from.name, p, to.name, q)
		}
	case Partitions:
		if from.role != RoleModule || output >= from.own {
			b.add(at, "write by: key, rebalance or broadcast", "only a module's own output says which subtask a record goes to")
		}
	}
}

// checkUnread warns of outputs that nobody reads, and refuses an output for rejected
// records that nobody reads: they would be lost without a word.
func (b *builder) checkUnread() {
	type output struct{ operator, name string }
	read := map[output]bool{}
	for _, o := range b.job.vertices {
		for _, in := range o.inputs {
			name := in.output
			if from, ok := b.byName[in.from]; ok && name == "" && len(from.gives) > 0 {
				name = from.gives[0]
			}
			read[output{in.from, name}] = true
		}
	}
	for _, o := range b.job.vertices {
		for i, name := range o.gives {
			switch {
			case read[output{o.name, name}]:
			case i >= o.own:
				b.add(o.rejectV.get("to").at(), "write inputs: ["+o.name+"."+name+"] at a sink, or onReject: skip", "nobody reads %s.%s", o.name, name)
			default:
				b.warn(o.at.named(), "", "nobody reads %s.%s: its records are dropped", o.name, name)
			}
		}
	}
}
