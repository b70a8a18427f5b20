package binary_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
)

func kernels(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../testdata/kernels.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// TestRoundTrip: what is decoded and encoded again is the same module.
func TestRoundTrip(t *testing.T) {
	guest := assemble.Guest{Table: 3, Elems: []uint32{0, 2}, Globals: []byte{binary.I32, binary.I64, binary.F64, binary.V128}, Passive: []byte("p"), MaxPages: 9}
	for name, wasm := range map[string][]byte{"assembled": guest.Wasm(), "built by clang": kernels(t)} {
		t.Run(name, func(t *testing.T) {
			once := again(t, wasm)
			if twice := again(t, once); !bytes.Equal(once, twice) {
				t.Error("the second encoding differs from the first")
			}
			if name == "assembled" && !bytes.Equal(once, wasm) {
				t.Error("the encoding differs from what was decoded")
			}
		})
	}
}

func again(t testing.TB, wasm []byte) []byte {
	t.Helper()
	m, err := binary.Decode(wasm)
	if err != nil {
		t.Fatal(err)
	}
	return binary.Encode(m)
}

// TestBody walks over instructions of every kind of immediate.
func TestBody(t *testing.T) {
	code := []byte{
		0x02, 0x40, // block
		0x41, 0x80, 0x7f, // i32.const -128
		0x0e, 2, 0, 1, 0, // br_table 0 1, else 0
		0x0b,                // end
		0x28, 2, 0x80, 0x01, // i32.load offset 128
		0x11, 3, 0, // call_indirect type 3
		0x1c, 1, 0x7f, // select i32
		0x44, 0, 0, 0, 0, 0, 0, 0, 0, // f64.const
		0xfc, 10, 0, 0, // memory.copy
		0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // v128.const
		0xfd, 0xd1, 0x01, // i64x2.sub
		0xd2, 7, // ref.func 7
		0x0b,
	}
	want := []binary.Op{
		binary.Block, binary.I32Const, binary.BrTable, binary.End, binary.I32Load, binary.CallIndirect, binary.SelectTyped,
		binary.F64Const, binary.MemoryCopy, 0xfd0c, 0xfdd1, binary.RefFunc, binary.End,
	}
	var b binary.Body
	var got []binary.Op
	var seen []byte
	for b.Walk(&binary.Code{Body: code}); b.Next(); {
		got = append(got, b.Op)
		seen = append(seen, b.Bytes()...)
		switch {
		case b.Op == binary.I32Const && b.Const != -128,
			b.Op == binary.CallIndirect && b.Index != 3,
			b.Op == binary.RefFunc && b.Index != 7,
			b.Op == binary.BrTable && len(b.Targets) != 3:
			t.Errorf("instruction %#x has immediates %+v", b.Op, b.Instr)
		}
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(seen, code) {
		t.Error("the instructions in a row are not the body")
	}
	if len(got) != len(want) {
		t.Fatalf("instructions are %#x, want %#x", got, want)
	}
	for n := range want {
		if got[n] != want[n] {
			t.Errorf("instruction %d is %#x, want %#x", n, got[n], want[n])
		}
	}
}

// FuzzDecode: any bytes are a module or an error of the two kinds, and what is a
// module encodes to one.
func FuzzDecode(f *testing.F) {
	f.Add(kernels(f))
	f.Add(assemble.Guest{Table: 1, Elems: []uint32{1}, Globals: []byte{binary.I32}}.Wasm())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := binary.Decode(wasm)
		if err != nil {
			var bad *binary.Error
			var unsupported *binary.Unsupported
			if !errors.As(err, &bad) && !errors.As(err, &unsupported) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		var b binary.Body
		for n := range m.Code {
			for b.Walk(&m.Code[n]); b.Next(); {
			}
		}
		for _, i := range m.Imports {
			if i.Kind != binary.KindFunc {
				return // only functions are written
			}
		}
		once := again(t, wasm)
		if !bytes.Equal(once, again(t, once)) {
			t.Fatal("the second encoding differs from the first")
		}
	})
}
