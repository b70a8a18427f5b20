package rewrite_test

import (
	"slices"
	"testing"

	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/host/internal/rewrite"
)

// TestJumps: a jump by way of the table at a loop's head goes straight to a block that is
// still open, and stays as it is wherever it is anything else.
func TestJumps(t *testing.T) {
	const void, local, other = 0x40, 3, 4
	block := func(code ...[]byte) []byte { return as.Join(as.Op(binary.Block, void), as.End(as.Join(code...))) }
	loop := func(code ...[]byte) []byte { return as.Join(as.Op(binary.Loop, void), as.End(as.Join(code...))) }
	table := func(targets ...uint32) []byte {
		return as.Join(as.Local(local), as.Op(binary.BrTable, append([]uint32{uint32(len(targets) - 1)}, targets...)...))
	}
	jump := func(to int32, depth uint32) []byte {
		return as.Join(as.I32Const(to), as.Op(binary.LocalSet, local), as.Op(binary.Br, depth))
	}
	three := table(0, 1, 2)
	nop := as.Op(binary.Nop)
	for _, test := range []struct {
		name string
		code []byte
		want []uint32 // depths of the jumps
	}{
		{"forward over one", loop(block(block(block(three), jump(2, 2)))), []uint32{1}},
		{"to the next", loop(block(block(block(three), jump(1, 2)))), []uint32{0}},
		{"out of an if", loop(block(block(block(three), as.I32Const(1), as.Op(binary.If, void), jump(2, 3), as.End(nil)))), []uint32{2}},
		{"beyond the table: its last", loop(block(block(block(three), jump(7, 2)))), []uint32{1}},
		{"less than nothing: its last", loop(block(block(block(three), jump(-1, 2)))), []uint32{1}},
		{"back", loop(block(block(block(three)), jump(0, 1))), []uint32{1}},
		{"back, to where another block is open", loop(block(block(block(three)), block(jump(0, 2)))), []uint32{2}},
		{"out of a loop within", loop(block(block(block(three), loop(jump(2, 3))))), []uint32{2}},
		{"the table leads to the loop itself", loop(block(block(block(table(0, 3, 2)), jump(1, 2)))), []uint32{2}},
		{"something between head and table", loop(nop, block(block(block(three), jump(2, 2)))), []uint32{2}},
		{"something before the table", loop(block(block(block(nop, three), jump(2, 2)))), []uint32{2}},
		{"the table is read from another local", loop(block(block(block(as.Local(other), as.Op(binary.BrTable, 2, 0, 1, 2)), jump(2, 2)))), []uint32{2}},
		{"another local is set", loop(block(block(block(three), as.I32Const(2), as.Op(binary.LocalSet, other), as.Op(binary.Br, 2)))), []uint32{2}},
		{"a number that is not constant", loop(block(block(block(three), as.Local(0), as.Op(binary.LocalSet, local), as.Op(binary.Br, 2)))), []uint32{2}},
		{"something behind the set", loop(block(block(block(three), as.I32Const(2), as.Op(binary.LocalSet, local), nop, as.Op(binary.Br, 2)))), []uint32{2}},
		{"not to a loop", loop(block(block(block(three), jump(2, 1)))), []uint32{1}},
		{"a table of no loop", block(block(block(three), jump(1, 1))), []uint32{1}},
		{"two loops with tables", loop(block(block(loop(block(block(table(0, 1)), jump(1, 1))), as.Op(binary.Br, 0)), nop)), []uint32{0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			guest := as.Guest{Process: as.Join(test.code, as.I32Const(0)), Locals: []byte{as.I32, as.I32}}
			wasm := guest.Wasm()
			given := slices.Clone(wasm)
			m, _ := rewritten(t, wasm, rewrite.Options{NoSafepoints: true})
			if !slices.Equal(wasm, given) {
				t.Error("the given module was changed")
			}
			var got []uint32
			var b binary.Body
			for b.Walk(&m.Code[2]); b.Next(); {
				if b.Op == binary.Br {
					got = append(got, b.Index)
				}
			}
			if b.Err() != nil || !slices.Equal(got, test.want) {
				t.Errorf("the jumps are %v, want %v (%v)", got, test.want, b.Err())
			}
		})
	}
}
