package binary

import "bytes"

// Bounds on what a module may declare; the first four are those browsers agreed on.
const (
	maxTypes     = 1_000_000
	maxFunctions = 1_000_000
	maxImports   = 100_000
	maxGlobals   = 1_000_000
	maxTables    = 100
	maxLocals    = 50_000
	maxParams    = 1_000
)

var magic = []byte{0, 'a', 's', 'm'}

// Decode reads a module. Errors are an *Error, or an *Unsupported.
func Decode(wasm []byte) (*Module, error) {
	if len(wasm) < 8 || !bytes.Equal(wasm[:4], magic) {
		return nil, &Error{0, "not a wasm module: it does not start with \\0asm"}
	}
	if bytes.Equal(wasm[4:8], []byte{0x0d, 0, 1, 0}) {
		return nil, &Unsupported{"the component model", "this is a component; build a core module"}
	}
	if !bytes.Equal(wasm[4:8], []byte{1, 0, 0, 0}) {
		return nil, &Error{4, "unknown version of the wasm format"}
	}
	d := decoder{m: &Module{}, r: reader{b: wasm, at: 8}}
	for d.r.more() {
		d.section()
	}
	if d.r.err == nil && len(d.m.Code) != len(d.m.Functions) {
		d.r.fail("%d functions have %d bodies", len(d.m.Functions), len(d.m.Code))
	}
	return d.m, d.r.err
}

type decoder struct {
	m        *Module
	r        reader
	last     int // order of the last section
	imported int // functions
}

// order of the sections by id: data count stands before code.
var order = [...]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 12: 10, 10: 11, 11: 12}

func (d *decoder) section() {
	id := d.r.byte()
	size := d.r.u32()
	start := d.r.at
	b := d.r.take(size)
	if d.r.err != nil {
		return
	}
	s := &reader{b: b, base: start}
	switch {
	case id == 0:
		name := s.name()
		d.m.Customs = append(d.m.Customs, Custom{name, b[s.at:]})
		s.at = len(s.b)
	case id == 13:
		s.unsupported("exceptions", "tag section")
	case int(id) >= len(order):
		s.fail("unknown section %d", id)
	case order[id] <= d.last:
		s.fail("section %d is out of order", id)
	default:
		d.last = order[id]
		d.known(id, s)
	}
	if s.err == nil && s.more() {
		s.fail("section %d has %d bytes too many", id, len(s.b)-s.at)
	}
	if d.r.err = s.err; s.err != nil {
		d.r.at = len(d.r.b)
	}
}

func (d *decoder) known(id byte, s *reader) {
	switch id {
	case 1:
		d.types(s)
	case 2:
		d.imports(s)
	case 3:
		d.functions(s)
	case 4:
		d.tables(s)
	case 5:
		d.memories(s)
	case 6:
		d.globals(s)
	case 7:
		d.exports(s)
	case 8:
		start := s.u32()
		d.m.Start = &start
		d.function(s, start)
	case 9:
		d.elems(s)
	case 12:
		n := s.u32()
		d.m.DataCount = &n
	case 10:
		d.code(s)
	case 11:
		d.m.Data = s.take(uint32(len(s.b)))
	}
}

func (d *decoder) types(s *reader) {
	for n := s.count("types", maxTypes); n > 0 && s.err == nil; n-- {
		switch form := s.byte(); form {
		case 0x60:
		case 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
			s.unsupported("garbage collection", "type section")
			return
		default:
			s.fail("unknown type form %#x", form)
			return
		}
		d.m.Types = append(d.m.Types, FuncType{valueTypes(s), valueTypes(s)})
	}
}

func valueTypes(s *reader) []byte {
	b := s.take(uint32(s.count("values", maxParams)))
	for _, t := range b {
		checkValueType(s, t)
	}
	return b
}

func checkValueType(s *reader, t byte) {
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	case 0x69, 0x74:
		s.unsupported("exceptions", "type exnref")
	case 0x63, 0x64:
		s.unsupported("typed function references", "type ref")
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73:
		s.unsupported("garbage collection", "a reference type")
	default:
		s.fail("unknown value type %#x", t)
	}
}

