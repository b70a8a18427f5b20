// Package rewrite changes a module so that the host can stop, limit and image it:
//
//   - safepoints count fuel at loop heads and in functions that call cycles go
//     through, and call the host when it runs out; those functions count call depth,
//   - bulk operations are charged by length, big ones cut into pieces,
//   - table.grow asks a limit that the host sets,
//   - mutable globals and the start function become exports,
//   - data.drop and elem.drop do nothing, so that an image need not hold segments,
//   - jumps of Go's functions go where they lead, and not by way of a table.
//
// What the guest computes stays the same. The host's function is imported behind the
// guest's own imports, so indices of functions behind it move by one.
//
// It does not check types: what it makes is validated by wazero. Start with Rewrite;
// jump.go makes jumps direct, analysis.go decides where safepoints go, emit.go writes them, meter.go says how
// fuel and depth share a global.
package rewrite

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// Version changes whenever the same module is rewritten to other bytes.
const Version = 2

// Names that the rewriter adds. Nothing a guest exports may begin with Reserved.
const (
	Reserved       = "wasmill:"
	HookModule     = "wasmill:host"
	HookName       = "safepoint"     // (meter i64) → meter i64
	ExportMeter    = "wasmill:meter" // the mutable i64 global that holds fuel and depth
	ExportTables   = "wasmill:tables"
	ExportStart    = "wasmill:start"
	globalTemplate = "wasmill:global:%d"
)

// GlobalName is under what a mutable global of the module, by its index, is exported.
func GlobalName(index int) string { return fmt.Sprintf(globalTemplate, index) }

// Options say how to rewrite.
type Options struct {
	NoSafepoints bool // leave out fuel and depth
}

// Info is what the rewriter saw in the bodies.
type Info struct {
	Features    []string `json:"features,omitempty"`    // beyond the MVP, sorted
	TableChange string   `json:"tableChange,omitempty"` // an instruction that changes tables, if there is one
}

// Rewrite makes wasm out of m, which it changes. All imports of m are functions.
func Rewrite(m *binary.Module, o Options) (wasm []byte, info Info, err error) {
	r := &rewriter{m: m, Options: o, types: map[string]uint32{}, features: map[string]bool{}}
	r.funcTypes, r.imported = m.FuncTypes()
	r.canonicalTypes()
	for n := range m.Code {
		if err := r.shorten(&m.Code[n]); err != nil {
			return nil, info, err
		}
	}
	if err := r.analyse(); err != nil {
		return nil, info, err
	}
	r.prepare()
	code := make([]binary.Code, 0, len(m.Code)+4)
	for n := range m.Code {
		c, err := r.emit(n)
		if err != nil {
			return nil, info, err
		}
		code = append(code, c)
	}
	m.Code = append(code, r.helpers...)
	m.Customs = nil
	r.info.Features = slices.Sorted(maps.Keys(r.features))
	return binary.Encode(m), r.info, nil
}

type rewriter struct {
	Options
	m         *binary.Module
	funcTypes []uint32 // of all functions, before the change
	imported  int      // functions, before the change
	canonical []uint32 // the first type equal to each type
	types     map[string]uint32
	functions []function
	callers   graph
	features  map[string]bool
	info      Info

	shift       uint32 // of the indices of the module's own functions
	hook        uint32
	meter       uint32 // global
	tableLimit  uint32 // global
	fillHelper  uint32
	copyHelper  uint32
	growHelpers map[uint32]uint32 // by table
	helpers     []binary.Code

	body   binary.Body
	jumper jumper
}

// canonicalTypes finds equal types: call_indirect compares types, not their indices.
func (r *rewriter) canonicalTypes() {
	r.canonical = make([]uint32, len(r.m.Types))
	for n, t := range r.m.Types {
		key := typeKey(t.Params, t.Results)
		if _, known := r.types[key]; !known {
			r.types[key] = uint32(n)
		}
		r.canonical[n] = r.types[key]
	}
}

func typeKey(params, results []byte) string { return string(params) + "→" + string(results) }

// typeIndex finds or adds a type.
func (r *rewriter) typeIndex(params, results []byte) uint32 {
	key := typeKey(params, results)
	if n, known := r.types[key]; known {
		return n
	}
	n := uint32(len(r.m.Types))
	r.m.Types = append(r.m.Types, binary.FuncType{Params: params, Results: results})
	r.types[key] = n
	return n
}

// prepare adds what bodies refer to, and moves function indices outside of bodies.
func (r *rewriter) prepare() {
	m := r.m
	if !r.NoSafepoints {
		r.hook = uint32(r.imported)
		r.shift = 1
		hook := r.typeIndex([]byte{binary.I64}, []byte{binary.I64})
		m.Imports = append(m.Imports, binary.Import{Module: HookModule, Name: HookName, Type: hook})
	}
	for n := range m.Exports {
		if m.Exports[n].Kind == binary.KindFunc {
			r.move(&m.Exports[n].Index)
		}
	}
	for n := range m.Elems {
		for k := range m.Elems[n].Funcs {
			r.move(&m.Elems[n].Funcs[k])
		}
		for k := range m.Elems[n].Exprs {
			r.move(&m.Elems[n].Exprs[k].Func)
		}
	}
	for n := range m.Globals {
		r.move(&m.Globals[n].Init.Func)
		if m.Globals[n].Mutable {
			r.export(GlobalName(n), binary.KindGlobal, uint32(n))
		}
	}
	if m.Start != nil {
		r.move(m.Start)
		r.export(ExportStart, binary.KindFunc, *m.Start)
		m.Start = nil
	}
	r.meter = r.global(binary.I64, []byte{byte(binary.I64Const), 0, byte(binary.End)}, ExportMeter)
	r.tableLimit = r.global(binary.I32, []byte{byte(binary.I32Const), 0, byte(binary.End)}, ExportTables)
	r.addHelpers()
}

// move follows a function to its place behind the hook.
func (r *rewriter) move(f *uint32) { *f = r.moved(*f) }

func (r *rewriter) moved(f uint32) uint32 {
	if f >= uint32(r.imported) {
		return f + r.shift
	}
	return f
}

func (r *rewriter) export(name string, kind byte, index uint32) {
	r.m.Exports = append(r.m.Exports, binary.Export{Name: name, Kind: kind, Index: index})
}

func (r *rewriter) global(valueType byte, init []byte, name string) uint32 {
	n := uint32(len(r.m.Globals))
	r.m.Globals = append(r.m.Globals, binary.Global{Type: valueType, Mutable: true, Init: binary.Const{Code: init}})
	r.export(name, binary.KindGlobal, n)
	return n
}

// helper adds a function behind the module's own.
func (r *rewriter) helper(params, results []byte, c binary.Code) uint32 {
	r.m.Functions = append(slices.Clip(r.m.Functions), r.typeIndex(params, results))
	r.helpers = append(r.helpers, c)
	return uint32(r.imported) + r.shift + uint32(len(r.m.Functions)) - 1
}
