package host_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
)

// change decodes nothing: it alters a good guest's module before it is encoded.
func change(g as.Guest, f func(*binary.Module)) []byte {
	m := g.Module()
	f(m)
	return binary.Encode(m)
}

func description(text string) []byte { return as.Guest{Describe: text}.Wasm() }

func TestLoadRefuses(t *testing.T) {
	good := as.Guest{}.Wasm()
	first := uint32(3) // the first of Funcs
	cases := []struct {
		name string
		wasm []byte
		want []string // parts of the message
	}{
		{"nothing", nil, []string{"not a valid module", "does not start with"}},
		{"text", []byte("hello, world"), []string{"does not start with"}},
		{"a truncated module", good[:len(good)-40], []string{"not a valid module", "expected"}},
		{"trailing bytes", append(append([]byte{}, good...), 99, 0), []string{"unknown section 99"}},
		{"an unknown version", append([]byte{0, 'a', 's', 'm', 2, 0, 0, 0}, good[8:]...), []string{"unknown version"}},
		{"an oversize module", make([]byte, host.MaxModule+1), []string{"too large", "at most 64MiB"}},
		{"a component", []byte{0, 'a', 's', 'm', 0x0d, 0, 1, 0}, []string{"component", "core module"}},
		{"a command", as.Guest{Funcs: []as.Func{{Export: "_start"}}}.Wasm(), []string{"_start", "command", "reactor"}},
		{"no memory exported", as.Guest{NoMemory: true}.Wasm(), []string{"export memory: missing"}},
		{"no describe", as.Guest{NoDescribe: true}.Wasm(), []string{"export wasmill_describe: missing"}},
		{"no alloc", as.Guest{NoAlloc: true}.Wasm(), []string{"export wasmill_alloc: missing"}},
		{"no process", as.Guest{NoProcess: true}.Wasm(), []string{"export wasmill_process: missing"}},
		{"a wrong signature of an export", as.Guest{Funcs: []as.Func{{Export: "wasmill_flush", Params: []byte{as.I32}, Results: []byte{as.I64}, Code: as.I64Const(0)}}}.Wasm(),
			[]string{"export wasmill_flush: wrong type", "expected () → (i32)", "found (i32) → (i64)"}},
		{"a wrong signature of an import", as.Guest{Imports: []as.Import{{Module: "wasmill", Name: "emit", Params: []byte{as.I64}}}}.Wasm(),
			[]string{"import wasmill.emit: wrong type", "expected (i32, i32, i32) → ()", "found (i64) → ()"}},
		{"an unknown import", as.Guest{Imports: []as.Import{{Module: "env", Name: "malloc"}}}.Wasm(), []string{"import env.malloc", "no such function", "link it in"}},
		{"an unknown import of wasmill", as.Guest{Imports: []as.Import{{Module: "wasmill", Name: "emitt"}}}.Wasm(), []string{"import wasmill.emitt"}},
		{"the host's own import", as.Guest{Imports: []as.Import{{Module: "wasmill:host", Name: "safepoint", Params: []byte{as.I64}, Results: []byte{as.I64}}}}.Wasm(), []string{"import wasmill:host.safepoint"}},
		{"an imported memory", append(append([]byte{}, good[:8]...), 2, 10, 1, 3, 'e', 'n', 'v', 1, 'm', 2, 0, 1), []string{"import env.m", "only functions"}},
		{"an unknown export of the interface", as.Guest{Funcs: []as.Func{{Export: "wasmill_proces"}}}.Wasm(), []string{"export wasmill_proces", "no such function"}},
		{"a reserved export", as.Guest{Funcs: []as.Func{{Export: "wasmill:meter"}}}.Wasm(), []string{"reserved"}},
		{"an export twice", as.Guest{Funcs: []as.Func{{Export: "a"}, {Export: "a"}}}.Wasm(), []string{"exported twice"}},
		{"threads", change(as.Guest{}, func(m *binary.Module) { m.Code[2].Body = as.End(as.Join([]byte{0xfe, 3, 0}, as.I32Const(0))) }), []string{"threads"}},
		{"exceptions", change(as.Guest{}, func(m *binary.Module) { m.Code[2].Body = []byte{0x08, 0, 0x0b} }), []string{"exceptions"}},
		{"tail calls", change(as.Guest{}, func(m *binary.Module) { m.Code[2].Body = []byte{0x12, 0, 0x0b} }), []string{"tail calls"}},
		{"relaxed SIMD", change(as.Guest{}, func(m *binary.Module) { m.Code[2].Body = []byte{0xfd, 0x80, 2, 0x0b} }), []string{"relaxed SIMD"}},
		{"garbage collection", change(as.Guest{}, func(m *binary.Module) { m.Code[2].Body = []byte{0xfb, 0, 0, 0x0b} }), []string{"garbage collection"}},
		{"multi-memory", change(as.Guest{}, func(m *binary.Module) { m.Memories = append(m.Memories, binary.Limits{Min: 1}) }), []string{"multi-memory"}},
		{"memory64", swap(good, []byte{5, 3, 1, 0, 2}, []byte{5, 3, 1, 4, 2}), []string{"memory64"}},
		{"a shared memory", swap(good, []byte{5, 3, 1, 0, 2}, []byte{5, 3, 1, 2, 2}), []string{"threads"}},
		{"a memory of 1 GiB from the start", as.Guest{Pages: 1 << 14}.Wasm(), []string{"memory starts too large", "found 1GiB"}},
		{"a huge table from the start", as.Guest{Table: 1 << 30}.Wasm(), []string{"table starts too large"}},
		{"a type error", as.Guest{Process: as.I64Const(0)}.Wasm(), []string{"not a valid module"}},
		{"a call of a missing function", as.Guest{Process: as.Join(as.Call(999), as.I32Const(0))}.Wasm(), []string{"no function 999"}},
		{"loops that the compiler chokes on", as.Guest{Process: as.Join(nest(4000), as.I32Const(0))}.Wasm(), []string{"too many locals (3) for loops nested"}},
		{"a start function that traps", as.Guest{Start: &first, Funcs: []as.Func{{Code: as.Op(binary.Unreachable)}}}.Wasm(), []string{"start function: trap: unreachable"}},
		{"a start function that spins", as.Guest{Start: &first, Funcs: []as.Func{{Code: as.Forever()}}}.Wasm(), []string{"start function", "limit cpuPerBatch"}},
		{"an initializer that spins", as.Guest{Funcs: []as.Func{{Export: "_initialize", Code: as.Forever()}}}.Wasm(), []string{"_initialize", "limit cpuPerBatch"}},
		{"data outside memory", change(as.Guest{}, func(m *binary.Module) {
			m.Data = append(append([]byte{1, 0}, as.End(as.I32Const(-1))...), 1, 'x')
			n := uint32(1)
			m.DataCount = &n
		}), []string{"can't be instantiated"}},
		{"a description that is not JSON", description("{abi:1}"), []string{"wasmill_describe", "not a JSON object"}},
		{"a description of another version", description(`{"abi":2,"name":"x"}`), []string{"abi 2, this host speaks 1"}},
		{"a description without a name", description(`{"abi":1,"shape":"process","inputs":["in"]}`), []string{"name"}},
		{"a description of an unknown shape", description(`{"abi":1,"name":"x","shape":"window"}`), []string{`shape "window"`}},
		{"a description without inputs", description(`{"abi":1,"name":"x","shape":"process"}`), []string{"no inputs"}},
		{"a source with inputs", description(`{"abi":1,"name":"x","shape":"source","inputs":["in"]}`), []string{"shape source has none"}},
		{"a source without poll", description(`{"abi":1,"name":"x","shape":"source"}`), []string{"export wasmill_poll: missing", "shape source"}},
		{"an aggregate without accumulate", description(`{"abi":1,"name":"x","shape":"aggregate","inputs":["in"]}`), []string{"export wasmill_accumulate: missing", "shape aggregate"}},
		{"an aggregate without finish", windowGuest("aggregate", "wasmill_accumulate", "wasmill_merge"), []string{"export wasmill_finish: missing"}},
		{"an aggregate of two inputs", description(`{"abi":1,"name":"x","shape":"aggregate","inputs":["a","b"]}`), []string{"shape aggregate has one"}},
		{"an apply without apply", description(`{"abi":1,"name":"x","shape":"apply","inputs":["in"]}`), []string{"export wasmill_apply: missing"}},
		{"wrong signatures of timers", as.Guest{Funcs: []as.Func{{Export: "wasmill_timers", Code: nil}}}.Wasm(), []string{"export wasmill_timers: wrong type", "expected (i32, i32) → (i32)"}},
		{"a wrong signature of watermark", as.Guest{Funcs: []as.Func{{Export: "wasmill_watermark", Params: []byte{as.I32}, Results: []byte{as.I32}, Code: as.I32Const(0)}}}.Wasm(), []string{"expected (i64) → (i32)"}},
		{"a wrong signature of state", as.Guest{Imports: []as.Import{imported("state", "iiii", as.I32)}}.Wasm(), []string{"import wasmill.state: wrong type", "(i32, i32, i32, i32) → (i64)"}},
		{"a wrong signature of timer_set", as.Guest{Imports: []as.Import{imported("timer_set", "iiiiii", 0)}}.Wasm(), []string{"import wasmill.timer_set: wrong type", "(i32, i64, i32, i32, i32, i32)"}},
		{"a table of no scope", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"tables":[{"name":"t"}]}`), []string{`table "t" of scope ""`}},
		{"a table twice", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"tables":[{"name":"t","scope":"key"},{"name":"t","scope":"key"}]}`), []string{`table "t" twice`}},
		{"a table of a bad name", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"tables":[{"name":"$timers","scope":"key"}]}`), []string{`a table "$timers"`}},
		{"a table of a bad ttl", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"tables":[{"name":"t","scope":"key","ttl":"soon"}]}`), []string{`ttl "soon"`}},
		{"a source with a table by key", description(`{"abi":1,"name":"x","shape":"source","tables":[{"name":"t","scope":"key"}]}`), []string{`table "t" by key`}},
		{"an aggregate with tables", description(`{"abi":1,"name":"x","shape":"aggregate","inputs":["a"],"tables":[{"name":"t","scope":"key"}]}`), []string{"shape aggregate has none"}},
		{"an input twice", description(`{"abi":1,"name":"x","shape":"process","inputs":["a","a"]}`), []string{`input "a" twice`}},
		{"an output of a bad name", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"outputs":["A b"]}`), []string{`output "A b"`}},
		{"a config that is no schema", description(`{"abi":1,"name":"x","shape":"process","inputs":["a"],"config":[1]}`), []string{"config"}},
		{"a description outside memory", change(as.Guest{}, func(m *binary.Module) { m.Code[0].Body = as.End(as.I64Const(-1)) }), []string{"outside the memory"}},
		{"a describe that traps", change(as.Guest{}, func(m *binary.Module) { m.Code[0].Body = []byte{0, 0x0b} }), []string{"wasmill_describe", "unreachable"}},
	}
	h, err := host.New(t.Context(), host.Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := h.Load(t.Context(), c.wasm)
			if err == nil {
				m.Close()
				t.Fatal("the module was loaded")
			}
			var refusal *host.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("%T is not a refusal: %v", err, err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// nest is loops in loops.
func nest(depth int) []byte {
	code := bytes.Repeat([]byte{byte(binary.Loop), 0x40}, depth)
	return append(code, bytes.Repeat([]byte{byte(binary.End)}, depth)...)
}

func swap(b, old, new []byte) []byte {
	return []byte(strings.Replace(string(b), string(old), string(new), 1))
}

// TestLoadSurvivesMutations gives the host modules with flipped, cut, doubled and
// overwritten bytes. Each is a module that runs or a refusal (row 20 of the faults).
func TestLoadSurvivesMutations(t *testing.T) {
	kernels, err := os.ReadFile("testdata/kernels.wasm")
	if err != nil {
		t.Fatal(err)
	}
	seeds := [][]byte{kernels, as.Guest{Table: 4, Elems: []uint32{0, 1}, Globals: []byte{as.I32, as.I64}, Passive: []byte("abc")}.Wasm()}
	h, err := host.New(t.Context(), host.Config{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	const mutations = 10_000
	random := newRandom(1)
	loaded := 0
	for n := range mutations {
		wasm := mutate(random, seeds[n%len(seeds)])
		m, err := h.Load(t.Context(), wasm)
		if err == nil {
			loaded++
			m.Close()
			continue
		}
		var refusal *host.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("mutation %d: %T is not a refusal: %v", n, err, err)
		}
	}
	t.Logf("%d of %d mutations still run", loaded, mutations)
}

func FuzzLoad(f *testing.F) {
	f.Add(as.Guest{}.Wasm())
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	h, err := host.New(f.Context(), host.Config{Interpreter: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := h.Load(t.Context(), wasm)
		if err == nil {
			m.Close()
			return
		}
		var refusal *host.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("%T is not a refusal: %v", err, err)
		}
	})
}
