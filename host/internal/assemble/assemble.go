// Package assemble writes small guests for the tests of host, without a toolchain.
// Code is put together from pieces of bytes: each function here gives one
// instruction, or several in a row.
//
// Start with Guest, whose zero value is a pass-through that does nothing.
package assemble

import (
	"encoding/binary"
	"fmt"
	"slices"

	wasm "github.com/wasmill/wasmill/host/internal/binary"
)

// Value types for signatures.
const (
	I32 = wasm.I32
	I64 = wasm.I64
	F64 = wasm.F64
)

// Func is a function: its type, its locals and its instructions without the last end.
type Func struct {
	Export  string
	Params  []byte
	Results []byte
	Locals  []byte
	Code    []byte
}

// Import is an imported function.
type Import struct {
	Module, Name    string
	Params, Results []byte
}

// Guest is an operator. Imports come first in the index space of functions, then
// describe (0 behind them), alloc (1), process (2) and Funcs.
type Guest struct {
	Describe   string // JSON; "" is a process shape with input in and output out
	Imports    []Import
	Process    []byte // code of wasmill_process(input, ptr, len); nil answers 0
	Locals     []byte // of Process, behind its three parameters
	Alloc      []byte // code of wasmill_alloc(size); nil answers Buffer
	Funcs      []Func
	Pages      uint32 // of memory, at least 2
	MaxPages   uint32
	Table      uint32   // entries of a table of functions; 0: no table
	Elems      []uint32 // functions in the table from entry 0 on
	Globals    []byte   // types of mutable globals, zero
	Start      *uint32
	Data       []byte // at DataAt
	NoMemory   bool   // leave memory unexported
	NoDescribe bool
	NoAlloc    bool
	NoProcess  bool
	Passive    []byte // a passive data segment, number 1
}

// Places in the memory of a Guest.
const (
	DescribeAt = 16
	DataAt     = 4096
	Buffer     = 65536
)

// Description is what a Guest describes if it says nothing else.
const Description = `{"abi":1,"name":"test","shape":"process","inputs":["in"],"outputs":["out"]}`

// Wasm encodes the guest.
func (g Guest) Wasm() []byte { return wasm.Encode(g.Module()) }

