package binary

// constant reads a constant expression of one instruction.
func (d *decoder) constant(s *reader) Const {
	start := s.at
	var c Const
	switch op := s.byte(); op {
	case 0x41: // i32.const
		s.skipLEB(32)
	case 0x42: // i64.const
		s.skipLEB(64)
	case 0x43: // f32.const
		s.take(4)
	case 0x44: // f64.const
		s.take(8)
	case 0x23: // global.get
		s.u32()
	case 0xd0: // ref.null
		checkValueType(s, s.byte())
	case 0xd2: // ref.func
		c.Func = s.u32()
		d.function(s, c.Func)
		start = -1
	case 0xfd: // v128.const
		if s.u32() != 12 {
			s.fail("instruction is not constant")
		}
		s.take(16)
	default:
		s.fail("instruction %#x is not constant", op)
	}
	if end := s.byte(); s.err == nil && end != 0x0b {
		s.unsupported("extended constant expressions", "an initialiser")
	}
	if start >= 0 && s.err == nil {
		c.Code = s.b[start:s.at]
	}
	return c
}

func (d *decoder) elems(s *reader) {
	for n := s.count("element segments", maxImports); n > 0 && s.err == nil; n-- {
		e := Elem{Flags: s.u32(), Type: FuncRef}
		if e.Flags > 7 {
			s.fail("unknown flags %#x of an element segment", e.Flags)
			return
		}
		if e.Flags&1 == 0 {
			if e.Flags&2 != 0 {
				e.Table = s.u32()
			}
			e.Offset = d.constant(s)
		}
		if e.Flags&3 != 0 {
			e.Type = s.byte()
		}
		count := s.count("elements", 10_000_000)
		for ; count > 0 && s.err == nil; count-- {
			if e.Flags&4 != 0 {
				e.Exprs = append(e.Exprs, d.constant(s))
				continue
			}
			f := s.u32()
			d.function(s, f)
			e.Funcs = append(e.Funcs, f)
		}
		d.m.Elems = append(d.m.Elems, e)
	}
}

func (d *decoder) code(s *reader) {
	n := s.count("bodies", maxFunctions)
	if s.err == nil && n != len(d.m.Functions) {
		s.fail("%d functions have %d bodies", len(d.m.Functions), n)
		return
	}
	d.m.Code = make([]Code, 0, n)
	for ; n > 0 && s.err == nil; n-- {
		size := s.u32()
		start := s.base + s.at
		b := &reader{b: s.take(size), base: start}
		if s.err != nil {
			return
		}
		var c Code
		total := uint64(0)
		for k := b.count("local declarations", maxLocals); k > 0 && b.err == nil; k-- {
			l := Local{b.u32(), b.byte()}
			checkValueType(b, l.Type)
			if total += uint64(l.Count); total > maxLocals {
				b.fail("more than %d locals", maxLocals)
			}
			c.Locals = append(c.Locals, l)
		}
		c.Body, c.Offset = b.b[b.at:], b.base+b.at
		if s.err = b.err; b.err != nil {
			return
		}
		d.m.Code = append(d.m.Code, c)
	}
}

// Segment is where a data segment lies in memory when a module begins.
type Segment struct{ Index, Offset, Size uint32 }

// Segments lists the active data segments that lie at a constant place.
func (m *Module) Segments() (all []Segment) {
	r := &reader{b: m.Data}
	for n, index := r.count("data segments", maxFunctions), uint32(0); n > 0 && r.err == nil; n, index = n-1, index+1 {
		flags := r.u32()
		if flags == 2 {
			r.u32() // the memory, of which there is one
		}
		offset, constant := uint32(0), false
		if flags != 1 {
			constant = r.byte() == byte(I32Const)
			if !constant {
				return all // imported globals don't exist here
			}
			offset = uint32(r.s32())
			if r.byte() != byte(End) {
				return all
			}
		}
		size := r.u32()
		r.take(size)
		if r.err == nil && constant {
			all = append(all, Segment{index, offset, size})
		}
	}
	return all
}
