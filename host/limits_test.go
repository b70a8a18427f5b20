package host_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// imports of the guests below; their functions begin behind them.
var (
	emitImport   = as.Import{Module: "wasmill", Name: "emit", Params: []byte{as.I32, as.I32, as.I32}}
	emitToImport = as.Import{Module: "wasmill", Name: "emit_to", Params: []byte{as.I32, as.I32, as.I32, as.I32}}
	rejectImport = as.Import{Module: "wasmill", Name: "reject", Params: []byte{as.I32, as.I32, as.I32}}
	logImport    = as.Import{Module: "wasmill", Name: "log", Params: []byte{as.I32, as.I32, as.I32}}
	metricImport = as.Import{Module: "wasmill", Name: "metric", Params: []byte{as.I32, as.I32, as.I32, as.F64}}
	failImport   = as.Import{Module: "wasmill", Name: "fail", Params: []byte{as.I32, as.I32}}
	randomImport = as.Import{Module: "wasi_snapshot_preview1", Name: "random_get", Params: []byte{as.I32, as.I32}, Results: []byte{as.I32}}
	exitImport   = as.Import{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []byte{as.I32}}
)

const (
	describe, alloc, process = 0, 1, 2 // functions of a Guest without imports
	more                     = 3
)

var small = graph.Limits{CPUPerBatch: 100 * time.Millisecond, Memory: 64 << 20, TableEntries: 1000, StackDepth: 5000, EmitPerBatch: 1 << 20}

// tenfold calls a function ten times: a level of an exponential call tree.
func tenfold(f uint32) []byte {
	var code []byte
	for range 10 {
		code = append(code, as.Call(f)...)
	}
	return code
}

