package rewrite

import "github.com/wasmill/wasmill/host/internal/binary"

// tableChanges are the instructions that change tables at run time.
var tableChanges = map[binary.Op]string{
	binary.TableSet:  "table.set",
	binary.TableInit: "table.init",
	binary.TableCopy: "table.copy",
	binary.TableGrow: "table.grow",
	binary.TableFill: "table.fill",
}

// note records what an instruction says about the module as a whole.
func (r *rewriter) note(op binary.Op) {
	switch {
	case op >= binary.I32Extend8S && op <= binary.I64Extend32S:
		r.features["sign extension"] = true
	case op == binary.TableGet, op == binary.TableSet, op >= binary.RefNull && op <= binary.RefFunc, op == binary.SelectTyped:
		r.features["reference types"] = true
	case op < 0xfc00:
		return
	case op.SIMD():
		r.features["SIMD"] = true
	case op < binary.MemoryInit:
		r.features["saturating conversions"] = true
	case op >= binary.TableGrow:
		r.features["reference types"] = true
	default:
		r.features["bulk memory"] = true
	}
	if name, ok := tableChanges[op]; ok && r.info.TableChange == "" {
		r.info.TableChange = name
	}
}
