package host_test

import (
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/state"
)

// BenchmarkState is a batch of 500 gets and 500 puts over a million keys of 16 bytes,
// in two calls, as an SDK makes them.
func BenchmarkState(b *testing.B) {
	c := &collector{}
	i := open(b, stateGuest(1<<20), host.Config{}, withState(b, c))
	const keys, each = 1_000_000, 500
	requests := make([]request, 0, 2*keys/each)
	random := newRandom(1)
	for range keys / each {
		get, put := request{}, request{}
		for range each {
			key := fmt.Sprintf("key-%012d", random.IntN(keys))
			get.op(state.OpGet, 0, 0, key, "", "")
			put.op(state.OpPut, 0, 0, key, "", "12345678")
		}
		requests = append(requests, get, put)
	}
	round := func(n int) {
		c.emitted, c.outputs = c.emitted[:0], c.outputs[:0]
		for _, r := range requests[n*2%len(requests):][:2] {
			if err := i.Process(0, r.b); err != nil {
				b.Fatal(err)
			}
		}
	}
	for n := range keys / each {
		round(n)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		round(n)
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/each, "ns/record")
}