// Module gives the guest in decoded form.
func (g Guest) Module() *wasm.Module {
	m := &wasm.Module{}
	for _, i := range g.Imports {
		m.Imports = append(m.Imports, wasm.Import{Module: i.Module, Name: i.Name, Type: typeOf(m, i.Params, i.Results)})
	}
	if g.Describe == "" {
		g.Describe = Description
	}
	funcs := []Func{
		{Export: unless(g.NoDescribe, "wasmill_describe"), Results: []byte{I64}, Code: I64Const(DescribeAt<<32 | int64(len(g.Describe)))},
		{Export: unless(g.NoAlloc, "wasmill_alloc"), Params: []byte{I32}, Results: []byte{I32}, Code: or(g.Alloc, I32Const(Buffer))},
		{Export: unless(g.NoProcess, "wasmill_process"), Params: []byte{I32, I32, I32}, Results: []byte{I32}, Locals: g.Locals, Code: or(g.Process, I32Const(0))},
	}
	for _, f := range append(funcs, g.Funcs...) {
		if f.Export != "" {
			m.Exports = append(m.Exports, wasm.Export{Name: f.Export, Kind: wasm.KindFunc, Index: uint32(len(m.Imports) + len(m.Functions))})
		}
		m.Functions = append(m.Functions, typeOf(m, f.Params, f.Results))
		c := wasm.Code{Body: append(slices.Clone(f.Code), byte(wasm.End))}
		for _, l := range f.Locals {
			c.Locals = append(c.Locals, wasm.Local{Count: 1, Type: l})
		}
		m.Code = append(m.Code, c)
	}
	m.Memories = []wasm.Limits{{Min: max(2, g.Pages), Max: g.MaxPages, HasMax: g.MaxPages > 0}}
	if !g.NoMemory {
		m.Exports = append(m.Exports, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	}
	for _, t := range g.Globals {
		m.Globals = append(m.Globals, wasm.Global{Type: t, Mutable: true, Init: wasm.Const{Code: zero(t)}})
	}
	if g.Table > 0 {
		m.Tables = []wasm.Table{{Type: wasm.FuncRef, Limits: wasm.Limits{Min: g.Table}}}
		m.Elems = []wasm.Elem{{Offset: wasm.Const{Code: End(I32Const(0))}, Funcs: g.Elems}}
	}
	m.Start = g.Start
	g.data(m)
	return m
}

func (g Guest) data(m *wasm.Module) {
	segments := uint32(2)
	at := func(offset int32, data []byte) []byte {
		b := append([]byte{0}, End(I32Const(offset))...)
		return append(wasm.AppendU32(b, uint32(len(data))), data...)
	}
	b := at(DescribeAt, []byte(g.Describe))
	passive := append([]byte{1}, wasm.AppendU32(nil, uint32(len(g.Passive)))...)
	b = append(append(b, passive...), g.Passive...)
	if len(g.Data) > 0 {
		segments++
		b = append(b, at(DataAt, g.Data)...)
	}
	m.DataCount = &segments
	m.Data = append(wasm.AppendU32(nil, segments), b...)
}

func typeOf(m *wasm.Module, params, results []byte) uint32 {
	for n, t := range m.Types {
		if slices.Equal(t.Params, params) && slices.Equal(t.Results, results) {
			return uint32(n)
		}
	}
	m.Types = append(m.Types, wasm.FuncType{Params: params, Results: results})
	return uint32(len(m.Types) - 1)
}

func zero(t byte) []byte {
	switch t {
	case wasm.I32:
		return End(I32Const(0))
	case wasm.I64:
		return End(I64Const(0))
	case wasm.F64:
		return End(append([]byte{byte(wasm.F64Const)}, make([]byte, 8)...))
	case wasm.V128:
		return End(append([]byte{0xfd, 12}, make([]byte, 16)...))
	}
	panic(fmt.Sprintf("assemble: no zero of type %#x", t))
}

func unless(no bool, name string) string {
	if no {
		return ""
	}
	return name
}

func or(code, otherwise []byte) []byte {
	if code == nil {
		return otherwise
	}
	return code
}

// Join puts code in a row.
func Join(code ...[]byte) []byte { return slices.Concat(code...) }

// End closes a block or a constant expression.
func End(code []byte) []byte { return append(slices.Clone(code), byte(wasm.End)) }

// Op is an instruction with indices as immediates.
func Op(op wasm.Op, immediates ...uint32) []byte {
	b := wasm.AppendOp(nil, op)
	for _, v := range immediates {
		b = wasm.AppendU32(b, v)
	}
	return b
}

// I32Const pushes a constant.
func I32Const(v int32) []byte {
	return wasm.AppendS64([]byte{byte(wasm.I32Const)}, int64(v))
}

// I64Const pushes a constant.
func I64Const(v int64) []byte { return wasm.AppendS64([]byte{byte(wasm.I64Const)}, v) }

// F64Const pushes a constant, given by its bits.
func F64Const(bits uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{byte(wasm.F64Const)}, bits)
}

// Loop repeats body for as long as it branches to label 0.
func Loop(body ...[]byte) []byte {
	return End(append([]byte{byte(wasm.Loop), 0x40}, Join(body...)...))
}

// Forever repeats body.
func Forever(body ...[]byte) []byte {
	return Join(Loop(Join(body...), Op(wasm.Br, 0)), Op(wasm.Unreachable))
}

// Local reads a local.
func Local(n uint32) []byte { return Op(wasm.LocalGet, n) }

// Call calls a function with arguments.
func Call(f uint32, arguments ...[]byte) []byte {
	return append(Join(arguments...), Op(wasm.Call, f)...)
}
