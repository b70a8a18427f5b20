package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/state"
)

// At random cuts a guest is snapshotted; some checkpoints are never confirmed, some are
// gone back to. It gives out what one that was left alone does, and every checkpoint
// restores to the image of its moment, byte for byte (D6).
func TestHeapMovesIncrementally(t *testing.T) {
	for _, guest := range []string{"c", "go"} {
		m := load(t, guestBytes(t, guest), host.Config{})
		for method := range heapMethods {
			for seed := range uint64(4) {
				t.Run(fmt.Sprint(guest, " ", method, " seed ", seed), func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, 0))
					alone := newHeapRig(t, m, method)
					rig := newHeapRig(t, m, method)
					var want, got []byte
					at := map[uint64]int{} // the step before each checkpoint
					images := map[uint64][]byte{}
					confirmed := uint64(0)
					checkpoint := uint64(0)
					for step := 1; step <= 60; step++ {
						want = append(want, steps(t, alone.guest, alone.out, guest, step, step)...)
					}
					lengths := []int{0} // of what was given out, by step
					for step := 1; step <= 60; step++ {
						got = append(got, steps(t, rig.guest, rig.out, guest, step, step)...)
						lengths = append(lengths[:step], len(got))
						if r.IntN(3) > 0 {
							continue
						}
						checkpoint++
						rig.take(checkpoint)
						at[checkpoint], images[checkpoint] = step, image(t, rig.guest)
						if r.IntN(3) > 0 {
							rig.confirm(checkpoint)
							confirmed = checkpoint
						}
						if r.IntN(4) == 0 && confirmed > 0 {
							rig.goOn(confirmed)
							if !bytes.Equal(image(t, rig.guest), images[confirmed]) {
								t.Fatalf("checkpoint %d restores to another image", confirmed)
							}
							step = at[confirmed]
							got = got[:lengths[step]]
						}
					}
					if !bytes.Equal(got, want) {
						t.Error("it gives out something else")
					}
					if !bytes.Equal(image(t, rig.guest), image(t, alone.guest)) {
						t.Error("it ends with another image")
					}
					if confirmed == 0 {
						t.Error("the test has no confirmed checkpoint")
					}
				})
			}
		}
	}
}

