package rewrite

import (
	"bytes"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// Go's compiler makes a function one loop around nested blocks. A table at the head of
// the loop branches to the end of one of them, by a number in a local, and every jump
// sets the number and goes back to the head:
//
//	loop  block … block  local.get n  br_table …  end
//	    i32.const 2  local.set n  br $loop
//	end …
//
// A jump forward is to the end of a block that is still open, and can as well branch
// there: without the table, the safepoint at the head, and the values of all jumps
// meeting at one place.

// void is the type of a block without parameters and results, as Body reads it.
const void = -64

// label is an open block, loop or if.
type label struct {
	op   binary.Op
	id   int // of all labels of the function
	void bool
	// of a loop with a table at its head
	local   uint32
	targets []int // ids of labels; 0 is none that a jump can take
}

// jumper changes the jumps of one function.
type jumper struct {
	body   []byte
	cloned bool
	labels []label
	ids    int
	heads  bool // only blocks since the last loop began
	before [2]binary.Instr
}

// shorten makes jumps forward direct. The body stays as long as it was.
func (r *rewriter) shorten(c *binary.Code) error {
	j := &r.jumper
	*j = jumper{body: c.Body, labels: append(j.labels[:0], label{op: binary.Block})}
	b := &r.body
	for b.Walk(c); b.Next(); {
		switch b.Op {
		case binary.Block, binary.Loop, binary.If:
			j.heads = b.Op == binary.Loop || b.Op == binary.Block && j.heads
			j.ids++
			j.labels = append(j.labels, label{op: b.Op, id: j.ids, void: int32(b.Index) == void})
		case binary.LocalGet:
		case binary.End:
			j.labels, j.heads = j.labels[:len(j.labels)-1], false
		case binary.BrTable:
			if j.heads && j.before[1].Op == binary.LocalGet && j.before[0].Op != binary.LocalGet {
				j.table(b.Targets, j.before[1].Index)
			}
			j.heads = false
		case binary.Br:
			if j.before[0].Op == binary.I32Const && j.before[1].Op == binary.LocalSet {
				j.jump(b)
			}
			j.heads = false
		default:
			j.heads = false
		}
		j.before[0], j.before[1] = j.before[1], b.Instr
	}
	c.Body = j.body
	return b.Err()
}

// table remembers where the table at the head of a loop leads.
func (j *jumper) table(targets []uint32, local uint32) {
	top := len(j.labels) - 1
	loop := top
	for j.labels[loop].op != binary.Loop {
		loop--
	}
	l := &j.labels[loop]
	l.local, l.targets = local, make([]int, len(targets))
	for n, t := range targets {
		if int(t) < top-loop && j.labels[top-int(t)].void {
			l.targets[n] = j.labels[top-int(t)].id
		}
	}
}

// jump makes a branch direct that goes to a loop for its table, with a constant.
func (j *jumper) jump(b *binary.Body) {
	top := len(j.labels) - 1
	if int(b.Index) >= top {
		return
	}
	l := &j.labels[top-int(b.Index)]
	if l.targets == nil || l.local != j.before[1].Index {
		return
	}
	n := min(uint32(j.before[0].Const), uint32(len(l.targets)-1)) // the last is for all others
	for at := top; j.labels[at].id > l.id; at-- {
		if j.labels[at].id != l.targets[n] {
			continue
		}
		if !j.cloned {
			j.body, j.cloned = bytes.Clone(j.body), true
		}
		start, end := b.Span()
		instr := j.body[start:end]
		direct := binary.AppendU32(binary.AppendOp(instr[:0], binary.Br), uint32(top-at))
		for n := len(direct); n < len(instr); n++ {
			instr[n] = byte(binary.Nop)
		}
		return
	}
}
