package host

import (
	"slices"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// Inspection is what can be told of a module besides what it describes.
type Inspection struct {
	SHA256    string          `json:"sha256"`
	Bytes     int             `json:"bytes"`
	Functions int             `json:"functions"` // of its own
	Imports   []FunctionType  `json:"imports"`
	Exports   []FunctionType  `json:"exports"` // functions only
	Memory    MemoryRange     `json:"memory"`
	Table     int64           `json:"table"`    // entries of the largest table at the start
	Features  []string        `json:"features"` // used beyond the WebAssembly MVP
	NoImage   string          `json:"noImage"`  // why no image can be taken; empty if one can
	Globals   int             `json:"globals"`  // that change, and are in an image
	Custom    []CustomSection `json:"custom"`
}

// FunctionType is a function that crosses the boundary. Module is empty for exports.
type FunctionType struct {
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	Type   string `json:"type"` // "(i32, i32) → i32"
}

// MemoryRange is how large a memory is when it starts and may become, in bytes. Max is
// 0 if the module sets no maximum.
type MemoryRange struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// CustomSection is a part of the module that is not code or data: names, debugging.
type CustomSection struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Inspect tells what the module is made of.
func (m *Module) Inspect() Inspection {
	i := m.inspection
	i.Features, i.NoImage, i.Globals = slices.Clone(m.info.Features), m.noImage(), len(m.globals)
	return i
}

// Exports reports whether the module exports a function of that name.
func (m *Module) Exports(name string) bool {
	return slices.ContainsFunc(m.inspection.Exports, func(f FunctionType) bool { return f.Name == name })
}

// inspect collects what the bodies have no part in; it runs before the rewriter.
func (m *Module) inspect(b *binary.Module, size int) {
	i := Inspection{SHA256: m.hash, Bytes: size, Functions: len(b.Functions)}
	typeText := func(n uint32) string {
		return signature{letters(b.Types[n].Params), letters(b.Types[n].Results)}.String()
	}
	for _, f := range b.Imports {
		i.Imports = append(i.Imports, FunctionType{f.Module, f.Name, typeText(f.Type)})
	}
	types, _ := b.FuncTypes()
	for _, e := range b.Exports {
		if e.Kind == binary.KindFunc {
			i.Exports = append(i.Exports, FunctionType{Name: e.Name, Type: typeText(types[e.Index])})
		}
	}
	i.Memory.Min = int64(b.Memories[0].Min) * wasmPage
	if b.Memories[0].HasMax {
		i.Memory.Max = int64(b.Memories[0].Max) * wasmPage
	}
	for _, c := range b.Customs {
		i.Custom = append(i.Custom, CustomSection{cut(c.Name), len(c.Data)})
	}
	i.Table = m.tableEntries
	m.inspection = i
}
