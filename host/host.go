// Package host runs guests: it checks a wasm module, rewrites it so that it can be
// stopped, limited and imaged, compiles it, and calls its instances.
//
// It knows nothing of tasks, jobs, channels or stores: what a guest gives out goes to
// an operator.Collector, and what to do about a fault is the caller's decision.
//
// Start with Host.Load, Module.Instantiate and the methods of Instance. The rewriter
// is in internal/rewrite, WASI in wasi.go, images in image.go.
package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

// Config is how a host works. The zero value is ready to use.
type Config struct {
	// CacheDir keeps rewritten and compiled modules between runs; "" keeps none.
	CacheDir string
	// Interpreter runs guests without compiling them: slow, for comparisons and for
	// processors the compiler does not know.
	Interpreter bool
	// NoSafepoints leaves out fuel and depth counting, and with them the limits on CPU
	// and stack. For benchmarks and comparisons only.
	NoSafepoints bool
	// Logger takes what the host itself has to say; nil is slog.Default.
	Logger *slog.Logger
}

// Host compiles modules and runs their instances. Its methods may be called by any
// goroutine.
type Host struct{ config Config }

// New makes a host. It fails when the cache directory can't be made.
func New(ctx context.Context, c Config) (*Host, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.CacheDir != "" {
		if err := os.MkdirAll(c.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("make module cache: %w", err)
		}
	}
	return &Host{config: c}, nil
}

// Close ends the use of the host. Modules and instances are closed by their owners.
func (h *Host) Close() error { return nil }