// TestProcessStopsGuests: what a guest does to take more than its limits, or what is
// not its own, ends as a guest fault that says so (rows 18, 19 and 21 of the faults).
func TestProcessStopsGuests(t *testing.T) {
	zero := as.I32Const(0)
	fill := func(n int32) []byte { return as.Join(zero, zero, as.I32Const(n), as.Op(binary.MemoryFill, 0)) }
	tree := []as.Func{{Code: nil}}
	for n := range 14 {
		tree = append(tree, as.Func{Code: tenfold(uint32(more + n))})
	}
	good := batchOf(1)
	tests := []struct {
		name  string
		guest as.Guest
		want  []string
	}{
		{"an endless loop", as.Guest{Process: as.Forever()}, []string{"wasmill_process: limit cpuPerBatch 100ms exceeded"}},
		{"an endless loop with work", as.Guest{Process: as.Join(as.Loop(as.I32Const(8), as.I32Const(8), as.Op(binary.I32Load, 2, 0), as.I32Const(1), as.Op(binary.I32Add), as.Op(0x36, 2, 0), as.Op(binary.Br, 0)), as.Op(binary.Unreachable))},
			[]string{"cpuPerBatch"}},
		{"an endless loop in alloc", as.Guest{Alloc: as.Forever()}, []string{"wasmill_alloc: limit cpuPerBatch"}},
		{"an exponential tree of calls", as.Guest{Process: as.Join(as.Call(more+14), zero), Funcs: tree}, []string{"cpuPerBatch"}},
		{"exponential recursion", as.Guest{Process: as.Join(as.Call(more, as.I32Const(60)), zero), Funcs: []as.Func{{Params: []byte{as.I32}, Code: as.Join(
			as.Local(0), as.Op(binary.If), []byte{0x40},
			as.Call(more, as.Local(0), as.I32Const(1), as.Op(binary.I32Sub)),
			as.Call(more, as.Local(0), as.I32Const(1), as.Op(binary.I32Sub)),
			as.Op(binary.End))}}}, []string{"cpuPerBatch"}},
		{"a loop of fills of 64 MiB", as.Guest{Pages: 1024, Process: as.Forever(fill(64 << 20))}, []string{"cpuPerBatch"}},
		{"a loop of overlapping copies", as.Guest{Pages: 1024, Process: as.Forever(as.I32Const(1), zero, as.I32Const(64<<20-1), as.Op(binary.MemoryCopy, 0, 0))}, []string{"cpuPerBatch"}},
		{"a loop of random numbers", as.Guest{Imports: []as.Import{randomImport}, Pages: 1024, Process: as.Forever(as.Call(0, zero, as.I32Const(64<<20)), as.Op(binary.Drop))}, []string{"cpuPerBatch"}},
		{"a loop of empty emits", as.Guest{Imports: []as.Import{emitImport}, Process: as.Forever(as.Call(0, zero, zero, zero))}, []string{"cpuPerBatch"}},
		{"a loop of table fills", as.Guest{Table: 1000, Process: as.Forever(zero, as.Op(binary.RefNull, binary.FuncRef), as.I32Const(1000), as.Op(binary.TableFill, 0))}, []string{"cpuPerBatch"}},
		{"a loop of memory.grow that fails", as.Guest{Process: as.Forever(as.I32Const(2000), as.Op(binary.MemoryGrow, 0), as.Op(binary.Drop))}, []string{"cpuPerBatch", "limit memory 64MiB exceeded"}},
		{"a memory bomb", as.Guest{Process: as.Forever(as.I32Const(16), as.Op(binary.MemoryGrow, 0), as.I32Const(-1), as.Op(0x46), as.Op(binary.If), []byte{0x40}, as.Op(binary.Unreachable), as.Op(binary.End))},
			[]string{"unreachable", "limit memory 64MiB exceeded"}},
		{"a table bomb", as.Guest{Table: 1, Process: as.Forever(as.Op(binary.RefNull, binary.FuncRef), as.I32Const(100), as.Op(binary.TableGrow, 0), as.I32Const(-1), as.Op(0x46), as.Op(binary.If), []byte{0x40}, as.Op(binary.Unreachable), as.Op(binary.End))},
			[]string{"unreachable"}},
		{"a stack bomb", as.Guest{Process: as.Join(as.Call(more), zero), Funcs: []as.Func{{Code: as.Call(more)}}}, []string{"limit stackDepth", "exceeded"}},
		{"a stack bomb of two", as.Guest{Process: as.Join(as.Call(more), zero), Funcs: []as.Func{{Code: as.Call(more + 1)}, {Code: as.Call(more)}}}, []string{"limit stackDepth"}},
		{"a stack bomb by table", as.Guest{Table: 1, Elems: []uint32{more}, Process: as.Join(as.Call(more), zero), Funcs: []as.Func{{Code: as.Join(zero, callIndirect(3))}}}, []string{"limit stackDepth"}},
		{"a trap", as.Guest{Process: as.Op(binary.Unreachable)}, []string{"wasmill_process: trap: unreachable", "function 2"}},
		{"a division by zero", as.Guest{Process: as.Join(zero, zero, as.Op(0x6e))}, []string{"integer divide by zero"}},
		{"a wild load", as.Guest{Process: as.Join(as.I32Const(-4), as.Op(binary.I32Load, 2, 0))}, []string{"out of bounds memory access"}},
		{"a wild copy", as.Guest{Process: as.Join(as.I32Const(-2000), zero, as.I32Const(4000), as.Op(binary.MemoryCopy, 0, 0), zero)}, []string{"out of bounds memory access"}},
		{"a wild fill", as.Guest{Process: as.Join(as.I32Const(65536), zero, as.I32Const(math.MaxInt32), as.Op(binary.MemoryFill, 0), zero)}, []string{"out of bounds memory access"}},
		{"a call through an empty entry", as.Guest{Table: 2, Process: as.Join(as.I32Const(1), callIndirect(0), as.Op(binary.Drop), zero)}, []string{"invalid table access"}},
		{"an alloc that has no room", as.Guest{Alloc: zero}, []string{"wasmill_alloc has no room for"}},
		{"an alloc outside memory", as.Guest{Alloc: as.I32Const(-16)}, []string{"outside the memory"}},
		{"an alloc that is not aligned", as.Guest{Alloc: as.I32Const(65540)}, []string{"not 16-aligned"}},
		{"an emit from outside memory", as.Guest{Imports: []as.Import{emitImport}, Process: as.Join(as.Call(0, zero, as.I32Const(-8), as.I32Const(100)), zero)}, []string{"emit: 100 bytes at 0xfffffff8 are outside"}},
		{"an emit of negative length", as.Guest{Imports: []as.Import{emitImport}, Process: as.Join(as.Call(0, zero, as.I32Const(16), as.I32Const(-1)), zero)}, []string{"outside"}},
		{"an emit to a missing output", as.Guest{Imports: []as.Import{emitImport}, Process: as.Join(as.Call(0, as.I32Const(7), zero, zero), zero)}, []string{"emit: no output 7, the module describes 1"}},
		{"an emit to output −1", as.Guest{Imports: []as.Import{emitImport}, Process: as.Join(as.Call(0, as.I32Const(-1), zero, zero), zero)}, []string{"no output -1"}},
		{"an emit to a negative partition", as.Guest{Imports: []as.Import{emitToImport}, Process: as.Join(as.Call(0, zero, as.I32Const(-2), zero, zero), zero)}, []string{"partition -2"}},
		{"a malformed batch", as.Guest{Imports: []as.Import{emitImport}, Data: append(batchOf(2), 1, 2, 3), Process: as.Join(as.Call(0, zero, as.I32Const(as.DataAt), as.I32Const(int32(len(batchOf(2))+3))), zero)},
			[]string{`emit: output "out": malformed batch: record 2 at byte 264`, "3 bytes left"}},
		{"too much emitted", as.Guest{Imports: []as.Import{emitImport}, Data: good, Process: as.Forever(as.Call(0, zero, as.I32Const(as.DataAt), as.I32Const(int32(len(good)))))}, []string{"limit emitPerBatch 1MiB exceeded"}},
		{"an emit in alloc", as.Guest{Imports: []as.Import{emitImport}, Alloc: as.Join(as.Call(0, zero, zero, zero), as.I32Const(as.Buffer))}, []string{"emit: called outside"}},
		{"a rejection of a missing record", as.Guest{Imports: []as.Import{rejectImport}, Process: as.Join(as.Call(0, as.I32Const(1), zero, zero), zero)}, []string{"reject: no record 1, the batch has 1"}},
		{"a rejection twice", as.Guest{Imports: []as.Import{rejectImport}, Process: as.Join(as.Call(0, zero, zero, zero), as.Call(0, zero, zero, zero), zero)}, []string{"rejected twice"}},
		{"a log line from outside memory", as.Guest{Imports: []as.Import{logImport}, Process: as.Join(as.Call(0, zero, as.I32Const(-1), as.I32Const(8)), zero)}, []string{"log: 8 bytes"}},
		{"a log line of no level", as.Guest{Imports: []as.Import{logImport}, Process: as.Join(as.Call(0, as.I32Const(9), zero, zero), zero)}, []string{"log: no level 9"}},
		{"a metric of no kind", as.Guest{Imports: []as.Import{metricImport}, Process: as.Join(as.Call(0, as.I32Const(9), zero, zero, as.F64Const(0)), zero)}, []string{"metric: no kind 9"}},
		{"a metric of no name", as.Guest{Imports: []as.Import{metricImport}, Process: as.Join(as.Call(0, zero, zero, zero, as.F64Const(0)), zero)}, []string{"is no name"}},
		{"a metric that is not a number", as.Guest{Imports: []as.Import{metricImport}, Data: []byte("seen"), Process: as.Join(as.Call(0, zero, as.I32Const(as.DataAt), as.I32Const(4), as.F64Const(math.Float64bits(math.NaN()))), zero)}, []string{`"seen" is not finite`}},
		{"a failure with a message", as.Guest{Imports: []as.Import{failImport}, Data: []byte("no such currency"), Process: as.Join(as.Call(0, as.I32Const(as.DataAt), as.I32Const(16)), as.I32Const(-1))}, []string{"wasmill_process: no such currency"}},
		{"a failure without one", as.Guest{Process: as.I32Const(-7)}, []string{"failed with status -7 and no message"}},
		{"an unknown status", as.Guest{Process: as.I32Const(3)}, []string{"unknown status 3"}},
		{"an exit", as.Guest{Imports: []as.Import{exitImport}, Process: as.Join(as.Call(0, as.I32Const(42)), zero)}, []string{"exited with code 42"}},
	}
	for _, c := range []struct {
		name string
		host.Config
	}{{"compiled", host.Config{}}, {"interpreted", host.Config{Interpreter: true}}} {
		for _, test := range tests {
			t.Run(c.name+"/"+test.name, func(t *testing.T) {
				i := open(t, test.guest.Wasm(), c.Config, host.InstanceConfig{Limits: small, Collector: &collector{}})
				err := i.Process(0, good)
				if !errors.Is(err, fault.ErrGuest) {
					t.Fatalf("%v is not a guest fault", err)
				}
				for _, part := range test.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q does not say %q", err, part)
					}
				}
				if again := i.Process(0, good); again != err {
					t.Errorf("the next call answers %v", again)
				}
			})
		}
	}
}

