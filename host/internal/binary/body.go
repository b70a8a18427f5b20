package binary

// Instr is one instruction of a body.
type Instr struct {
	Op      Op
	Index   uint32 // first index of the immediates: label, function, type, local, segment, …
	Second  uint32 // second index: table of call_indirect, source of table.copy, …
	Const   int32  // of i32.const
	Targets []uint32
}

// Body walks over the instructions of a function. It is reused from function to
// function.
type Body struct {
	Instr
	code  []byte
	start int
	end   int
	r     reader
	depth int
}

// Walk begins a walk over c.
func (b *Body) Walk(c *Code) {
	b.code = c.Body
	b.r = reader{b: c.Body, base: c.Offset}
	b.depth = 1
}

// Bytes is the current instruction with its immediates.
func (b *Body) Bytes() []byte { return b.code[b.start:b.end] }

// Span is where Bytes stands in the body.
func (b *Body) Span() (start, end int) { return b.start, b.end }

// Offset is where the current instruction stands in the module.
func (b *Body) Offset() int { return b.r.base + b.start }

// Err is why a walk ended before the body did.
func (b *Body) Err() error { return b.r.err }

// Next moves to the next instruction. It ends behind the end that closes the function.
func (b *Body) Next() bool {
	r := &b.r
	if b.depth == 0 || r.err != nil {
		if r.err == nil && r.more() {
			r.fail("instructions behind the end of the function")
		}
		return false
	}
	b.start = r.at
	op := r.byte()
	b.Op = Op(op)
	switch {
	case b.Op == Block || b.Op == Loop || b.Op == If:
		b.depth++
		b.Index = uint32(r.s32())
	case b.Op == End:
		b.depth--
	case op == 0xfc:
		b.bulk()
	case op == 0xfd:
		b.vector()
	default:
		b.plain(op)
	}
	b.end = r.at
	return r.err == nil
}

func (b *Body) plain(op byte) {
	r := &b.r
	switch o := Op(op); {
	case o >= I32Load && o < MemorySize:
		b.memarg()
	case o >= I32Eqz && o <= I64Extend32S, o <= Nop, o == Else, o == Return, o == Drop, o == Select, o == RefIsNull:
	case o == Br, o == BrIf, o == Call, o >= LocalGet && o <= TableSet, o == RefFunc:
		b.Index = r.u32()
	case o == CallIndirect:
		b.Index, b.Second = r.u32(), r.u32()
	case o == BrTable:
		b.Targets = b.Targets[:0]
		for n := r.count("labels", 1_000_000); n >= 0 && r.err == nil; n-- {
			b.Targets = append(b.Targets, r.u32())
		}
	case o == SelectTyped:
		for n := r.count("types", 1); n > 0; n-- {
			checkValueType(r, r.byte())
		}
	case o == MemorySize || o == MemoryGrow:
		if r.byte() != 0 {
			r.unsupported("multi-memory", "memory.size or memory.grow of another memory")
		}
	case o == I32Const:
		b.Const = r.s32()
	case o == I64Const:
		r.skipLEB(64)
	case o == F32Const:
		r.take(4)
	case o == F64Const:
		r.take(8)
	case o == RefNull:
		checkValueType(r, r.byte())
	default:
		if feature, name := beyond(op); feature != "" {
			r.unsupported(feature, "%s", name)
			return
		}
		r.fail("unknown instruction %#x", op)
	}
}

// memarg reads alignment and offset.
func (b *Body) memarg() {
	if b.r.u32()&(1<<6) != 0 {
		b.r.unsupported("multi-memory", "access to another memory")
	}
	b.r.u32()
}

func (b *Body) bulk() {
	r := &b.r
	sub := r.u32()
	b.Op = Op(0xfc00 | sub&0xff)
	switch {
	case sub > 0xff:
		r.fail("unknown instruction 0xfc %d", sub)
	case b.Op < MemoryInit: // saturating conversions
	case b.Op == DataDrop, b.Op == ElemDrop, b.Op == TableGrow, b.Op == TableSize, b.Op == TableFill:
		b.Index = r.u32()
	case b.Op == MemoryInit:
		b.Index = r.u32()
		b.memory(r.byte())
	case b.Op == MemoryFill:
		b.memory(r.byte())
	case b.Op == MemoryCopy:
		to, from := r.byte(), r.byte()
		b.memory(to | from)
	case b.Op == TableInit, b.Op == TableCopy:
		b.Index, b.Second = r.u32(), r.u32()
	default:
		r.fail("unknown instruction 0xfc %d", sub)
	}
}

func (b *Body) memory(index byte) {
	if index != 0 {
		b.r.unsupported("multi-memory", "bulk operation on another memory")
	}
}

func (b *Body) vector() {
	r := &b.r
	sub := r.u32()
	b.Op = Op(0xfd00 | sub&0xff)
	switch {
	case sub > 0xff:
		r.unsupported("relaxed SIMD", "instruction 0xfd %d", sub)
	case sub <= 11, sub == 92, sub == 93:
		b.memarg()
	case sub == 12 || sub == 13:
		r.take(16)
	case sub >= 21 && sub <= 34:
		r.byte()
	case sub >= 84 && sub <= 91:
		b.memarg()
		r.byte()
	}
}