func (d *decoder) imports(s *reader) {
	for n := s.count("imports", maxImports); n > 0 && s.err == nil; n-- {
		i := Import{Module: s.name(), Name: s.name(), Kind: s.byte()}
		switch i.Kind {
		case KindFunc:
			i.Type = d.typeIndex(s)
			d.imported++
		case KindTable:
			checkValueType(s, s.byte())
			limits(s, "table")
		case KindMemory:
			limits(s, "memory")
		case KindGlobal:
			checkValueType(s, s.byte())
			s.byte()
		case 4:
			s.unsupported("exceptions", "import of a tag")
		default:
			s.fail("unknown kind of import %d", i.Kind)
		}
		d.m.Imports = append(d.m.Imports, i)
	}
}

func (d *decoder) typeIndex(s *reader) uint32 {
	t := s.u32()
	if s.err == nil && int64(t) >= int64(len(d.m.Types)) {
		s.fail("no type %d", t)
		return 0
	}
	return t
}

func (d *decoder) function(s *reader, f uint32) {
	if s.err == nil && int64(f) >= int64(d.imported+len(d.m.Functions)) {
		s.fail("no function %d", f)
	}
}

func (d *decoder) functions(s *reader) {
	n := s.count("functions", maxFunctions)
	d.m.Functions = make([]uint32, 0, n)
	for ; n > 0 && s.err == nil; n-- {
		d.m.Functions = append(d.m.Functions, d.typeIndex(s))
	}
}

func limits(s *reader, what string) (l Limits) {
	flags := s.byte()
	switch {
	case flags&^7 != 0:
		s.fail("unknown limits %#x of a %s", flags, what)
	case flags&2 != 0:
		s.unsupported("threads", "shared %s", what)
	case flags&4 != 0:
		s.unsupported("memory64", "64-bit %s", what)
	}
	l.Min = s.u32()
	if flags&1 != 0 {
		l.Max, l.HasMax = s.u32(), true
	}
	return l
}

func (d *decoder) tables(s *reader) {
	for n := s.count("tables", maxTables); n > 0 && s.err == nil; n-- {
		t := s.byte()
		if t == 0x40 {
			s.unsupported("typed function references", "table with an initialiser")
			return
		}
		checkValueType(s, t)
		if t != FuncRef && t != ExternRef {
			s.fail("a table can't hold type %#x", t)
		}
		d.m.Tables = append(d.m.Tables, Table{t, limits(s, "table")})
	}
}

func (d *decoder) memories(s *reader) {
	for n := s.count("memories", 1000); n > 0 && s.err == nil; n-- {
		d.m.Memories = append(d.m.Memories, limits(s, "memory"))
	}
	if s.err == nil && len(d.m.Memories) > 1 {
		s.unsupported("multi-memory", "%d memories", len(d.m.Memories))
	}
}

func (d *decoder) globals(s *reader) {
	for n := s.count("globals", maxGlobals); n > 0 && s.err == nil; n-- {
		g := Global{Type: s.byte()}
		checkValueType(s, g.Type)
		switch s.byte() {
		case 0:
		case 1:
			g.Mutable = true
		default:
			s.fail("unknown mutability of a global")
		}
		g.Init = d.constant(s)
		d.m.Globals = append(d.m.Globals, g)
	}
}

func (d *decoder) exports(s *reader) {
	for n := s.count("exports", maxImports); n > 0 && s.err == nil; n-- {
		e := Export{s.name(), s.byte(), s.u32()}
		switch e.Kind {
		case KindFunc:
			d.function(s, e.Index)
		case KindTable, KindMemory, KindGlobal:
		case 4:
			s.unsupported("exceptions", "export of a tag")
		default:
			s.fail("unknown kind of export %d", e.Kind)
		}
		d.m.Exports = append(d.m.Exports, e)
	}
}