// whole is a snapshot of everything, as it is written.
func whole(t testing.TB, h *host.Heap, checkpoint uint64) []byte {
	t.Helper()
	s, err := h.Snapshot(checkpoint, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b bytes.Buffer
	if _, err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The same input gives the same run, byte for byte (D6), however written pages are found;
// and a base that is merged of runs is the one that is copied from memory.
func TestHeapIsTheSameTwice(t *testing.T) {
	for _, guest := range []string{"c", "go"} {
		t.Run(guest, func(t *testing.T) {
			m := load(t, guestBytes(t, guest), host.Config{})
			one, other := newHeapRig(t, m, "best"), newHeapRig(t, m, "hashes")
			var readers []*host.HeapReader
			for n := uint64(1); n <= 10; n++ {
				for _, r := range []*heapRig{one, other} {
					steps(t, r.guest, r.out, guest, int(n), int(n))
				}
				s, err := one.heap.Snapshot(n, false)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if _, err := s.Write(&b); err != nil {
					t.Fatal(err)
				}
				s.Close()
				one.heap.Confirm(n)
				readers = append(readers, one.reader(b.Bytes()))
			}
			want := whole(t, one.heap, 10)
			if !bytes.Equal(whole(t, other.heap, 10), want) {
				t.Error("another instance gives another run")
			}
			var merged bytes.Buffer
			if _, err := host.MergeHeap(&merged, readers, nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(merged.Bytes(), want) {
				t.Error("a merged base is not what is copied from memory")
			}
		})
	}
}

// listed says what of each page a run has: "." nothing, "m" as the module begins, "0"
// zeros, or the page's first byte.
func listed(t *testing.T, run []byte) string {
	t.Helper()
	r, err := host.NewHeapReader(bytes.NewReader(run), lending(run))
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("."), int(r.Head.Memory)*16)
	for {
		p, err := r.Next()
		if err == io.EOF {
			return strings.TrimRight(string(text), ".")
		}
		if err != nil {
			t.Fatal(err)
		}
		for n := p.First; n < p.First+p.Count; n++ {
			text[n] = "m0??"[p.Kind]
			if p.Kind >= host.PageBytes {
				page := make([]byte, host.HeapPage)
				if _, err := r.Page(page); err != nil {
					t.Fatal(err)
				}
				text[n] = page[0]
			}
		}
	}
}

// What runs hold of pages, as checkpoints complete or do not. The module has data in
// page 1 (and its description in page 0), and two wasm pages of memory.
func TestHeapHolds(t *testing.T) {
	for method := range heapMethods {
		t.Run(method, func(t *testing.T) {
			m := load(t, as.Guest{Data: []byte("data of the module")}.Wasm(), host.Config{})
			r := newHeapRig(t, m, method)
			put := func(page int, c byte) { r.guest.Memory()[page*host.HeapPage] = c }
			next := uint64(0)
			take := func(what, want string) uint64 {
				t.Helper()
				next++
				s, err := r.heap.Snapshot(next, false)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if _, err := s.Write(&b); err != nil {
					t.Fatal(err)
				}
				s.Close()
				if got := listed(t, b.Bytes()); got != want {
					t.Errorf("%s: holds %q, want %q", what, got, want)
				}
				return next
			}
			put(4, 'a')
			take("all at first, but for what is as the module begins", "....a")
			put(5, 'b')
			one := take("all as long as nothing is confirmed", "....ab")
			r.heap.Confirm(one)
			take("nothing was written", "")
			put(4, 'c')
			two := take("what was written", "....c")
			put(7, 'd')
			three := take("what was written since, the aborted checkpoint's pages among them", "....c..d")
			r.heap.Confirm(two)
			put(8, 'e')
			take("what was written since the confirmed one, though another was taken between", ".......de")
			r.heap.Confirm(three)
			r.heap.Confirm(two) // late, and known no more
			put(4, 0)
			clear(r.guest.Memory()[host.HeapPage : 2*host.HeapPage])
			four := take("zeros: those of a page that began with data are told", ".0..m...e")
			r.heap.Confirm(four)
			copy(r.guest.Memory()[host.HeapPage:], "data of the module")
			if !r.guest.Grow(1) {
				t.Fatal("the memory does not grow")
			}
			put(33, 'g')
			take("data of the module again, and memory that grew", ".m..............................."[:33]+"g")
		})
	}
}

// However many checkpoints are aborted, no page that was written is lost.
func TestHeapOfAbortedCheckpoints(t *testing.T) {
	m := load(t, as.Guest{Pages: 20}.Wasm(), host.Config{})
	r := newHeapRig(t, m, "best")
	r.take(1)
	r.confirm(1)
	for n := uint64(2); n < 200; n++ {
		r.guest.Memory()[(n+10)*host.HeapPage] = byte(n)
		s, err := r.heap.Snapshot(n, false)
		if err != nil {
			t.Fatal(err)
		}
		s.Close() // unwritten
	}
	want := image(t, r.guest)
	r.take(200)
	back := r.restore(200)
	defer back.Close()
	if !bytes.Equal(image(t, back), want) {
		t.Error("pages of aborted checkpoints are lost")
	}
}

// A snapshot holds what was there when it was taken, however late it is written.
func TestHeapSnapshotIsOfItsMoment(t *testing.T) {
	r := newHeapRig(t, load(t, as.Guest{}.Wasm(), host.Config{}), "best")
	page := r.guest.Memory()[9*host.HeapPage:]
	page[0] = 'a'
	s, err := r.heap.Snapshot(1, false)
	if err != nil {
		t.Fatal(err)
	}
	page[0] = 'b'
	later, err := r.heap.Snapshot(2, false)
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]state.Snapshot{".........a": s, ".........b": later} {
		var b bytes.Buffer
		if _, err := s.Write(&b); err != nil {
			t.Fatal(err)
		}
		if got := listed(t, b.Bytes()); got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
		s.Close()
	}
}

// Heaps go into their own module only, whole, and within the limits.
func TestRestoreHeapRefuses(t *testing.T) {
	wasm := as.Guest{Globals: []byte{as.I32}}.Wasm()
	m := load(t, wasm, host.Config{})
	r := newHeapRig(t, m, "best")
	r.guest.Grow(100)
	r.take(1)
	r.confirm(1)
	r.take(2)
	r.guest.Grow(1)
	r.take(3)
	base, delta := r.runs[1].bytes, r.runs[2].bytes
	more := headOf(t, base)
	more.Globals = append(more.Globals, host.GlobalValue{Index: 1, Type: as.I32})
	var another bytes.Buffer
	_, finish := host.NewHeapWriter(&another, &more)
	if _, err := finish(); err != nil {
		t.Fatal(err)
	}
	small := fixed(r.out)
	small.Limits.Memory = 1 << 20
	for _, c := range []struct {
		name   string
		module *host.Module
		config host.InstanceConfig
		runs   [][]byte
		want   string
	}{
		{"another module", load(t, as.Guest{}.Wasm(), host.Config{}), fixed(r.out), [][]byte{base}, "taken of module"},
		{"too small a limit", m, small, [][]byte{base}, "exceeds limit memory 1MiB"},
		{"no base", m, fixed(r.out), [][]byte{delta}, "missing"},
		{"two bases", m, fixed(r.out), [][]byte{base, base}, "too much"},
		{"an older one that is larger", m, fixed(r.out), [][]byte{r.runs[3].bytes, delta}, "not of one instance"},
		{"a global too many", m, fixed(r.out), [][]byte{another.Bytes()}, "globals, the module has"},
		{"cut off", m, fixed(r.out), [][]byte{base[:len(base)-1]}, "cut off"},
		{"another one's page", m, fixed(r.out), [][]byte{flipped(base, len(base)-30)}, "corrupt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var runs []host.HeapRun
			for _, b := range c.runs {
				runs = append(runs, host.HeapRun{Reader: bytes.NewReader(b)})
			}
			i, err := c.module.RestoreHeap(t.Context(), c.config, runs)
			if err == nil {
				i.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) && !(c.want == "corrupt" && errors.Is(err, fault.ErrCorrupt)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := instantiate(t, load(t, as.Guest{Globals: []byte{binary.V128}}.Wasm(), host.Config{}), fixed(r.out)).Heap(0); err == nil || !strings.Contains(err.Error(), "global (0)") {
		t.Errorf("a module without an image: %v", err)
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}
