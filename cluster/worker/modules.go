package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
)

// Modules keeps the modules that a process has compiled, by hash. It may be shared.
type Modules struct {
	host *host.Host

	mu     sync.Mutex
	loaded map[string]*host.Module // guarded by mu
	wasm   map[string][]byte       // guarded by mu
}

// NewModules keeps modules of a host.
func NewModules(h *host.Host) *Modules {
	return &Modules{host: h, loaded: map[string]*host.Module{}, wasm: map[string][]byte{}}
}

// Add compiles a module, unless it is there.
func (m *Modules) Add(ctx context.Context, wasm []byte) (*host.Module, error) {
	sum := sha256.Sum256(wasm)
	hash := hex.EncodeToString(sum[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if module, ok := m.loaded[hash]; ok {
		return module, nil
	}
	module, err := m.host.Load(ctx, wasm)
	if err != nil {
		return nil, err
	}
	m.loaded[hash] = module
	m.wasm[hash] = wasm
	return module, nil
}

// Wasm is the binary of a module that was added.
func (m *Modules) Wasm(hash string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wasm, ok := m.wasm[hash]
	if !ok {
		return nil, fault.Corruptf("no module %s", hash)
	}
	return wasm, nil
}

// get returns a module, fetching it if it is not there.
func (m *Modules) get(ctx context.Context, hash string, fetch func(context.Context, string) ([]byte, error)) (*host.Module, error) {
	m.mu.Lock()
	module, ok := m.loaded[hash]
	m.mu.Unlock()
	if ok {
		return module, nil
	}
	wasm, err := fetch(ctx, hash)
	if err != nil {
		return nil, err
	}
	module, err = m.Add(ctx, wasm)
	if err == nil && module.SHA256() != hash {
		return nil, fault.Corruptf("fetch module %s: got %s", hash, module.SHA256())
	}
	return module, err
}
