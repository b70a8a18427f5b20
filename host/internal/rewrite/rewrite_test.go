package rewrite_test

import (
	"os"
	"slices"
	"testing"

	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/host/internal/rewrite"
)

func rewritten(t testing.TB, wasm []byte, o rewrite.Options) (*binary.Module, rewrite.Info) {
	t.Helper()
	m, err := binary.Decode(wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, info, err := rewrite.Rewrite(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = binary.Decode(out); err != nil {
		t.Fatalf("decode what was rewritten: %v", err)
	}
	return m, info
}

// calls counts the calls of the hook in a function.
func hookCalls(t testing.TB, m *binary.Module, function int) int {
	t.Helper()
	hook := uint32(len(m.Imports) - 1)
	n := 0
	var b binary.Body
	for b.Walk(&m.Code[function]); b.Next(); {
		if b.Op == binary.Call && b.Index == hook {
			n++
		}
	}
	return n
}

// TestSafepoints: every loop and every cycle of calls has a safepoint, and small
// functions on the way have none.
func TestSafepoints(t *testing.T) {
	const process, first = 2, 3
	call := func(f uint32) []byte { return as.Call(f) }
	for _, test := range []struct {
		name  string
		guest as.Guest
		want  map[int]int // function → safepoints
	}{
		{"straight code", as.Guest{}, map[int]int{process: 0}},
		{"a loop", as.Guest{Process: as.Join(as.Loop(), as.I32Const(0))}, map[int]int{process: 1}},
		{"nested loops", as.Guest{Process: as.Join(as.Loop(as.Loop(), as.Loop()), as.I32Const(0))}, map[int]int{process: 3}},
		{"recursion", as.Guest{Funcs: []as.Func{{Code: call(first)}}}, map[int]int{first: 1, process: 0}},
		{"a cycle of two is cut once", as.Guest{Funcs: []as.Func{{Code: call(first + 1)}, {Code: call(first)}}}, map[int]int{first: 1, first + 1: 0}},
		{"a leaf that is called", as.Guest{Process: as.Join(call(first), as.I32Const(0)), Funcs: []as.Func{{}}}, map[int]int{process: 0, first: 0}},
		{"an indirect call", as.Guest{Table: 1, Elems: []uint32{first}, Process: as.Join(as.I32Const(0), as.Op(binary.CallIndirect, 3, 0), as.I32Const(0)), Funcs: []as.Func{{}}},
			map[int]int{process: 0, first: 1}},
		{"a function in a table nobody calls through", as.Guest{Table: 1, Elems: []uint32{first}, Funcs: []as.Func{{}}}, map[int]int{first: 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, _ := rewritten(t, test.guest.Wasm(), rewrite.Options{})
			for function, want := range test.want {
				if got := hookCalls(t, m, function); got != want {
					t.Errorf("function %d has %d safepoints, want %d", function, got, want)
				}
			}
		})
	}
}

// TestExports: what the host needs to reach is exported, and the start function is not
// started.
func TestExports(t *testing.T) {
	start := uint32(3)
	g := as.Guest{Start: &start, Globals: []byte{binary.I32, binary.I64}, Funcs: []as.Func{{}}}
	for name, o := range map[string]rewrite.Options{"safepoints": {}, "plain": {NoSafepoints: true}} {
		t.Run(name, func(t *testing.T) {
			m, _ := rewritten(t, g.Wasm(), o)
			var names []string
			for _, e := range m.Exports {
				names = append(names, e.Name)
			}
			for _, want := range []string{rewrite.ExportStart, rewrite.ExportMeter, rewrite.ExportTables, rewrite.GlobalName(0), rewrite.GlobalName(1)} {
				if !slices.Contains(names, want) {
					t.Errorf("%s is not exported: %q", want, names)
				}
			}
			if m.Start != nil {
				t.Error("the start function would run by itself")
			}
		})
	}
}

// TestMeter: fuel and depth do not run into each other.
func TestMeter(t *testing.T) {
	value := rewrite.Meter(7, 100)
	for _, step := range []struct {
		charge      int64
		fuel, depth int32
	}{{40, 60, 7}, {1<<32 + 50, 10, 6}, {30, -20, 6}} {
		value -= uint64(step.charge)
		if rewrite.Fuel(value) != step.fuel || rewrite.Depth(value) != step.depth {
			t.Errorf("after %d: fuel %d, depth %d; want %d, %d", step.charge, rewrite.Fuel(value), rewrite.Depth(value), step.fuel, step.depth)
		}
	}
}

// TestInfo: features and changes of tables are seen.
func TestInfo(t *testing.T) {
	code := as.Join(as.I32Const(0), as.Op(binary.RefNull, binary.FuncRef), as.Op(binary.TableSet, 0), as.I32Const(0), as.Op(binary.I32Extend8S))
	_, info := rewritten(t, as.Guest{Table: 1, Process: code}.Wasm(), rewrite.Options{})
	if info.TableChange != "table.set" || !slices.Equal(info.Features, []string{"reference types", "sign extension"}) {
		t.Errorf("got %+v", info)
	}
}

func BenchmarkRewrite(b *testing.B) {
	wasm, err := os.ReadFile("../../testdata/kernels.wasm")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		rewritten(b, wasm, rewrite.Options{})
	}
}
