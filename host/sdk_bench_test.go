package host_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// BenchmarkKeyedCount is the running count of the SDKs over a million keys of 16 bytes
// in records of 100: batches of 500 in random order.
func BenchmarkKeyedCount(b *testing.B) {
	for _, language := range []string{"c", "go"} {
		b.Run(language, func(b *testing.B) {
			wasm, err := os.ReadFile("../sdk/" + language + "/example/running.wasm")
			if err != nil {
				b.Fatal(err)
			}
			tables := []state.Table{{Name: "counts", Scope: state.ScopeKey}}
			m, err := state.NewMemory(state.Options{Tables: tables, End: 128})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			c := &collector{}
			i := open(b, wasm, host.Config{}, host.InstanceConfig{
				Collector: c, Parallelism: 1, MaxParallelism: 128, State: state.NewTables(tables, m, nil, 0, 128, 128),
			})
			const keys, each = 1_000_000, 500
			random := newRandom(1)
			var batches [][]byte
			value := make([]byte, 68)
			for range 2 * keys / each {
				var r record.Builder
				for range each {
					r.Append(record.Insert, 0, fmt.Appendf(nil, "key-%012d", random.IntN(keys)), value)
				}
				batches = append(batches, r.Bytes())
			}
			n := 0
			round := func() {
				c.emitted, c.outputs = c.emitted[:0], c.outputs[:0]
				if err := i.Process(0, batches[n%len(batches)]); err != nil {
					b.Fatal(err)
				}
				n++
			}
			for range batches {
				round()
			}
			if got := record.Count(c.emitted); got != each {
				b.Fatalf("%d records of a batch of %d", got, each)
			}
			b.ReportAllocs()
			n = 0
			began := cpuTime(b)
			for b.Loop() {
				round()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/each, "ns/record")
			b.ReportMetric(float64(cpuTime(b)-began)/float64(n)/each, "cpu-ns/record")
		})
	}
}

// cpuTime is what the process has taken: other work on the machine does not count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
