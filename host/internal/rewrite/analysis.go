package rewrite

import (
	"math"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// Weights in fuel. A unit is about the time of a simple instruction.
const (
	callWeight   = 4
	importWeight = 60
	growWeight   = 1000
	bulkWeight   = 16
	// uncounted is how much a function without loops may weigh and still be charged
	// to its callers instead of counting for itself.
	uncounted = 1000
	maxWeight = 1 << 24
)

// maxNesting bounds the locals of a function times the depth of its loops: the time to
// compile grows with the square of that, to seconds at ten thousand. Programs reach
// some hundred.
const maxNesting = 10_000

// locals counts the locals of an own function, parameters included.
func (r *rewriter) locals(n int) int {
	count := len(r.m.Types[r.m.Functions[n]].Params)
	for _, l := range r.m.Code[n].Locals {
		count += int(l.Count)
	}
	return count
}

// function is what is known of a function of the module's own.
type function struct {
	loops []loop // in the order of their heads
	// weight of what lies outside loops; after resolve with that of the uncounted
	// functions called there.
	weight   uint32
	calls    []call
	cut      bool     // a call cycle may pass through here: counts depth and fuel
	counted  bool     // charges fuel when entered
	touches  bool     // reads or writes the meter, itself or in what it calls
	inLocal  bool     // keeps the meter in a local
	needsMem bool     // has bulk operations of unknown length
	grows    []uint32 // tables
	mark     byte     // of the walk in resolveAll
}

type loop struct {
	weight  uint32
	parent  int32 // the loop around it, −1 if none
	touches bool  // what it calls reads or writes the meter
}

type call struct {
	callee int32 // own function, from 0; −1 is an import or an indirect call
	loop   int32 // innermost loop around it, −1 if none
}

// graph is what indirect calls can reach.
type graph struct {
	taken    []bool          // own functions whose reference is taken
	indirect map[uint32]bool // canonical types that call_indirect uses
}

// analyse decides which functions count, and where.
func (r *rewriter) analyse() error {
	r.functions = make([]function, len(r.m.Code))
	r.callers = graph{taken: make([]bool, len(r.m.Code)), indirect: map[uint32]bool{}}
	for n := range r.m.Elems {
		for _, f := range r.m.Elems[n].Funcs {
			r.take(f)
		}
		for _, c := range r.m.Elems[n].Exprs {
			if c.Code == nil {
				r.take(c.Func)
			}
		}
	}
	for n := range r.m.Globals {
		if r.m.Globals[n].Init.Code == nil {
			r.take(r.m.Globals[n].Init.Func)
		}
	}
	for n := range r.m.Code {
		if err := r.scan(n); err != nil {
			return err
		}
	}
	if r.NoSafepoints {
		return nil
	}
	for n := range r.functions {
		t := r.canonical[r.funcTypes[r.imported+n]]
		r.functions[n].cut = r.callers.taken[n] && r.callers.indirect[t]
	}
	r.resolveAll()
	return nil
}

func (r *rewriter) take(f uint32) {
	if int(f) >= r.imported {
		r.callers.taken[int(f)-r.imported] = true
	}
}

// scan reads a body: its loops, what they weigh by themselves, and its calls.
func (r *rewriter) scan(n int) error {
	f := &r.functions[n]
	var open []int32 // innermost loop of each open block
	inner, nested := int32(-1), 0
	b := &r.body
	constant := int32(math.MaxInt32) // pushed by the instruction before
	for b.Walk(&r.m.Code[n]); b.Next(); {
		switch b.Op {
		case binary.Block, binary.If:
			open = append(open, inner)
		case binary.Loop:
			open = append(open, inner)
			f.loops = append(f.loops, loop{weight: 1, parent: inner})
			inner = int32(len(f.loops) - 1)
			if nested++; nested*r.locals(n) > maxNesting {
				return bodyError(b, "function %d has too many locals (%d) for loops nested %d deep", r.imported+n, r.locals(n), nested)
			}
		case binary.End:
			if len(open) > 0 {
				if inner != open[len(open)-1] {
					nested--
				}
				inner, open = open[len(open)-1], open[:len(open)-1]
			}
		case binary.Call:
			if err := r.checkCall(b); err != nil {
				return err
			}
			callee := int32(int(b.Index) - r.imported)
			f.calls = append(f.calls, call{max(callee, -1), inner})
		case binary.CallIndirect:
			if int(b.Index) >= len(r.canonical) {
				return bodyError(b, "no type %d", b.Index)
			}
			r.callers.indirect[r.canonical[b.Index]] = true
			f.calls = append(f.calls, call{-1, inner})
		case binary.RefFunc:
			if err := r.checkCall(b); err != nil {
				return err
			}
			r.take(b.Index)
		case binary.MemoryCopy, binary.MemoryFill:
			if uint32(constant) > inlineBulk {
				f.needsMem = true
				f.calls = append(f.calls, call{-1, inner})
			}
		case binary.TableGrow:
			if int(b.Index) >= len(r.m.Tables) {
				return bodyError(b, "no table %d", b.Index)
			}
			f.grows = append(f.grows, b.Index)
			f.calls = append(f.calls, call{-1, inner})
		case binary.MemoryInit, binary.TableInit, binary.TableCopy, binary.TableFill:
			f.needsMem = true
			f.calls = append(f.calls, call{-1, inner})
		}
		f.add(inner, weigh(b.Op, int(b.Index) < r.imported))
		r.note(b.Op)
		constant = math.MaxInt32
		if b.Op == binary.I32Const {
			constant = b.Const
		}
	}
	return b.Err()
}

func (r *rewriter) checkCall(b *binary.Body) error {
	if int64(b.Index) >= int64(len(r.funcTypes)) {
		return bodyError(b, "no function %d", b.Index)
	}
	return nil
}

// add charges weight to a loop, or to the function outside its loops.
func (f *function) add(loop int32, weight uint32) {
	w := &f.weight
	if loop >= 0 {
		w = &f.loops[loop].weight
	}
	*w = min(*w+weight, maxWeight)
}

// weigh says what an instruction costs by itself, about. What a compiler turns into
// nothing costs nothing.
func weigh(op binary.Op, imported bool) uint32 {
	switch op {
	case binary.Block, binary.Loop, binary.End, binary.Nop, binary.Drop, binary.Else,
		binary.LocalGet, binary.LocalSet, binary.LocalTee, binary.I32Const, binary.I64Const, binary.F32Const, binary.F64Const:
		return 0
	case binary.Call:
		if imported {
			return importWeight
		}
		return callWeight
	case binary.CallIndirect:
		return 2 * callWeight
	case binary.MemoryGrow, binary.TableGrow:
		return growWeight
	case binary.MemoryCopy, binary.MemoryFill, binary.MemoryInit, binary.TableCopy, binary.TableInit, binary.TableFill:
		return bulkWeight
	}
	return 1
}

// Marks of the walk over the call graph.
const (
	unseen = iota
	open
	done
)

// resolveAll walks the graph of direct calls depth first. A call back to a function
// that is still open closes a cycle, which is cut there; a function is resolved when
// all it calls is.
func (r *rewriter) resolveAll() {
	type frame struct{ f, next int }
	var stack []frame
	for root := range r.functions {
		if r.functions[root].mark != unseen {
			continue
		}
		stack = append(stack, frame{f: root})
		r.functions[root].mark = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			f := &r.functions[top.f]
			if top.next == len(f.calls) {
				r.resolve(f)
				f.mark = done
				stack = stack[:len(stack)-1]
				continue
			}
			callee := f.calls[top.next].callee
			top.next++
			if callee < 0 {
				continue
			}
			switch g := &r.functions[callee]; {
			case g.mark == open:
				g.cut = true
			case g.mark == unseen:
				g.mark = open
				stack = append(stack, frame{f: int(callee)})
			}
		}
	}
}

// resolve adds what f calls to its weights, and decides how f counts.
func (r *rewriter) resolve(f *function) {
	for _, c := range f.calls {
		touches, weight := true, uint32(0)
		if c.callee >= 0 {
			g := &r.functions[c.callee]
			touches = g.touches || g.mark == open
			if !g.counted && g.mark == done {
				weight = g.weight
			}
		}
		f.add(c.loop, weight)
		if touches {
			f.touches = true
			for l := c.loop; l >= 0 && !f.loops[l].touches; l = f.loops[l].parent {
				f.loops[l].touches = true
			}
		}
	}
	f.counted = f.cut || f.weight > uncounted
	f.touches = f.touches || f.counted || len(f.loops) > 0
	for _, l := range f.loops {
		f.inLocal = f.inLocal || !l.touches
	}
}
