package host_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
)

// cached lists the files of a cache.
func cached(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// use loads the kernels with a cache, runs them, and returns what the host logged.
func use(t *testing.T, dir string) string {
	t.Helper()
	var log bytes.Buffer
	out := &collector{}
	c := host.Config{CacheDir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	i := open(t, guestBytes(t, "c"), c, fixed(out))
	if len(steps(t, i, out, "c", 1, 3)) == 0 {
		t.Error("the guest emitted nothing")
	}
	return log.String()
}

// TestCacheHealsDamage: whatever happens to the cached files, the module runs, and the
// next use finds an intact entry.
func TestCacheHealsDamage(t *testing.T) {
	damage := map[string]func(path string, b []byte) error{
		"a flipped bit": func(path string, b []byte) error {
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"truncation": func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
		"emptiness":  func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"deletion":   func(path string, _ []byte) error { return os.Remove(path) },
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			use(t, dir)
			files := cached(t, dir)
			if len(files) != 3 {
				t.Fatalf("an entry has the files %q; rewriting, code and seal were expected", files)
			}
			for n := range files {
				path := cached(t, dir)[n]
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := spoil(path, b); err != nil {
					t.Fatal(err)
				}
				log := use(t, dir)
				if !strings.Contains(log, "module cache") {
					t.Errorf("%s of %s: the log is %q", name, filepath.Base(path), log)
				}
				if log := use(t, dir); log != "" {
					t.Errorf("%s of %s: the entry is not intact afterwards: %q", name, filepath.Base(path), log)
				}
			}
		})
	}
}

// TestCacheUnusable: without a place to write, modules run all the same.
func TestCacheUnusable(t *testing.T) {
	dir := t.TempDir()
	h, err := host.New(t.Context(), host.Config{CacheDir: filepath.Join(dir, "cache"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "cache")); err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), guestBytes(t, "c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := host.New(t.Context(), host.Config{CacheDir: "/dev/null/cache"}); err == nil {
		t.Error("a cache below a file was accepted")
	}
}
