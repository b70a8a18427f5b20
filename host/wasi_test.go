package host_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	op "github.com/wasmill/wasmill/host/internal/binary"
	"github.com/wasmill/wasmill/runtime/fault"
)

func wasi(name string, params ...byte) as.Import {
	return as.Import{Module: "wasi_snapshot_preview1", Name: name, Params: params, Results: []byte{as.I32}}
}

// answers runs code that leaves an i32, and gives that i32 as the guest reports it.
// Functions of imports come first: 0 is metric.
func answers(t *testing.T, c host.InstanceConfig, data []byte, imports []as.Import, code []byte) (result float64, i *host.Instance) {
	t.Helper()
	const name, convert = as.DataAt + 2048, op.Op(0xb8) // f64.convert_i32_u
	placed := make([]byte, 2050)
	copy(placed, data)
	copy(placed[2048:], "r")
	g := as.Guest{
		Imports: append([]as.Import{metricImport}, imports...), Data: placed,
		Process: as.Join(as.I32Const(0), as.I32Const(name), as.I32Const(1), code, as.Op(convert), as.Call(0), as.I32Const(0)),
	}
	c.Metric = func(_ int, _ string, value float64) { result = value }
	i = open(t, g.Wasm(), host.Config{}, c)
	if err := i.Process(0, nil); err != nil {
		t.Fatal(err)
	}
	return result, i
}

// TestWASIAnswers: a guest has an output and nothing else of the outer world.
func TestWASIAnswers(t *testing.T) {
	const success, badf, fault, inval, nosys, spipe = 0, 8, 21, 28, 52, 70
	i32, i64 := byte(as.I32), byte(as.I64)
	n := as.I32Const
	for _, test := range []struct {
		name string
		f    as.Import
		args []byte
		want float64
	}{
		{"a file can't be opened", wasi("path_open", i32, i32, i32, i32, i32, i64, i64, i32, i32), as.Join(n(3), n(0), n(0), n(0), n(0), as.I64Const(0), as.I64Const(0), n(0), n(0)), badf},
		{"there is no opened folder", wasi("fd_prestat_get", i32, i32), as.Join(n(3), n(0)), badf},
		{"a socket can't be read", wasi("sock_recv", i32, i32, i32, i32, i32, i32), as.Join(n(4), n(0), n(0), n(0), n(0), n(0)), badf},
		{"no other descriptor can be written", wasi("fd_write", i32, i32, i32, i32), as.Join(n(3), n(0), n(0), n(0)), badf},
		{"an output can't be sought", wasi("fd_seek", i32, i64, i32, i32), as.Join(n(1), as.I64Const(0), n(0), n(0)), spipe},
		{"a missing descriptor can't be sought", wasi("fd_seek", i32, i64, i32, i32), as.Join(n(9), as.I64Const(0), n(0), n(0)), badf},
		{"signals are not sent", wasi("proc_raise", i32), n(9), nosys},
		{"standard input is at its end", wasi("fd_read", i32, i32, i32, i32), as.Join(n(0), n(as.DataAt), n(1), n(as.DataAt+100)), success},
		{"a write from outside memory", wasi("fd_write", i32, i32, i32, i32), as.Join(n(1), n(-4), n(1), n(as.DataAt)), fault},
		{"a write of too many pieces", wasi("fd_write", i32, i32, i32, i32), as.Join(n(1), n(0), n(-1), n(as.DataAt)), inval},
		{"the clock outside memory", wasi("clock_time_get", i32, i64, i32), as.Join(n(0), as.I64Const(0), n(-4)), fault},
		{"an unknown clock", wasi("clock_time_get", i32, i64, i32), as.Join(n(7), as.I64Const(0), n(0)), inval},
		{"random numbers outside memory", wasi("random_get", i32, i32), as.Join(n(-4), n(100)), fault},
		{"a poll of nothing", wasi("poll_oneoff", i32, i32, i32, i32), as.Join(n(0), n(0), n(0), n(0)), inval},
		{"a poll of too much", wasi("poll_oneoff", i32, i32, i32, i32), as.Join(n(0), n(0), n(-1), n(0)), inval},
		{"arguments are none", wasi("args_sizes_get", i32, i32), as.Join(n(as.DataAt), n(as.DataAt+4)), success},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := answers(t, host.InstanceConfig{}, nil, []as.Import{test.f}, as.Call(1, test.args)); got != test.want {
				t.Errorf("answered %v, want %v", got, test.want)
			}
		})
	}
}

