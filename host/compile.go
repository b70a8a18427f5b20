package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/host/internal/rewrite"
)

// wazeroVersion is part of the names of cache entries.
const wazeroVersion = "1.12.0"

// compile makes runnable code of a module: its rewriting and its machine code come
// from the cache if they are there.
func (m *Module) compile(ctx context.Context, h *Host, b *binary.Module) error {
	options := rewrite.Options{NoSafepoints: h.config.NoSafepoints}
	e, err := openEntry(h.config.CacheDir, entryName(m.hash, h.config))
	if err != nil {
		h.config.Logger.Warn("module cache", "error", err)
	}
	defer e.drop()
	code, err := m.rewritten(e, b, options)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	err = m.compileIn(limited, h.config, e.dir, b, code)
	if err != nil && e.dir != "" && limited.Err() == nil {
		// The cache may be what failed: its disk may be full.
		err = m.compileIn(limited, h.config, "", b, code)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return fmt.Errorf("compile module: %w", ctx.Err())
	case limited.Err() != nil:
		return m.refuse(Refusal{Reason: fmt.Sprintf("the module takes more than %s to compile", compileTime)})
	default:
		return m.refuse(Refusal{Reason: "not a valid module: " + firstLine(err)})
	}
	if m.cache != nil {
		if err := e.publish(m.info); err != nil {
			h.config.Logger.Warn("module cache", "error", err)
		}
	}
	return nil
}

// compileTime bounds compilation. Only with several workers wazero looks at the clock,
// between functions.
const compileTime = 2 * time.Minute

// compileIn compiles with a cache directory, or without.
func (m *Module) compileIn(ctx context.Context, c Config, cacheDir string, b *binary.Module, code []byte) error {
	if err := m.Close(); err != nil {
		return err
	}
	if err := m.newRuntime(ctx, c, cacheDir, b); err != nil {
		return err
	}
	var err error
	m.compiled, err = m.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, max(2, runtime.NumCPU())), code)
	return err
}

// entryName has all that the contents of an entry depend on, but the processor's
// features, which wazero looks at.
func entryName(hash string, c Config) string {
	mode := "safepoints"
	if c.NoSafepoints {
		mode = "plain"
	}
	return fmt.Sprintf("%s-%s-rewriter%d-wazero%s-%s", hash, mode, rewrite.Version, wazeroVersion, runtime.GOARCH)
}

// rewritten takes the module's rewriting from the entry, or makes it.
func (m *Module) rewritten(e *entry, b *binary.Module, o rewrite.Options) ([]byte, error) {
	if e.dir != "" && !e.built {
		if code, err := os.ReadFile(filepath.Join(e.dir, rewrittenFile)); err == nil {
			m.info = e.seal.Info
			return code, nil
		}
	}
	code, info, err := rewrite.Rewrite(b, o)
	if err != nil {
		return nil, m.malformed(err)
	}
	m.info = info
	if e.dir != "" {
		if err := os.WriteFile(filepath.Join(e.dir, rewrittenFile), code, 0o600); err != nil {
			e.drop()
		}
	}
	return code, nil
}

// newRuntime makes a wazero runtime of the module's own, with what it imports.
func (m *Module) newRuntime(ctx context.Context, c Config, cacheDir string, b *binary.Module) error {
	config := wazero.NewRuntimeConfig()
	if c.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithDebugInfoEnabled(false).WithCoreFeatures(api.CoreFeaturesV2)
	if cacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return fmt.Errorf("open module cache: %w", err)
		}
		m.cache = cache
		config = config.WithCompilationCache(cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	needed := map[string][]*hostFunc{rewrite.HookModule: {&safepoint}}
	for n := range b.Imports {
		f := findImport(b.Imports[n].Module, b.Imports[n].Name)
		if f != nil && !slices.Contains(needed[b.Imports[n].Module], f) {
			needed[b.Imports[n].Module] = append(needed[b.Imports[n].Module], f)
		}
	}
	for name, funcs := range needed {
		builder := m.runtime.NewHostModuleBuilder(name)
		for _, f := range funcs {
			builder.NewFunctionBuilder().WithGoFunction(f.goFunc(), valueTypes(f.params), valueTypes(f.results)).Export(f.name)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("build host module %s: %w", name, err)
		}
	}
	return nil
}

// errPanic is what a panic of the compiler on a hostile module becomes.
var errPanic = errors.New("the compiler failed on it")

// guard turns a panic of the compiler into a refusal.
func (m *Module) guard(err *error) {
	if r := recover(); r != nil {
		*err = m.refuse(Refusal{Reason: "not a valid module", Err: fmt.Errorf("%w: %v", errPanic, r)})
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
