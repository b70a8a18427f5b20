// Package binary reads and writes the binary format of core wasm modules, as far as
// the guest interface allows them: MVP with bulk memory, sign extension, multi-value,
// saturating conversions, reference types and SIMD. What lies beyond is refused by
// the name of the feature.
//
// It does not validate types of instructions: wazero does, on what is written.
//
// Start with Decode and Module; Body walks over the instructions of a function.
package binary

// Value types.
const (
	I32       = 0x7f
	I64       = 0x7e
	F32       = 0x7d
	F64       = 0x7c
	V128      = 0x7b
	FuncRef   = 0x70
	ExternRef = 0x6f
)

// Kinds of imports and exports.
const (
	KindFunc = iota
	KindTable
	KindMemory
	KindGlobal
)

// Module is a decoded module. Bodies, initialisers and data alias the bytes it was
// decoded from.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []uint32 // type of each function of the module's own
	Tables    []Table
	Memories  []Limits
	Globals   []Global
	Exports   []Export
	Start     *uint32
	Elems     []Elem
	DataCount *uint32
	Code      []Code
	Data      []byte // the section's content as it stands; nil if there is none
	Customs   []Custom
}

// FuncType is the type of a function, as value types.
type FuncType struct{ Params, Results []byte }

// Import is an import. Type is the function's; other kinds keep only their name.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint32
}

// Limits of a table (entries) or memory (pages).
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Table is a table of references.
type Table struct {
	Type byte
	Limits
}

// Global is a global of the module's own. Init is its constant expression, with end.
type Global struct {
	Type    byte
	Mutable bool
	Init    Const
}

// Const is a constant expression. If it is ref.func, Func is its function and Code
// is nil.
type Const struct {
	Code []byte // with end
	Func uint32
}

// Export is an export.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Elem is an element segment.
type Elem struct {
	Flags  uint32 // as encoded: bit 0 passive or declared, 1 explicit index or declared, 2 expressions
	Table  uint32
	Offset Const
	Type   byte     // element kind or reference type, if the flags say that there is one
	Funcs  []uint32 // without bit 2
	Exprs  []Const  // with bit 2
}

// Code is a function's body.
type Code struct {
	Locals []Local
	Body   []byte // instructions with the last end
	Offset int    // of Body in the module
}

// Local declares locals of one type.
type Local struct {
	Count uint32
	Type  byte
}

// Custom is a custom section.
type Custom struct {
	Name string
	Data []byte
}

// FuncTypes are the types of all functions, by their index: the imported ones come
// first.
func (m *Module) FuncTypes() (types []uint32, imported int) {
	types = make([]uint32, 0, len(m.Functions)+len(m.Imports))
	for _, i := range m.Imports {
		if i.Kind == KindFunc {
			types = append(types, i.Type)
		}
	}
	return append(types, m.Functions...), len(types)
}