// callIndirect calls through table 0 a function of the type with that index; 0 is
// describe's, 3 is that of a function without parameters and results.
func callIndirect(typeIndex uint32) []byte { return as.Op(binary.CallIndirect, typeIndex, 0) }

// TestCPULimitHoldsInTime: a spinning guest is stopped within twice its limit, and the
// garbage collector, which waits for every goroutine, goes on meanwhile.
func TestCPULimitHoldsInTime(t *testing.T) {
	i := open(t, as.Guest{Process: as.Forever()}.Wasm(), host.Config{}, host.InstanceConfig{Limits: small})
	stop := make(chan struct{})
	collections := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				collections <- n
				return
			default:
				runtime.GC()
				n++
			}
		}
	}()
	before := i.GuestTime()
	err := i.Process(0, nil)
	close(stop)
	if !errors.Is(err, fault.ErrGuest) {
		t.Fatal(err)
	}
	if n := <-collections; n < 2 {
		t.Errorf("the collector ran %d times while the guest span", n)
	}
	if spent := i.GuestTime() - before; spent < small.CPUPerBatch || spent > 2*small.CPUPerBatch {
		t.Errorf("the guest was stopped after %s of CPU time, its limit is %s", spent, small.CPUPerBatch)
	}
}

// TestRecursionWithinLimit: depth is given back on return, however a function ends.
func TestRecursionWithinLimit(t *testing.T) {
	// f(n) = n == 0 ? return : f(n−1)
	f := as.Func{Params: []byte{as.I32}, Code: as.Join(
		as.Local(0), as.Op(binary.I32Eqz), as.Op(binary.If), []byte{0x40}, as.Op(binary.Return), as.Op(binary.End),
		as.Call(more, as.Local(0), as.I32Const(1), as.Op(binary.I32Sub)))}
	i := open(t, as.Guest{Process: as.Join(as.Call(more, as.I32Const(1000)), as.I32Const(0)), Funcs: []as.Func{f}}.Wasm(), host.Config{}, host.InstanceConfig{Limits: small})
	for range 100 {
		if err := i.Process(0, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCollectorErrorsPass: what the collector answers is returned as it is.
func TestCollectorErrorsPass(t *testing.T) {
	ended := errors.New("the attempt ended")
	wasm := as.Guest{Imports: []as.Import{emitImport}, Data: batchOf(1), Process: as.Join(as.Call(0, as.I32Const(0), as.I32Const(as.DataAt), as.I32Const(int32(len(batchOf(1))))), as.I32Const(0))}.Wasm()
	i := open(t, wasm, host.Config{}, host.InstanceConfig{Collector: &collector{err: ended}})
	if err := i.Process(0, nil); err != ended {
		t.Errorf("got %v", err)
	}
}

// TestMemoryLimitAtStart: a module that starts beyond its operator's limit is refused.
func TestMemoryLimitAtStart(t *testing.T) {
	m := load(t, as.Guest{Pages: 100}.Wasm(), host.Config{})
	_, err := m.Instantiate(t.Context(), host.InstanceConfig{Limits: graph.Limits{Memory: 1 << 20}})
	var refusal *host.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "limit memory") {
		t.Errorf("got %v", err)
	}
}

// TestBulkPieces: long fills and copies give what the instructions give.
func TestBulkPieces(t *testing.T) {
	const n = 300_000
	wasm := as.Guest{
		Imports: []as.Import{emitImport}, Pages: 32,
		// A record of 8 bytes is built out of sums over memory that was filled and copied.
		Process: as.Join(
			as.I32Const(100_000), as.I32Const(7), as.I32Const(n), as.Op(binary.MemoryFill, 0),
			as.I32Const(200_000), as.I32Const(100_001), as.I32Const(n), as.Op(binary.MemoryCopy, 0, 0), // upwards, overlapping
			as.I32Const(90_000), as.I32Const(150_000), as.I32Const(n), as.Op(binary.MemoryCopy, 0, 0), // downwards, overlapping
			as.I32Const(0)),
	}.Wasm()
	var images [2][]byte
	for k, plain := range []bool{false, true} {
		i := open(t, wasm, host.Config{NoSafepoints: plain}, host.InstanceConfig{Now: func() int64 { return 0 }})
		if err := i.Process(0, []byte{}); err != nil {
			t.Fatal(err)
		}
		images[k] = image(t, i)
	}
	if string(images[0]) != string(images[1]) {
		t.Error("memory differs between pieces and whole instructions")
	}
}
