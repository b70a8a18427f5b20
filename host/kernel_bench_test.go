package host_test

import (
	"os"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/record"
)

// kernels are the inputs of testdata/kernels.wasm, by index.
var kernels = []string{"empty", "hash", "filter", "copy", "map", "recursion"}

// batchOf is a batch of records with 16-byte keys and 100-byte values.
func batchOf(records int) []byte {
	var b record.Builder
	key, value := []byte("customer-0000000"), make([]byte, 100)
	for n := range records {
		key[15], key[14], value[0] = byte('0'+n%10), byte('0'+n/10%10), byte(n*37)
		b.Append(record.Insert, int64(n), key, value)
	}
	return b.Bytes()
}

// BenchmarkKernel measures what safepoints cost: compare …/safepoints with …/plain.
func BenchmarkKernel(b *testing.B) {
	wasm, err := os.ReadFile("testdata/kernels.wasm")
	if err != nil {
		b.Fatal(err)
	}
	batch := batchOf(500)
	for input, kernel := range kernels[1:] {
		for _, mode := range []string{"plain", "safepoints"} {
			b.Run(kernel+"/"+mode, func(b *testing.B) {
				i := open(b, wasm, host.Config{NoSafepoints: mode == "plain"}, host.InstanceConfig{})
				b.ReportAllocs()
				b.SetBytes(int64(len(batch)))
				for b.Loop() {
					if err := i.Process(input+1, batch); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEmptyCall is a call of a guest that does nothing, with an empty batch and
// with one of one record.
func BenchmarkEmptyCall(b *testing.B) {
	wasm, err := os.ReadFile("testdata/kernels.wasm")
	if err != nil {
		b.Fatal(err)
	}
	for name, batch := range map[string][]byte{"empty-batch": nil, "one-record": batchOf(1)} {
		b.Run(name, func(b *testing.B) {
			i := open(b, wasm, host.Config{}, host.InstanceConfig{})
			b.ReportAllocs()
			for b.Loop() {
				if err := i.Process(0, batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
