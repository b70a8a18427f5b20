package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkRun runs whole jobs in this process; one record is one operation. It is
// what to profile: go test -run '^$' -bench Run/c-chain -cpuprofile cpu.prof
// ./cmd/wasmill. The bars are measured by wasmill-bench, with the built binary.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name, module, by string
		parallelism      int
	}{
		{"c-chain", "../../sdk/c/example/pass.wasm", "forward", 1},
		{"go-chain", "../../sdk/go/example/pass.wasm", "forward", 1},
		{"c-by-key", "../../sdk/c/example/pass.wasm", "key", 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			module, err := filepath.Abs(c.module)
			if err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(b.TempDir(), "job.yaml")
			job := fmt.Sprintf(`version: 1
job: bench
parallelism: %d
operators:
  in: {source: generator, with: {records: %d, keys: 1000, valueSize: 100}}
  pass: {module: %s, inputs: [{from: in, by: %s}]}
  out: {sink: discard, inputs: [pass]}
`, c.parallelism, b.N, module, c.by)
			if err := os.WriteFile(file, []byte(job), 0o600); err != nil {
				b.Fatal(err)
			}
			silence(b)
			b.ReportAllocs()
			b.ResetTimer()
			if code := execute(context.Background(), []string{"run", file, "--quiet"}); code != exitDone {
				b.Fatalf("exit code %d", code)
			}
		})
	}
}

// silence drops what goes to stdout until the benchmark ends.
func silence(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = null
	b.Cleanup(func() {
		os.Stdout = stdout
		null.Close()
	})
}
