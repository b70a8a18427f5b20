package host_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
)

// grown is an instance with so much memory, all of it written.
func grown(b *testing.B, size int) (*host.Module, *host.Instance) {
	b.Helper()
	m := load(b, as.Guest{}.Wasm(), host.Config{})
	c := fixed(&collector{})
	c.Limits.Memory = int64(size)
	i := instantiate(b, m, c)
	if !i.Grow(uint32(size/65536) - uint32(len(i.Memory())/65536)) {
		b.Fatal("the memory does not grow")
	}
	r := rand.New(rand.NewPCG(1, 1))
	memory := i.Memory()
	for at := 0; at < len(memory); at += 8 {
		memory[at] = byte(r.Uint32()) // compresses a little, as memory does
	}
	return m, i
}

// BenchmarkHeapSnapshot is how long a task stands still for a checkpoint of an instance
// of which 1 % of the pages were written, here and there, and what is written of it.
func BenchmarkHeapSnapshot(b *testing.B) {
	for _, size := range []int{64 << 20, 1 << 30} {
		for _, method := range []string{"best", "hashes"} {
			b.Run(fmt.Sprintf("%d MiB/%s", size>>20, method), func(b *testing.B) {
				_, i := grown(b, size)
				h, err := heapMethods[method](i, 1) // as if restored: all is known
				if err != nil {
					b.Fatal(err)
				}
				defer h.Close()
				r := rand.New(rand.NewPCG(1, 1))
				checkpoint, written := uint64(1), int64(0)
				for b.Loop() {
					b.StopTimer()
					for range size / host.HeapPage / 100 {
						i.Memory()[r.IntN(size)]++
					}
					checkpoint++
					b.StartTimer()
					s, err := h.Snapshot(checkpoint, false)
					b.StopTimer()
					if err != nil {
						b.Fatal(err)
					}
					info, err := s.Write(io.Discard)
					if err != nil {
						b.Fatal(err)
					}
					s.Close()
					h.Confirm(checkpoint)
					written += info.Bytes
					b.StartTimer()
				}
				b.ReportMetric(float64(written)/float64(b.N)/(1<<20), "MiB/run")
				b.Logf("by %s", h.Method())
			})
		}
	}
}

// BenchmarkHeapRestore is how long it takes to make an instance of a checkpoint that lies
// in a folder.
func BenchmarkHeapRestore(b *testing.B) {
	const size = 256 << 20
	m, i := grown(b, size)
	h, err := i.Heap(0)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	taken, err := h.Snapshot(1, false)
	if err != nil {
		b.Fatal(err)
	}
	defer taken.Close()
	store, err := dir.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	folder := snapshots.Folder{Store: store, Path: "default/jobs/bench"}
	var section snapshots.Section
	stored, err := folder.WritePack(b.Context(), snapshots.PackID{Checkpoint: 1}, func(w *snapshots.PackWriter) error {
		section, err = w.Section("heap", func(w io.Writer) error {
			_, err := taken.Write(w)
			return err
		})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	c := fixed(&collector{})
	c.Limits.Memory = size
	b.SetBytes(size)
	for b.Loop() {
		in := folder.OpenSection(b.Context(), section)
		restored, err := m.RestoreHeap(b.Context(), c, []host.HeapRun{{Reader: in}})
		if err != nil {
			b.Fatal(err)
		}
		in.Close()
		restored.Close()
	}
	b.ReportMetric(float64(stored)/(1<<20), "MiB-stored")
}
