package host_test

import (
	"testing"

	"github.com/wasmill/wasmill/host"
)

// BenchmarkLoadCached is the time from the bytes of a Go module of about 2 MB to the
// end of its first call, with its code in the cache.
func BenchmarkLoadCached(b *testing.B) {
	wasm := guestBytes(b, "go")
	dir := b.TempDir()
	h, err := host.New(b.Context(), host.Config{CacheDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wasm)))
	load(b, wasm, host.Config{CacheDir: dir})
	for b.Loop() {
		m, err := h.Load(b.Context(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		i, err := m.Instantiate(b.Context(), fixed(&collector{}))
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Open(false); err != nil {
			b.Fatal(err)
		}
		if err := i.Process(0, step(1)); err != nil {
			b.Fatal(err)
		}
		if err := i.Close(); err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadCold is the time to load the same module without a cache.
func BenchmarkLoadCold(b *testing.B) {
	wasm := guestBytes(b, "go")
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		h, err := host.New(b.Context(), host.Config{})
		if err != nil {
			b.Fatal(err)
		}
		m, err := h.Load(b.Context(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
