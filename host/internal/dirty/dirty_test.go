package dirty

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// reserve makes a mapping as instances have it: reserved, and usable from its start on.
func reserve(tb testing.TB, size int) []byte {
	tb.Helper()
	m, err := unix.Mmap(-1, 0, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Munmap(m) })
	return m
}

func grow(tb testing.TB, mapping []byte, size int) []byte {
	tb.Helper()
	if err := unix.Mprotect(mapping[:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		tb.Fatal(err)
	}
	return mapping[:size]
}

var methods = []Method{Userfaultfd, Hashes}

func open(tb testing.TB, m Method, mapping []byte) Tracker {
	tb.Helper()
	t := NewHashes()
	if m == Userfaultfd {
		var err error
		if t, err = New(mapping); err != nil {
			tb.Logf("the kernel gives none: %v", err)
			m = Hashes
		}
	}
	if t.Method() != m {
		tb.Fatalf("method %s, want %s", t.Method(), m)
	}
	tb.Cleanup(func() { t.Close() })
	return t
}

// Every page that was written is found, and, but for the first time that a page is
// touched, no other.
func TestWrittenPagesAreFound(t *testing.T) {
	for _, method := range methods {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(method, " seed ", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				const most = 512
				mapping := reserve(t, most*PageSize)
				tracker := open(t, method, mapping)
				pages := 16
				memory := grow(t, mapping, pages*PageSize)
				touched := map[int]bool{}
				for round := range 30 {
					if r.IntN(4) == 0 {
						pages = min(most, pages+r.IntN(64))
						memory = grow(t, mapping, pages*PageSize)
					}
					written := map[int]bool{}
					for range r.IntN(40) {
						at := r.IntN(len(memory))
						memory[at]++
						if memory[at] == 0 {
							memory[at] = 1
						}
						written[at/PageSize] = true
					}
					ranges, err := tracker.Written(memory, nil)
					if err != nil {
						t.Fatal(err)
					}
					found, last := map[int]bool{}, -1
					for _, x := range ranges {
						if x.First <= last || x.End <= x.First || x.End > pages {
							t.Fatalf("round %d: ranges %v of %d pages", round, ranges, pages)
						}
						for p := x.First; p < x.End; p++ {
							found[p] = true
						}
						last = x.End
					}
					for p := range written {
						if !found[p] {
							t.Fatalf("round %d: page %d was written and is not found", round, p)
						}
					}
					for p := range found {
						if !written[p] && touched[p] {
							t.Fatalf("round %d: page %d was not written", round, p)
						}
						touched[p] = true
					}
				}
			})
		}
	}
}

func BenchmarkWritten(b *testing.B) {
	const size = 64 << 20
	for _, method := range methods {
		b.Run(string(method)+", 64 MiB, 1 % written", func(b *testing.B) {
			mapping := reserve(b, size)
			tracker := open(b, method, mapping)
			memory := grow(b, mapping, size)
			for at := 0; at < size; at += PageSize {
				memory[at] = 1
			}
			ranges, err := tracker.Written(memory, nil)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				b.StopTimer()
				for range size / PageSize / 100 {
					memory[r.IntN(size)]++
				}
				b.StartTimer()
				if ranges, err = tracker.Written(memory, ranges[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
