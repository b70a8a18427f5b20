package rewrite

import (
	"fmt"
	"math"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// inlineBulk is up to how many bytes a bulk operation runs in one piece, charged by a
// constant.
const inlineBulk = 1024

// emitter writes the new body of one function.
type emitter struct {
	*rewriter
	f    *function
	out  []byte
	x, t uint32 // locals: the meter, or scratch for it; a length
}

// emit rewrites the body of an own function.
func (r *rewriter) emit(n int) (binary.Code, error) {
	f := &r.functions[n]
	code := &r.m.Code[n]
	sig := r.m.Types[r.m.Functions[n]]
	e := emitter{rewriter: r, f: f, out: make([]byte, 0, len(code.Body)+len(code.Body)/3+64)}
	e.x = uint32(len(sig.Params))
	for _, l := range code.Locals {
		e.x += l.Count
	}
	e.t = e.x + 1
	wrap := f.cut || f.inLocal
	if wrap {
		e.enter()
		e.op(binary.Block)
		e.out = e.blockType(sig.Results)
	} else if f.counted {
		e.enter()
	}
	if err := e.copy(code, wrap); err != nil {
		return binary.Code{}, err
	}
	if wrap {
		e.leave()
		e.op(binary.End)
	}
	locals := code.Locals
	if f.touches || f.needsMem {
		locals = append(locals[:len(locals):len(locals)], binary.Local{Count: 1, Type: binary.I64}, binary.Local{Count: 1, Type: binary.I32})
	}
	return binary.Code{Locals: locals, Body: e.out, Offset: code.Offset}, nil
}

func (e *emitter) blockType(results []byte) []byte {
	switch len(results) {
	case 0:
		return append(e.out, 0x40)
	case 1:
		return append(e.out, results[0])
	}
	return binary.AppendS64(e.out, int64(e.typeIndex(nil, results)))
}

// copy goes through the original body.
func (e *emitter) copy(c *binary.Code, wrapped bool) error {
	depth, loops := uint32(0), 0
	b := &e.body
	constant := int32(math.MaxInt32)
	for b.Walk(c); b.Next(); {
		original := b.Bytes()
		switch b.Op {
		case binary.Block, binary.If:
			depth++
			e.raw(original)
		case binary.Loop:
			depth++
			e.raw(original)
			if !e.NoSafepoints {
				e.charge(uint64(e.f.loops[loops].weight), false)
			}
			loops++
		case binary.End:
			depth--
			e.raw(original)
		case binary.Return:
			if wrapped {
				e.index(binary.Br, depth)
			} else {
				e.raw(original)
			}
		case binary.Call:
			e.call(b.Index)
		case binary.CallIndirect:
			e.store()
			e.raw(original)
			e.load()
		case binary.RefFunc:
			e.index(binary.RefFunc, e.moved(b.Index))
		case binary.DataDrop, binary.ElemDrop:
		case binary.MemoryCopy, binary.MemoryFill:
			e.bulk(b.Op, original, uint32(constant) <= inlineBulk)
		case binary.MemoryInit, binary.TableInit, binary.TableCopy, binary.TableFill:
			e.chargeLength()
			e.raw(original)
		case binary.TableGrow:
			e.store()
			e.index(binary.Call, e.growHelpers[b.Index])
			e.load()
		default:
			e.raw(original)
		}
		constant = math.MaxInt32
		if b.Op == binary.I32Const {
			constant = b.Const
		}
	}
	return b.Err()
}

// enter charges for the call of a function and counts its depth.
func (e *emitter) enter() {
	cost := uint64(0)
	if e.f.counted {
		cost = uint64(e.f.weight)
	}
	if e.f.cut {
		cost += depthUnit
	}
	if e.f.inLocal {
		e.load()
	}
	if e.f.counted {
		e.charge(cost, e.f.cut)
	}
}

// leave gives back the depth, and the meter if it was in a local.
func (e *emitter) leave() {
	if e.f.inLocal {
		e.index(binary.LocalGet, e.x)
	} else {
		e.index(binary.GlobalGet, e.meter)
	}
	if e.f.cut {
		e.i64(depthUnit)
		e.op(binary.I64Add)
	}
	e.index(binary.GlobalSet, e.meter)
}

// charge takes a constant cost and calls the host if nothing is left.
func (e *emitter) charge(cost uint64, depth bool) {
	e.meterGet()
	e.i64(int64(cost))
	e.op(binary.I64Sub)
	e.settle(depth)
}

// settle stores the meter from the stack and calls the host if it is exhausted.
func (e *emitter) settle(depth bool) {
	e.index(binary.LocalTee, e.x)
	if !e.f.inLocal {
		e.index(binary.GlobalSet, e.meter)
		e.index(binary.LocalGet, e.x)
	}
	if depth {
		e.i64(exhausted)
		e.op(binary.I64And)
		e.i64(0)
		e.op(binary.I64Ne)
	} else {
		e.op(binary.I32WrapI64)
		e.i32(0)
		e.op(binary.I32LtS)
	}
	e.op(binary.If)
	e.out = append(e.out, 0x40)
	e.index(binary.LocalGet, e.x)
	e.index(binary.Call, e.hook)
	if e.f.inLocal {
		e.index(binary.LocalSet, e.x)
	} else {
		e.index(binary.GlobalSet, e.meter)
	}
	e.op(binary.End)
}

// chargeLength charges for the number of elements on top of the stack, and leaves it.
func (e *emitter) chargeLength() {
	if e.NoSafepoints {
		return
	}
	e.index(binary.LocalTee, e.t)
	e.meterGet()
	e.index(binary.LocalGet, e.t)
	e.op(binary.I64ExtendU)
	e.i64(elementShift)
	e.op(binary.I64ShrU)
	e.op(binary.I64Sub)
	e.settle(false)
}

// elementShift: eight bytes or two references cost about a unit.
const elementShift = 2

func (e *emitter) meterGet() {
	if e.f.inLocal {
		e.index(binary.LocalGet, e.x)
	} else {
		e.index(binary.GlobalGet, e.meter)
	}
}

// store and load put the meter where a called function finds it, and take it back.
func (e *emitter) store() {
	if e.f.inLocal {
		e.index(binary.LocalGet, e.x)
		e.index(binary.GlobalSet, e.meter)
	}
}

func (e *emitter) load() {
	if e.f.inLocal {
		e.index(binary.GlobalGet, e.meter)
		e.index(binary.LocalSet, e.x)
	}
}

func (e *emitter) call(f uint32) {
	touches := int(f) < e.imported || e.functions[int(f)-e.imported].touches
	if touches {
		e.store()
	}
	e.index(binary.Call, e.moved(f))
	if touches {
		e.load()
	}
}

// bulk lets short operations run as they are and gives long ones to a helper that
// cuts them into pieces.
func (e *emitter) bulk(op binary.Op, original []byte, short bool) {
	if short || e.NoSafepoints {
		e.raw(original)
		return
	}
	helper := e.fillHelper
	if op == binary.MemoryCopy {
		helper = e.copyHelper
	}
	e.index(binary.LocalTee, e.t)
	e.index(binary.LocalGet, e.t)
	e.i32(inlineBulk)
	e.op(binary.I32GtU)
	e.op(binary.If)
	e.out = binary.AppendS64(e.out, int64(e.typeIndex([]byte{binary.I32, binary.I32, binary.I32}, nil)))
	e.store()
	e.index(binary.Call, helper)
	e.load()
	e.op(binary.Else)
	e.raw(original)
	e.op(binary.End)
}

func (e *emitter) raw(b []byte)   { e.out = append(e.out, b...) }
func (e *emitter) op(o binary.Op) { e.out = binary.AppendOp(e.out, o) }
func (e *emitter) i32(v int32) {
	e.out = binary.AppendS64(binary.AppendOp(e.out, binary.I32Const), int64(v))
}
func (e *emitter) i64(v int64) { e.out = binary.AppendS64(binary.AppendOp(e.out, binary.I64Const), v) }
func (e *emitter) index(o binary.Op, n uint32) {
	e.out = binary.AppendU32(binary.AppendOp(e.out, o), n)
}

func bodyError(b *binary.Body, format string, args ...any) error {
	return &binary.Error{Offset: b.Offset(), Text: fmt.Sprintf(format, args...)}
}
