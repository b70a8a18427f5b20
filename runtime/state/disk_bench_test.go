package state_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
)

// BenchmarkDisk counts one get and one put of a 200-byte value as one operation, uniform
// random keys in requests of 128, of a state of twice WASMILL_BENCH_RAM bytes (256 MiB),
// with a snapshot (delta) every 10 s.
func BenchmarkDisk(b *testing.B) {
	ram := size("WASMILL_BENCH_RAM", 256<<20)
	keys := 2 * ram / 216
	d := openDisk(b, state.Options{Tables: benchTable(), End: benchGroups, Cache: int64(ram)})
	defer d.Close()
	value := make([]byte, 200)
	fill(b, d, keys, value)
	tables := state.NewTables(benchTable(), d, nil, 0, benchGroups, benchGroups)
	const batch, batches = 128, 8192
	names := randomKeys(keys, batch*batches)
	out := make([]byte, 1<<16)
	var gets, puts []byte
	last, checkpoint := time.Now(), uint64(0)
	writing := make(chan error, 1)
	writing <- nil
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		gets, puts = gets[:0], puts[:0]
		for _, key := range names[i%(batch*batches):][:batch] {
			gets = append(gets, op(state.OpGet, 0, 0, string(key), "", "")...)
			puts = append(puts, op(state.OpPut, 0, 0, string(key), "", string(value))...)
		}
		for _, req := range [][]byte{gets, puts} {
			if done, _, err := tables.Apply(req, out); err != nil || done != batch {
				b.Fatal(done, err)
			}
		}
		if time.Since(last) > 10*time.Second {
			must(b, <-writing)
			d.Confirm(checkpoint)
			checkpoint++
			s, err := d.Snapshot(checkpoint, false)
			must(b, err)
			go func() {
				_, err := s.Write(io.Discard)
				_ = s.Close()
				writing <- err
			}()
			last = time.Now()
		}
	}
	b.StopTimer()
	must(b, <-writing)
	b.ReportMetric(float64(d.Memory())/1e6, "MB-cache")
	b.ReportMetric(float64(residentBytes(b))/1e6, "MB-RSS")
}

// BenchmarkDiskDelta takes a delta after 1 % of the keys changed.
func BenchmarkDiskDelta(b *testing.B) {
	const keys = 500_000
	d := openDisk(b, state.Options{Tables: benchTable(), End: benchGroups, Cache: 64 << 20})
	defer d.Close()
	fill(b, d, keys, make([]byte, 200))
	checkpoint := uint64(0)
	take := func() int64 {
		checkpoint++
		s, err := d.Snapshot(checkpoint, false)
		must(b, err)
		info, err := s.Write(io.Discard)
		must(b, err)
		must(b, s.Close())
		d.Confirm(checkpoint)
		return info.Bytes
	}
	full, delta := take(), int64(0)
	for b.Loop() {
		b.StopTimer()
		for _, key := range randomKeys(keys, keys/100) {
			must(b, d.Put(keygroup.Of(key, benchGroups), 0, key, nil, bytes.Repeat([]byte("x"), 200)))
		}
		b.StartTimer()
		delta = take()
	}
	b.ReportMetric(float64(full)/1e6, "full-MB")
	b.ReportMetric(float64(delta)/1e6, "delta-MB")
}
