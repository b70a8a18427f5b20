package binary

// Op is an instruction: its opcode, or prefix<<8|opcode.
type Op uint16

// Instructions that a rewriter has to know.
const (
	Unreachable  Op = 0x00
	Nop          Op = 0x01
	Block        Op = 0x02
	Loop         Op = 0x03
	If           Op = 0x04
	Else         Op = 0x05
	End          Op = 0x0b
	Br           Op = 0x0c
	BrIf         Op = 0x0d
	BrTable      Op = 0x0e
	Return       Op = 0x0f
	Call         Op = 0x10
	CallIndirect Op = 0x11
	Drop         Op = 0x1a
	Select       Op = 0x1b
	SelectTyped  Op = 0x1c
	LocalGet     Op = 0x20
	LocalSet     Op = 0x21
	LocalTee     Op = 0x22
	GlobalGet    Op = 0x23
	GlobalSet    Op = 0x24
	TableGet     Op = 0x25
	TableSet     Op = 0x26
	I32Load      Op = 0x28
	MemorySize   Op = 0x3f
	MemoryGrow   Op = 0x40
	I32Const     Op = 0x41
	I64Const     Op = 0x42
	F32Const     Op = 0x43
	F64Const     Op = 0x44
	I32Eqz       Op = 0x45
	I32LtS       Op = 0x48
	I32GtU       Op = 0x4b
	I32LtU       Op = 0x49
	I64Ne        Op = 0x52
	I64LtS       Op = 0x53
	I32Add       Op = 0x6a
	I32Sub       Op = 0x6b
	I64Add       Op = 0x7c
	I64Sub       Op = 0x7d
	I64And       Op = 0x83
	I64ShrU      Op = 0x88
	I32WrapI64   Op = 0xa7
	I64ExtendU   Op = 0xad
	I32Extend8S  Op = 0xc0
	I64Extend32S Op = 0xc4
	RefNull      Op = 0xd0
	RefIsNull    Op = 0xd1
	RefFunc      Op = 0xd2
	MemoryInit   Op = 0xfc08
	DataDrop     Op = 0xfc09
	MemoryCopy   Op = 0xfc0a
	MemoryFill   Op = 0xfc0b
	TableInit    Op = 0xfc0c
	ElemDrop     Op = 0xfc0d
	TableCopy    Op = 0xfc0e
	TableGrow    Op = 0xfc0f
	TableSize    Op = 0xfc10
	TableFill    Op = 0xfc11
)

// SIMD reports whether op is an instruction on vectors.
func (op Op) SIMD() bool { return op>>8 == 0xfd }

// beyond names the feature that an opcode needs and the guest interface lacks.
func beyond(op byte) (feature, name string) {
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return "exceptions", "try, catch or throw"
	case 0x12, 0x13:
		return "tail calls", "return_call"
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6:
		return "typed function references", "call_ref"
	case 0xfb:
		return "garbage collection", "an instruction on structs or arrays"
	case 0xfe:
		return "threads", "an atomic instruction"
	}
	return "", ""
}
