package binary

// Encode writes a module without its custom sections. All its imports are functions.
func Encode(m *Module) []byte {
	size := len(m.Data) + 4096
	for k := range m.Code {
		size += len(m.Code[k].Body) + 16
	}
	e := encoder{out: append(make([]byte, 0, size), 0, 'a', 's', 'm', 1, 0, 0, 0)}
	e.vector(1, len(m.Types), func(b []byte, n int) []byte {
		b = append(b, 0x60)
		b = AppendName(b, string(m.Types[n].Params))
		return AppendName(b, string(m.Types[n].Results))
	})
	e.vector(2, len(m.Imports), func(b []byte, n int) []byte {
		i := &m.Imports[n]
		b = append(AppendName(AppendName(b, i.Module), i.Name), i.Kind)
		return AppendU32(b, i.Type)
	})
	e.vector(3, len(m.Functions), func(b []byte, n int) []byte { return AppendU32(b, m.Functions[n]) })
	e.vector(4, len(m.Tables), func(b []byte, n int) []byte {
		return appendLimits(append(b, m.Tables[n].Type), m.Tables[n].Limits)
	})
	e.vector(5, len(m.Memories), func(b []byte, n int) []byte { return appendLimits(b, m.Memories[n]) })
	e.vector(6, len(m.Globals), func(b []byte, n int) []byte {
		g := &m.Globals[n]
		mutable := byte(0)
		if g.Mutable {
			mutable = 1
		}
		return appendConst(append(b, g.Type, mutable), g.Init)
	})
	e.vector(7, len(m.Exports), func(b []byte, n int) []byte {
		x := &m.Exports[n]
		return AppendU32(append(AppendName(b, x.Name), x.Kind), x.Index)
	})
	if m.Start != nil {
		e.section(8, AppendU32(nil, *m.Start))
	}
	e.vector(9, len(m.Elems), func(b []byte, n int) []byte { return appendElem(b, &m.Elems[n]) })
	if m.DataCount != nil {
		e.section(12, AppendU32(nil, *m.DataCount))
	}
	var body []byte
	e.vector(10, len(m.Code), func(b []byte, n int) []byte {
		c := &m.Code[n]
		body = AppendU32(body[:0], uint32(len(c.Locals)))
		for _, l := range c.Locals {
			body = append(AppendU32(body, l.Count), l.Type)
		}
		b = AppendU32(b, uint32(len(body)+len(c.Body)))
		return append(append(b, body...), c.Body...)
	})
	if m.Data != nil {
		e.section(11, m.Data)
	}
	return e.out
}

type encoder struct{ out, scratch []byte }

func (e *encoder) section(id byte, content []byte) {
	e.out = AppendU32(append(e.out, id), uint32(len(content)))
	e.out = append(e.out, content...)
}

func (e *encoder) vector(id byte, n int, element func(b []byte, n int) []byte) {
	if n == 0 {
		return
	}
	b := AppendU32(e.scratch[:0], uint32(n))
	for k := range n {
		b = element(b, k)
	}
	e.section(id, b)
	e.scratch = b
}

func appendLimits(b []byte, l Limits) []byte {
	if !l.HasMax {
		return AppendU32(append(b, 0), l.Min)
	}
	return AppendU32(AppendU32(append(b, 1), l.Min), l.Max)
}

func appendConst(b []byte, c Const) []byte {
	if c.Code != nil {
		return append(b, c.Code...)
	}
	return append(AppendU32(append(b, byte(RefFunc)), c.Func), byte(End))
}

func appendElem(b []byte, e *Elem) []byte {
	b = AppendU32(b, e.Flags)
	if e.Flags&1 == 0 {
		if e.Flags&2 != 0 {
			b = AppendU32(b, e.Table)
		}
		b = appendConst(b, e.Offset)
	}
	if e.Flags&3 != 0 {
		b = append(b, e.Type)
	}
	if e.Flags&4 != 0 {
		b = AppendU32(b, uint32(len(e.Exprs)))
		for _, c := range e.Exprs {
			b = appendConst(b, c)
		}
		return b
	}
	b = AppendU32(b, uint32(len(e.Funcs)))
	for _, f := range e.Funcs {
		b = AppendU32(b, f)
	}
	return b
}

// AppendOp encodes the opcode of an instruction.
func AppendOp(b []byte, op Op) []byte {
	if op < 0x100 {
		return append(b, byte(op))
	}
	return AppendU32(append(b, byte(op>>8)), uint32(op&0xff))
}
