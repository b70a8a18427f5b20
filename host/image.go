package host

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// GlobalValue is the value of a mutable global; an f32 or i32 is in the lower half.
type GlobalValue struct {
	Index uint32 // in the module as it was loaded
	Type  byte   // wasm's: 0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64
	Value uint64
}

// noImage says what of the module an image of its instances can't hold, or nothing.
func (m *Module) noImage() string {
	if m.info.TableChange != "" {
		return "changes tables at run time (" + m.info.TableChange + ")"
	}
	for _, g := range m.globals {
		switch g.valueType {
		case api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64:
		default:
			return fmt.Sprintf("has a mutable global (%d) that is a vector or a reference", g.index)
		}
	}
	return ""
}

var zeros [HeapPage]byte

func isZero(page []byte) bool { return string(page) == string(zeros[:]) }
