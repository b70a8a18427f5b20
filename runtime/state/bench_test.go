package state_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
)

const benchGroups = 128

// size is a figure that the environment can change.
func size(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

func benchKey(key []byte, i int) []byte {
	return strconv.AppendUint(append(key[:0], "key-"...), uint64(i)+100_000_000_000, 10)
}

func fill(tb testing.TB, b state.Backend, n int, value []byte) {
	tb.Helper()
	var key []byte
	for i := range n {
		key = benchKey(key, i)
		must(tb, b.Put(keygroup.Of(key, benchGroups), 0, key, nil, value))
	}
}

func benchTable() []state.Table { return []state.Table{{Name: "t", Scope: state.ScopeKey}} }

// BenchmarkMemory counts one get and one put of a 16-byte key and an 8-byte value as one
// operation, the hash of the key group included.
func BenchmarkMemory(b *testing.B) {
	for _, keys := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
			defer m.Close()
			fill(b, m, keys, make([]byte, 8))
			names := randomKeys(keys, 1<<16)
			b.ReportAllocs()
			b.ResetTimer()
			var v [8]byte
			for i := 0; i < b.N; i++ {
				key := names[i&(1<<16-1)]
				group := keygroup.Of(key, benchGroups)
				value, _, _, _ := m.Get(group, 0, key, nil)
				binary.LittleEndian.PutUint64(v[:], binary.LittleEndian.Uint64(value)+1)
				if err := m.Put(group, 0, key, nil, v[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func randomKeys(keys, n int) (names [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		names = append(names, benchKey(nil, random.IntN(keys)))
	}
	return names
}

// BenchmarkApply is BenchmarkMemory through requests as SDKs make them: the gets of a
// batch of 256 records in one, the puts in another.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
			defer m.Close()
			fill(b, m, keys, make([]byte, 8))
			tables := state.NewTables(benchTable(), m, nil, 0, benchGroups, benchGroups)
			const batch, batches = 256, 4096
			var gets, puts [][]byte
			names := randomKeys(keys, batch*batches)
			for i := range batches {
				var get, put []byte
				for _, key := range names[i*batch:][:batch] {
					get = append(get, op(state.OpGet, 0, 0, string(key), "", "")...)
					put = append(put, op(state.OpPut, 0, 0, string(key), "", "12345678")...)
				}
				gets, puts = append(gets, get), append(puts, put)
			}
			out := make([]byte, 1<<16)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += batch {
				n := i / batch % batches
				if done, _, err := tables.Apply(gets[n], out); err != nil || done != batch {
					b.Fatal(done, err)
				}
				if done, _, err := tables.Apply(puts[n], out); err != nil || done != batch {
					b.Fatal(done, err)
				}
			}
		})
	}
}

// BenchmarkMemoryInsert counts one new key as one operation and says how much RAM it took.
func BenchmarkMemoryInsert(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000, 3_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			b.ReportAllocs()
			var took, resident int64
			for i := 0; i < b.N; i += keys {
				runtime.GC()
				before := residentBytes(b)
				m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
				fill(b, m, min(keys, max(b.N-i, keys)), make([]byte, 8))
				took, resident = m.Memory(), residentBytes(b)-before
				must(b, m.Close())
			}
			b.ReportMetric(float64(took)/float64(keys), "B/key")
			b.ReportMetric(float64(resident)/float64(keys), "RSS-B/key")
		})
	}
}

func residentBytes(tb testing.TB) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	must(tb, err)
	pages, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	must(tb, err)
	return pages * int64(os.Getpagesize())
}

// BenchmarkMemorySubkeys counts one insertion of a new subkey, as timers and windows do.
func BenchmarkMemorySubkeys(b *testing.B) {
	for _, c := range []struct {
		name   string
		random bool
	}{{"ascending", false}, {"random", true}} {
		b.Run(c.name, func(b *testing.B) {
			m := openMemory(b, state.Options{Tables: benchTable(), End: 1})
			defer m.Close()
			random := rand.New(rand.NewPCG(1, 2))
			var subkey [16]byte
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				n := uint64(i)
				if c.random {
					n = random.Uint64()
				}
				binary.BigEndian.PutUint64(subkey[:], n)
				if err := m.Put(0, 0, nil, subkey[:], nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(m.Memory())/float64(b.N), "B/key")
		})
	}
}

