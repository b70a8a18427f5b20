package rewrite

import (
	"maps"
	"slices"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// piece is how many bytes a cut bulk operation handles between safepoints: some
// microseconds. pieceWeight is what that costs.
const (
	piece       = 64 << 10
	pieceWeight = piece / 8
)

// addHelpers writes the functions that bodies call instead of instructions: a copy
// and a fill that go piece by piece, and a table.grow for each table that grows.
func (r *rewriter) addHelpers() {
	bulk, grown := r.uses()
	if bulk && !r.NoSafepoints {
		r.fillHelper = r.helper([]byte{binary.I32, binary.I32, binary.I32}, nil, r.fill())
		r.copyHelper = r.helper([]byte{binary.I32, binary.I32, binary.I32}, nil, r.copyPieces())
	}
	r.growHelpers = map[uint32]uint32{}
	for _, table := range slices.Sorted(maps.Keys(grown)) {
		params := []byte{r.m.Tables[table].Type, binary.I32}
		r.growHelpers[table] = r.helper(params, []byte{binary.I32}, r.growTable(table))
	}
}

// uses tells which helpers are needed.
func (r *rewriter) uses() (bulk bool, grown map[uint32]bool) {
	grown = map[uint32]bool{}
	for n := range r.functions {
		bulk = bulk || r.functions[n].needsMem
		for _, t := range r.functions[n].grows {
			grown[t] = true
		}
	}
	return bulk, grown
}

// asm starts a helper whose locals from x on are the meter and a length.
func (r *rewriter) asm(x uint32) *emitter {
	return &emitter{rewriter: r, f: &function{}, x: x, t: x + 1}
}

func (e *emitter) code() binary.Code {
	e.op(binary.End)
	return binary.Code{
		Locals: []binary.Local{{Count: 1, Type: binary.I64}, {Count: 1, Type: binary.I32}},
		Body:   e.out,
	}
}

// Parameters of the bulk helpers: destination, source or byte, length.
const (
	argTo, argFrom, argLen = 0, 1, 2
	bulkScratch            = 3
)

// pieces repeats body with the length of the next piece in t until nothing is left.
func (e *emitter) pieces(body func()) {
	e.op(binary.Loop)
	e.out = append(e.out, 0x40)
	e.charge(pieceWeight, false)
	e.index(binary.LocalGet, argLen)
	e.i32(piece)
	e.index(binary.LocalGet, argLen)
	e.i32(piece)
	e.op(binary.I32LtU)
	e.op(binary.Select)
	e.index(binary.LocalTee, e.t)
	e.op(binary.If)
	e.out = append(e.out, 0x40)
	body()
	e.add(argLen, binary.I32Sub)
	e.index(binary.Br, 1)
	e.op(binary.End)
	e.op(binary.End)
}

// add moves a parameter by the length of the piece.
func (e *emitter) add(param uint32, op binary.Op) {
	e.index(binary.LocalGet, param)
	e.index(binary.LocalGet, e.t)
	e.op(op)
	e.index(binary.LocalSet, param)
}

func (r *rewriter) fill() binary.Code {
	e := r.asm(bulkScratch)
	e.pieces(func() {
		e.index(binary.LocalGet, argTo)
		e.index(binary.LocalGet, argFrom)
		e.index(binary.LocalGet, e.t)
		e.raw([]byte{0xfc, 11, 0})
		e.add(argTo, binary.I32Add)
	})
	return e.code()
}

// copyPieces goes upwards if the destination lies below the source and downwards
// otherwise, so that pieces don't overwrite what is still to be read.
func (r *rewriter) copyPieces() binary.Code {
	e := r.asm(bulkScratch)
	memoryCopy := []byte{0xfc, 10, 0, 0}
	e.index(binary.LocalGet, argTo)
	e.index(binary.LocalGet, argFrom)
	e.op(binary.I32LtU)
	e.op(binary.If)
	e.out = append(e.out, 0x40)
	e.pieces(func() {
		e.index(binary.LocalGet, argTo)
		e.index(binary.LocalGet, argFrom)
		e.index(binary.LocalGet, e.t)
		e.raw(memoryCopy)
		e.add(argTo, binary.I32Add)
		e.add(argFrom, binary.I32Add)
	})
	e.op(binary.Else)
	e.pieces(func() {
		for _, param := range []uint32{argTo, argFrom} {
			e.index(binary.LocalGet, param)
			e.index(binary.LocalGet, argLen)
			e.op(binary.I32Add)
			e.index(binary.LocalGet, e.t)
			e.op(binary.I32Sub)
		}
		e.index(binary.LocalGet, e.t)
		e.raw(memoryCopy)
	})
	e.op(binary.End)
	return e.code()
}

// growTable answers −1 if the table would exceed the limit the host has set.
func (r *rewriter) growTable(table uint32) binary.Code {
	const ref, n = 0, 1
	e := r.asm(2)
	size := func() {
		e.index(binary.TableSize, table)
	}
	for _, tooMuch := range []func(){
		func() { // size > limit
			size()
			e.index(binary.GlobalGet, r.tableLimit)
		},
		func() { // n > limit − size
			e.index(binary.LocalGet, n)
			e.index(binary.GlobalGet, r.tableLimit)
			size()
			e.op(binary.I32Sub)
		},
	} {
		tooMuch()
		e.op(binary.I32GtU)
		e.op(binary.If)
		e.out = append(e.out, 0x40)
		e.i32(-1)
		e.op(binary.Return)
		e.op(binary.End)
	}
	e.index(binary.LocalGet, n)
	e.chargeLength()
	e.op(binary.Drop)
	e.index(binary.LocalGet, ref)
	e.index(binary.LocalGet, n)
	e.index(binary.TableGrow, table)
	return e.code()
}
