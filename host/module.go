package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmill/wasmill/sdk/abi"
)

// Module is a checked and compiled module. Its methods may be called by any goroutine.
type Module struct {
	hash        string
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	description abi.Description
}

// Load checks a module, compiles it and asks it to describe itself, in a scratch
// instance. A module that can't be run is answered with a *Refusal.
func (h *Host) Load(ctx context.Context, wasm []byte) (*Module, error) {
	sum := sha256.Sum256(wasm)
	m := &Module{hash: hex.EncodeToString(sum[:])}
	if err := m.compile(ctx, h, wasm); err != nil {
		m.Close()
		return nil, err
	}
	if err := m.describe(ctx); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Module) compile(ctx context.Context, h *Host, wasm []byte) error {
	config := wazero.NewRuntimeConfig()
	if h.config.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	if h.config.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(h.config.CacheDir)
		if err != nil {
			return err
		}
		config = config.WithCompilationCache(cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config.WithDebugInfoEnabled(false))
	for name, funcs := range map[string][]hostFunc{abi.Module: guestFuncs, wasiModule: wasiFuncs} {
		builder := m.runtime.NewHostModuleBuilder(name)
		for n := range funcs {
			f := &funcs[n]
			builder.NewFunctionBuilder().WithGoFunction(f.goFunc(), valueTypes(f.params), valueTypes(f.results)).Export(f.name)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("build host module %s: %w", name, err)
		}
	}
	compiled, err := m.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, 2), wasm)
	if err != nil {
		return m.refuse(Refusal{Reason: err.Error()})
	}
	m.compiled = compiled
	return nil
}

func (m *Module) refuse(r Refusal) error {
	r.Module = m.hash[:12]
	return &r
}

// describe asks the module what it is, in an instance made for the question.
func (m *Module) describe(ctx context.Context) error {
	i, err := m.Instantiate(ctx, InstanceConfig{Collector: nil, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer i.Close()
	refused := func(err error) error {
		return m.refuse(Refusal{Function: abi.ExportDescribe, Reason: "the module can't describe itself", Err: err})
	}
	if i.exports.describe == nil || i.exports.alloc == nil {
		return m.refuse(Refusal{Reason: "missing exports"})
	}
	i.begin()
	if err := i.run(abi.ExportDescribe, i.exports.describe); err != nil {
		return refused(err)
	}
	ptr, size := uint32(i.stack[0]>>32), uint32(i.stack[0])
	text, ok := i.memory.view(ptr, size)
	if !ok || size > maxDescription {
		return refused(fmt.Errorf("%d bytes at %#x are outside the memory of %d bytes", size, ptr, i.memory.size))
	}
	m.description, err = parseDescription(text)
	if err != nil {
		return m.refuse(Refusal{Function: abi.ExportDescribe, Reason: err.Error()})
	}
	return nil
}

// Description is what the module says of itself.
func (m *Module) Description() abi.Description { return m.description }

// SHA256 is the hash, in hex, of the module as it was loaded: its name.
func (m *Module) SHA256() string { return m.hash }

// Close releases the module. Its instances must have been closed before.
func (m *Module) Close() error {
	if m.runtime == nil {
		return nil
	}
	return m.runtime.Close(context.Background())
}

// Instantiate makes an instance and runs its start function and _initialize.
func (m *Module) Instantiate(ctx context.Context, c InstanceConfig) (*Instance, error) {
	i, err := m.instance(ctx, c)
	if err != nil {
		return nil, err
	}
	if initialize := i.guest.ExportedFunction(abi.Initialize); initialize != nil {
		i.begin()
		if err := i.run(abi.Initialize, initialize); err != nil {
			i.Close()
			return nil, err
		}
	}
	return i, nil
}

func (m *Module) instance(ctx context.Context, c InstanceConfig) (*Instance, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = func() int64 { return time.Now().UnixMilli() }
	}
	i := &Instance{module: m, config: c, limits: withDefaults(c.Limits), collector: c.Collector, logger: c.Logger}
	i.context = &callContext{context.Background(), i}
	i.output[0].level, i.output[1].level = abi.LogInfo, abi.LogWarn
	i.random = c.Seed
	i.clock = c.Now() * int64(time.Millisecond)
	i.memory = &memory{limit: uint64(i.limits.Memory)}
	ctx = experimental.WithMemoryAllocator(context.WithoutCancel(ctx), i.memory)
	guest, err := m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, m.refuse(Refusal{Reason: "can't be instantiated", Err: err})
	}
	i.guest = guest
	f := func(name string) api.Function { return guest.ExportedFunction(name) }
	i.exports = exports{f(abi.ExportDescribe), f(abi.ExportAlloc), f(abi.ExportOpen), f(abi.ExportProcess), f(abi.ExportPoll), f(abi.ExportFlush), f(abi.ExportEnd)}
	return i, nil
}

func (m *Module) trace(t string) string { return "\n\t" + t }
