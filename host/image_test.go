package host_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/runtime/record"
)

// goGuest builds testdata/goguest once.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "goguest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/goguest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build guest: %w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func guestBytes(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/kernels.wasm")
	if name == "go" {
		wasm, err = goGuest()
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// inputOf is the input of a guest that keeps state and emits.
func inputOf(guest string) int {
	if guest == "go" {
		return 0
	}
	return 6
}

func step(n int) []byte {
	var b record.Builder
	b.Append(record.Insert, int64(n), nil, fmt.Appendf(nil, "step %d", n*n))
	return b.Bytes()
}

// steps processes the batches from first to last and returns what was emitted.
func steps(t testing.TB, i *host.Instance, out *collector, guest string, first, last int) []byte {
	t.Helper()
	out.emitted = nil
	for n := first; n <= last; n++ {
		if err := i.Process(inputOf(guest), step(n)); err != nil {
			t.Fatal(err)
		}
	}
	return out.emitted
}

// image is a whole run of the instance's heap.
func image(t testing.TB, i *host.Instance) []byte {
	t.Helper()
	h, err := i.HeapByHashes(0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	return whole(t, h, 1)
}

// headOf is the head of an image.
func headOf(t testing.TB, image []byte) host.HeapHead {
	t.Helper()
	r, err := host.NewHeapReader(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Head
}

func restore(t testing.TB, m *host.Module, c host.InstanceConfig, image []byte) *host.Instance {
	t.Helper()
	i, err := m.RestoreHeap(t.Context(), c, []host.HeapRun{{Reader: bytes.NewReader(image)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func fixed(c *collector) host.InstanceConfig {
	return host.InstanceConfig{Collector: c, Seed: 7, Now: func() int64 { return 1_700_000_000_000 }}
}

const (
	half = 20 // steps before the image is taken
	full = 40
)

// TestImageMoves: a guest that is moved in the middle of its work goes on exactly:
// into a new instance, under another rewriter setting, on another engine, and in
// another process. What it emits and its last image are the same, byte for byte (D6).
func TestImageMoves(t *testing.T) {
	cache := t.TempDir()
	settings := map[string]host.Config{
		"compiled":           {CacheDir: cache},
		"without safepoints": {CacheDir: cache, NoSafepoints: true},
		"interpreted":        {Interpreter: true},
	}
	for _, guest := range []string{"c", "go"} {
		wasm := guestBytes(t, guest)
		out := &collector{}
		origin := open(t, wasm, settings["compiled"], fixed(out))
		steps(t, origin, out, guest, 1, half)
		taken := image(t, origin)
		wantOut := steps(t, origin, out, guest, half+1, full)
		wantImage := image(t, origin)
		if len(wantOut) == 0 {
			t.Fatal("the guest emitted nothing")
		}
		for name, config := range settings {
			t.Run(guest+"/to "+name, func(t *testing.T) {
				out := &collector{}
				moved := restore(t, load(t, wasm, config), fixed(out), taken)
				if got := image(t, moved); !bytes.Equal(got, taken) {
					t.Error("the image is not what was restored")
				}
				if got := steps(t, moved, out, guest, half+1, full); !bytes.Equal(got, wantOut) {
					t.Error("it emits something else")
				}
				if !bytes.Equal(image(t, moved), wantImage) {
					t.Error("it ends with another image")
				}
			})
			t.Run(guest+"/from "+name, func(t *testing.T) {
				out := &collector{}
				i := open(t, wasm, config, fixed(out))
				steps(t, i, out, guest, 1, half)
				if !bytes.Equal(image(t, i), taken) {
					t.Error("the same input gives another image")
				}
			})
		}
		t.Run(guest+"/to another process", func(t *testing.T) {
			gotOut, gotImage := continueElsewhere(t, guest, wasm, taken)
			if !bytes.Equal(gotOut, wantOut) {
				t.Error("it emits something else")
			}
			if !bytes.Equal(gotImage, wantImage) {
				t.Error("it ends with another image")
			}
		})
	}
}

// Where a child process finds its part.
const childEnv = "WASMILL_TEST_IMAGE_DIR"

// continueElsewhere runs TestImageChild in a process of its own.
func continueElsewhere(t *testing.T, guest string, wasm, taken []byte) (out, last []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, b := range map[string][]byte{"guest": []byte(guest), "module.wasm": wasm, "image": taken} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestImageChild$", "-test.v")
	child.Env = append(os.Environ(), childEnv+"="+dir)
	text, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "out "); ok {
			out, _ = hex.DecodeString(rest)
		}
	}
	if last, err = os.ReadFile(filepath.Join(dir, "last")); err != nil {
		t.Fatal(err)
	}
	return out, last
}

// TestImageChild is the other process of TestImageMoves; by itself it checks that
// nobody asked for it.
func TestImageChild(t *testing.T) {
	dir, asked := os.LookupEnv(childEnv)
	if !asked {
		return
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	out := &collector{}
	i := restore(t, load(t, read("module.wasm"), host.Config{}), fixed(out), read("image"))
	fmt.Printf("out %x\n", steps(t, i, out, string(read("guest")), half+1, full))
	if err := os.WriteFile(filepath.Join(dir, "last"), image(t, i), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestImageHoldsGlobals: mutable globals move, also those nobody exports.
func TestImageHoldsGlobals(t *testing.T) {
	count := as.Join(
		as.Op(binary.GlobalGet, 0), as.I32Const(1), as.Op(binary.I32Add), as.Op(binary.GlobalSet, 0),
		as.Op(binary.GlobalGet, 1), as.I64Const(1<<40), as.Op(binary.I64Add), as.Op(binary.GlobalSet, 1),
		as.I32Const(0))
	wasm := as.Guest{Globals: []byte{as.I32, as.I64, as.F64}, Process: count}.Wasm()
	i := open(t, wasm, host.Config{}, host.InstanceConfig{})
	for range 3 {
		if err := i.Process(0, nil); err != nil {
			t.Fatal(err)
		}
	}
	head := headOf(t, image(t, i))
	want := []host.GlobalValue{{Index: 0, Type: binary.I32, Value: 3}, {Index: 1, Type: binary.I64, Value: 3 << 40}, {Index: 2, Type: binary.F64}}
	if fmt.Sprint(head.Globals) != fmt.Sprint(want) {
		t.Errorf("globals are %v, want %v", head.Globals, want)
	}
}

// TestImageRefused: state that an image can't hold is refused by name, before it is
// needed.
func TestImageRefused(t *testing.T) {
	null := as.Op(binary.RefNull, binary.FuncRef)
	zero, drop := as.I32Const(0), as.Op(binary.Drop)
	for name, test := range map[string]struct {
		code    []byte
		globals []byte
		want    string
	}{
		"table.set":  {code: as.Join(zero, null, as.Op(binary.TableSet, 0)), want: "table.set"},
		"table.grow": {code: as.Join(null, zero, as.Op(binary.TableGrow, 0), drop), want: "table.grow"},
		"table.fill": {code: as.Join(zero, null, zero, as.Op(binary.TableFill, 0)), want: "table.fill"},
		"table.copy": {code: as.Join(zero, zero, zero, as.Op(binary.TableCopy, 0, 0)), want: "table.copy"},
		"table.init": {code: as.Join(zero, zero, zero, as.Op(binary.TableInit, 0, 0)), want: "table.init"},
		"a vector":   {globals: []byte{binary.V128}, want: "global (0)"},
	} {
		t.Run(name, func(t *testing.T) {
			m := load(t, as.Guest{Table: 2, Globals: test.globals, Process: as.Join(test.code, zero)}.Wasm(), host.Config{})
			if _, err := instantiate(t, m, host.InstanceConfig{}).Heap(0); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if reason := m.Inspect().NoImage; !strings.Contains(reason, test.want) {
				t.Errorf("Inspect says %q", reason)
			}
		})
	}
}
