package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/sdk/abi"
)

// MaxModule is the largest module, in bytes, that a host loads.
const MaxModule = 64 << 20

// guestExports are the functions a guest may export for the host, with their types.
var guestExports = map[string]signature{
	abi.Initialize:     {"", ""},
	abi.ExportDescribe: {"", "I"},
	abi.ExportAlloc:    {"i", "i"},
	abi.ExportOpen:     {"ii", "i"},
	abi.ExportProcess:  {"iii", "i"},
	abi.ExportPoll:     {"i", "i"},
	abi.ExportFlush:    {"", "i"},
	abi.ExportEnd:      {"", "i"},

	abi.ExportTimers:     {"ii", "i"},
	abi.ExportWatermark:  {"I", "i"},
	abi.ExportBarrier:    {"I", "i"},
	abi.ExportAccumulate: {"ii", "i"},
	abi.ExportMerge:      {"ii", "i"},
	abi.ExportFinish:     {"ii", "i"},
	abi.ExportApply:      {"ii", "i"},
}

const abiPrefix = "wasmill_"

// decode reads the module's bytes and checks what can be seen without running it.
func (m *Module) decode(wasm []byte) (*binary.Module, error) {
	if len(wasm) > MaxModule {
		return nil, m.refuse(Refusal{Reason: "the module is too large", Expected: "at most " + bytesText(MaxModule), Found: bytesText(int64(len(wasm)))})
	}
	b, err := binary.Decode(wasm)
	if err != nil {
		return nil, m.malformed(err)
	}
	for _, check := range []func(*binary.Module) error{m.checkImports, m.checkMemory, m.checkExports} {
		if err := check(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// malformed refuses a module that is not one, or is more than the interface allows.
func (m *Module) malformed(err error) error {
	var unsupported *binary.Unsupported
	if errors.As(err, &unsupported) {
		return m.refuse(Refusal{Reason: err.Error(), Hint: "build for core WebAssembly 2.0 without " + unsupported.Feature})
	}
	return m.refuse(Refusal{Reason: "not a valid module: " + err.Error()})
}

func (m *Module) checkImports(b *binary.Module) error {
	for n := range b.Imports {
		i := &b.Imports[n]
		refusal := Refusal{Function: "import " + i.Module + "." + i.Name}
		if i.Kind != binary.KindFunc {
			refusal.Reason = "only functions can be imported"
			return m.refuse(refusal)
		}
		f := findImport(i.Module, i.Name)
		if f == nil {
			refusal.Reason = "the host has no such function"
			refusal.Hint = importHint(i.Module)
			return m.refuse(refusal)
		}
		t := &b.Types[i.Type]
		if found := (signature{letters(t.Params), letters(t.Results)}); found != f.signature {
			refusal.Reason, refusal.Expected, refusal.Found = "wrong type", f.signature.String(), found.String()
			return m.refuse(refusal)
		}
	}
	return nil
}

func importHint(module string) string {
	switch module {
	case abi.Module, wasiModule:
		return ""
	case "env":
		return "an undeclared function of the program was left to the host; link it in"
	}
	return fmt.Sprintf("imports come from %s and %s", abi.Module, wasiModule)
}

func findImport(module, name string) *hostFunc {
	for n := range hostModules[module] {
		if f := &hostModules[module][n]; f.name == name {
			return f
		}
	}
	return nil
}

// hostModules are what guests import from.
var hostModules = map[string][]hostFunc{abi.Module: guestFuncs, wasiModule: wasiFuncs}

func (m *Module) checkMemory(b *binary.Module) error {
	defaults := DefaultLimits()
	if len(b.Memories) == 1 {
		if least := int64(b.Memories[0].Min) * wasmPage; least > defaults.Memory {
			return m.refuse(Refusal{Function: "memory", Reason: "the memory starts too large",
				Expected: "at most " + bytesText(defaults.Memory), Found: bytesText(least), Hint: "start small and grow"})
		}
	}
	for _, t := range b.Tables {
		if int64(t.Min) > defaults.TableEntries {
			return m.refuse(Refusal{Function: "table", Reason: "a table starts too large",
				Expected: fmt.Sprintf("at most %d entries", defaults.TableEntries), Found: fmt.Sprint(t.Min)})
		}
	}
	return nil
}

func (m *Module) checkExports(b *binary.Module) error {
	funcTypes, _ := b.FuncTypes()
	seen := map[string]bool{}
	for _, e := range b.Exports {
		refusal := Refusal{Function: "export " + cut(e.Name)}
		if seen[e.Name] {
			refusal.Reason = "exported twice"
			return m.refuse(refusal)
		}
		seen[e.Name] = true
		expected, known := guestExports[e.Name]
		switch {
		case e.Name == "_start":
			refusal.Reason = "this is a command, which runs once and ends"
			refusal.Hint = "build a reactor: with Go -buildmode=c-shared, with clang -mexec-model=reactor or --no-entry"
		case strings.HasPrefix(e.Name, rewrite.Reserved):
			refusal.Reason = "the name is reserved for the host"
		case strings.HasPrefix(e.Name, abiPrefix) && !known:
			refusal.Reason = "the guest interface has no such function"
			refusal.Hint = fmt.Sprintf("this host speaks version %d of it", abi.Version)
		case known && e.Kind != binary.KindFunc:
			refusal.Reason = "not a function"
		case e.Name == abi.Memory && (e.Kind != binary.KindMemory || e.Index != 0 || len(b.Memories) == 0):
			refusal.Reason = "not the module's memory"
		case known:
			t := &b.Types[funcTypes[e.Index]]
			found := signature{letters(t.Params), letters(t.Results)}
			if found == expected {
				continue
			}
			refusal.Reason, refusal.Expected, refusal.Found = "wrong type", expected.String(), found.String()
		default:
			continue
		}
		return m.refuse(refusal)
	}
	return m.checkRequired(seen)
}

func (m *Module) checkRequired(exports map[string]bool) error {
	for _, name := range []string{abi.Memory, abi.ExportDescribe, abi.ExportAlloc} {
		if !exports[name] {
			return m.refuse(Refusal{Function: "export " + name, Reason: "missing", Hint: "an operator exports it; see sdk/abi.md"})
		}
	}
	for _, calls := range shapeCalls {
		if exports[calls[0]] {
			return nil
		}
	}
	return m.refuse(Refusal{Function: "export " + abi.ExportProcess, Reason: "missing",
		Hint: fmt.Sprintf("an operator exports it or, being of another shape, %s, %s or %s", abi.ExportPoll, abi.ExportAccumulate, abi.ExportApply)})
}

// shapeCalls are the exports that each shape calls for.
var shapeCalls = map[abi.Shape][]string{
	abi.ShapeProcess:   {abi.ExportProcess},
	abi.ShapeSource:    {abi.ExportPoll},
	abi.ShapeAggregate: {abi.ExportAccumulate, abi.ExportMerge, abi.ExportFinish},
	abi.ShapeApply:     {abi.ExportApply},
}

// checkShape checks that the module has what the shape it describes calls for.
func (m *Module) checkShape(guest api.Module) error {
	for _, name := range shapeCalls[m.description.Shape] {
		if guest.ExportedFunction(name) == nil {
			return m.refuse(Refusal{Function: "export " + name, Reason: "missing",
				Hint: fmt.Sprintf("the module describes shape %s", m.description.Shape)})
		}
	}
	return nil
}