// BenchmarkMemoryScan counts one entry visited, of keys with 1,000 subkeys.
func BenchmarkMemoryScan(b *testing.B) {
	m := openMemory(b, state.Options{Tables: benchTable(), End: 1})
	defer m.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1_000_000 {
		must(b, m.Put(0, 0, []byte{byte(random.IntN(250)), byte(random.IntN(4))}, binary.BigEndian.AppendUint64(nil, random.Uint64()), make([]byte, 8)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		key := []byte{byte(random.IntN(250)), byte(random.IntN(4))}
		must(b, m.Scan(0, 0, key, nil, nil, func(_, _ []byte, _ uint32) bool { done++; return true }))
	}
}

// BenchmarkPause holds WASMILL_BENCH_STATE bytes (1 GB) and works on random keys in batches
// of 256 while snapshots are taken: what the operator feels of them.
func BenchmarkPause(b *testing.B) {
	bytes := size("WASMILL_BENCH_STATE", 1<<30)
	m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
	defer m.Close()
	keys := bytes / 132
	value := make([]byte, 100)
	fill(b, m, keys, value)
	names := randomKeys(keys, 1<<20)
	var syncs, batches []time.Duration
	at, checkpoint := 0, uint64(0)
	work := func(until <-chan state.RunInfo, most int) (info state.RunInfo) {
		for n := 0; n < most; n++ {
			select {
			case info = <-until:
				return info
			default:
			}
			start := time.Now()
			for range 256 {
				key := names[at&(1<<20-1)]
				at++
				group := keygroup.Of(key, benchGroups)
				_, _, _, _ = m.Get(group, 0, key, nil)
				must(b, m.Put(group, 0, key, nil, value))
			}
			batches = append(batches, time.Since(start))
		}
		return info
	}
	b.ReportAllocs()
	b.ResetTimer()
	var full, delta time.Duration
	var fullBytes, deltaBytes int64
	for b.Loop() {
		for i := range 20 {
			checkpoint++
			start := time.Now()
			s, err := m.Snapshot(checkpoint, i == 0)
			must(b, err)
			syncs = append(syncs, time.Since(start))
			done := make(chan state.RunInfo, 1)
			go func() {
				info, err := s.Write(io.Discard)
				if err == nil {
					err = s.Close()
				}
				if err != nil {
					b.Error(err)
				}
				done <- info
			}()
			info := work(done, 1<<30)
			m.Confirm(checkpoint)
			if i == 0 {
				full, fullBytes = time.Since(start), info.Bytes
			} else {
				delta, deltaBytes = time.Since(start), info.Bytes
			}
			work(nil, keys/100/256) // 1 % of the keys
		}
	}
	b.ReportMetric(quantile(syncs, 0.99), "sync-p99-ms")
	b.ReportMetric(quantile(batches, 0.5), "batch-p50-ms")
	b.ReportMetric(quantile(batches, 0.99), "batch-p99-ms")
	b.ReportMetric(quantile(batches, 1), "batch-max-ms")
	b.ReportMetric(full.Seconds(), "full-s")
	b.ReportMetric(delta.Seconds(), "delta-s")
	b.ReportMetric(float64(fullBytes)/1e6, "full-MB")
	b.ReportMetric(float64(deltaBytes)/1e6, "delta-MB")
}

func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[min(int(q*float64(len(d))), len(d)-1)].Microseconds()) / 1000
}

// BenchmarkRestore restores WASMILL_BENCH_STATE bytes of 100-byte values from a run in RAM.
func BenchmarkRestore(b *testing.B) {
	total := size("WASMILL_BENCH_STATE", 1<<30)
	var run bytes.Buffer
	m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
	fill(b, m, total/132, make([]byte, 100))
	s, err := m.Snapshot(1, true)
	must(b, err)
	_, err = s.Write(&run)
	must(b, err)
	must(b, s.Close())
	must(b, m.Close())
	b.SetBytes(int64(run.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r, err := state.NewRunReader(bytes.NewReader(run.Bytes()))
		must(b, err)
		merged, err := state.Merge([]*state.RunReader{r}, 0, benchGroups)
		must(b, err)
		m := openMemory(b, state.Options{Tables: benchTable(), End: benchGroups})
		must(b, m.Restore(merged, 1))
		must(b, m.Close())
	}
}