// TestVirtualClock: reads move the clock by a microsecond, a poll to its deadline, and
// nothing else does.
func TestVirtualClock(t *testing.T) {
	subscription := make([]byte, 48)
	binary.LittleEndian.PutUint64(subscription[24:], 5_000_000_000) // relative, 5 s
	imports := []as.Import{wasi("clock_time_get", as.I32, as.I64, as.I32), wasi("poll_oneoff", as.I32, as.I32, as.I32, as.I32)}
	read := as.Join(as.Call(1, as.I32Const(1), as.I64Const(0), as.I32Const(as.DataAt+200)), as.Op(op.Drop))
	code := as.Join(read, read,
		as.Call(2, as.I32Const(as.DataAt), as.I32Const(as.DataAt+300), as.I32Const(1), as.I32Const(as.DataAt+400)))
	_, i := answers(t, fixed(&collector{}), subscription, imports, code)
	head := headOf(t, image(t, i))
	start := fixed(nil).Now() * 1_000_000
	if want := start + 2*1000 + 5_000_000_000; head.Clock != want {
		t.Errorf("the clock shows %d, want %d", head.Clock, want)
	}
}

// TestEnvironment: a guest sees what it was granted.
func TestEnvironment(t *testing.T) {
	granted := host.InstanceConfig{Env: map[string]string{"TOKEN": "x", "A": "longer"}}
	sizes := wasi("environ_sizes_get", as.I32, as.I32)
	loadAt := func(at int32) []byte { return as.Join(as.I32Const(at), as.Op(op.I32Load, 2, 0)) }
	call := as.Call(1, as.I32Const(as.DataAt), as.I32Const(as.DataAt+4))
	both := as.Join(call, as.Op(op.Drop), loadAt(as.DataAt), as.I32Const(100), as.Op(op.Op(0x6c)), loadAt(as.DataAt+4), as.Op(op.I32Add))
	if got, _ := answers(t, granted, nil, []as.Import{sizes}, both); got != 200+float64(len("TOKEN=x\x00A=longer\x00")) {
		t.Errorf("sizes are %v", got)
	}
	if got, _ := answers(t, host.InstanceConfig{}, nil, []as.Import{sizes}, both); got != 0 {
		t.Errorf("without a grant sizes are %v", got)
	}
}

// TestOutputBecomesLog: lines become log lines with their level, also a last one that
// was not ended; the reason a guest prints comes with its fault.
func TestOutputBecomesLog(t *testing.T) {
	text := "first\npanic: no fuel\n\ngoroutine 1\nhalf"
	data := make([]byte, 16, 100)
	binary.LittleEndian.PutUint32(data, as.DataAt+16)
	binary.LittleEndian.PutUint32(data[4:], uint32(len(text)))
	write := as.Join(as.Call(0, as.I32Const(2), as.I32Const(as.DataAt), as.I32Const(1), as.I32Const(as.DataAt+8)), as.Op(op.Drop))
	g := as.Guest{Imports: []as.Import{wasi("fd_write", as.I32, as.I32, as.I32, as.I32)}, Data: append(data, text...), Process: as.Join(write, as.Op(op.Unreachable))}
	var log bytes.Buffer
	i := open(t, g.Wasm(), host.Config{}, host.InstanceConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	err := i.Process(0, nil)
	if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), "unreachable: panic: no fuel\n\tgoroutine 1\n\thalf") {
		t.Errorf("the fault says %q", err)
	}
	for _, want := range []string{"level=WARN msg=first", `msg="panic: no fuel"`, "msg=half"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log.String())
		}
	}
}

// TestRandomIsSeeded: the same seed gives the same numbers, another seed others.
func TestRandomIsSeeded(t *testing.T) {
	code := as.Join(as.Call(1, as.I32Const(as.DataAt), as.I32Const(4)), as.Op(op.Drop), as.I32Const(as.DataAt), as.Op(op.I32Load, 2, 0))
	number := func(seed uint64) float64 {
		got, _ := answers(t, host.InstanceConfig{Seed: seed}, nil, []as.Import{wasi("random_get", as.I32, as.I32)}, code)
		return got
	}
	if number(1) != number(1) || number(1) == number(2) {
		t.Error("random numbers do not follow the seed")
	}
}
