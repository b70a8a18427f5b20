package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

func TestMain(m *testing.M) {
	actAsAnother()
	testscript.Main(m, map[string]func(){"wasmill": main})
}

// Scripts run the binary. Each finds the modules of guests below in its folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:             "testdata/script",
		ContinueOnError: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(actAs, "wasmill") // what wasmill starts is this binary, too
			e.Setenv("WASMILL_STORE", filepath.Join(e.WorkDir, "store"))
			e.Setenv("WASMILL_CACHE_DIR", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("PAGE_FINDER", pageFinder())
			for name, wasm := range guests {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), wasm, 0o644); err != nil {
					return err
				}
			}
			large, err := os.Create(filepath.Join(e.WorkDir, "large.wasm"))
			if err != nil {
				return err
			}
			return errors.Join(large.Truncate(65<<20), large.Close())
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": wantCode,
			"golden": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(golden)))
			},
			"damage": damageFile,
		},
	})
}

// wantCode is "code N args…": wasmill ends with exit code N.
func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARG...")
	}
	// Exec reports only that the code is not 0, so a shell keeps it.
	script := `"$@"; test $? -eq ` + args[0]
	if err := ts.Exec("sh", append([]string{"-c", script, "sh", "wasmill"}, args[1:]...)...); err != nil {
		ts.Fatalf("exit code is not %s", args[0])
	}
}

// damageFile is "damage FILE OFFSET": a byte of it is not what it was.
func damageFile(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	data[at] ^= 0x40
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// guests are modules as small as they can be.
var guests = map[string][]byte{
	"pass.wasm": guest(`{"abi":1,"name":"pass","version":"1.2.0","shape":"process","inputs":["in"],"outputs":["out"],"keepsKey":true,` +
		`"config":{"type":"object","properties":{"min":{"type":"number"}},"additionalProperties":false}}`),
	"join.wasm":    guest(`{"abi":1,"name":"join","shape":"process","inputs":["left","right"],"outputs":["both","rest"]}`),
	"lying.wasm":   guest(`{"abi":1,"name":"lying","shape":"process","inputs":"in"}`),
	"cut.wasm":     guest(`{"abi":1,"name":"cut","shape":"process","inputs":["in"],"outputs":["out"]}`)[:60],
	"nothing.wasm": {0, 'a', 's', 'm', 1, 0, 0, 0},
	"copy.wasm":    working("copy", processPass),
	"loop.wasm":    working("loop", processLoop),
	"trap.wasm":    working("trap", processTrap),
	"wild.wasm":    working("wild", processWild),
	"bad.wasm":     working("bad", processBad),
	"grow.wasm":    working("grow", processGrow),
}

// Bodies of wasmill_process(input, ptr, len) for tests that run jobs. Function 0 is emit.
var (
	processPass = []byte{0x41, 0, 0x20, 1, 0x20, 2, 0x10, 0, 0x41, 0}                      // emit(0, ptr, len)
	processLoop = []byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0}                               // for {}
	processTrap = []byte{0x41, 0, 0x20, 1, 0x20, 2, 0x10, 0, 0x00}                         // emit, unreachable
	processWild = []byte{0x41, 0, 0x41, 0xff, 0xff, 0xff, 0x3f, 0x20, 2, 0x10, 0, 0x41, 0} // emit from behind the memory
	processBad  = []byte{0x41, 0, 0x20, 1, 0x20, 2, 0x41, 1, 0x6b, 0x10, 0, 0x41, 0}       // emit a cut batch
	processGrow = []byte{0x03, 0x40, 0x41, 16, 0x40, 0, 0x41, 0, 0x4e, 0x0d, 0, 0x0b, 0}   // grow until refused, unreachable
)

// guest assembles a module that describes itself and answers every batch with ok.
func guest(description string) []byte { return assemble(description, []byte{0x41, 0}, false) }

// working assembles a module whose process may call emit.
func working(name string, process []byte) []byte {
	return assemble(`{"abi":1,"name":"`+name+`","shape":"process","inputs":["in"],"outputs":["out"]}`, process, true)
}

func assemble(description string, process []byte, emit bool) []byte {
	const at = 1024
	section := func(id byte, content ...byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
	}
	export := func(name string, kind, index byte) []byte {
		return append(append([]byte{byte(len(name))}, name...), kind, index)
	}
	body := func(code ...byte) []byte { return append([]byte{byte(len(code) + 2), 0}, append(code, 0x0b)...) }
	answer := append([]byte{0x42}, signed(at<<32|int64(len(description)))...)

	wasm := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	types := []byte{3, 0x60, 0, 1, 0x7e, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f}
	first := byte(0) // function of the module's own
	if emit {
		first, types[0] = 1, 4
		types = append(types, 0x60, 3, 0x7f, 0x7f, 0x7f, 0)
	}
	wasm = append(wasm, section(1, types...)...)
	if emit {
		wasm = append(wasm, section(2, append([]byte{1, 7}, "wasmill\x04emit\x00\x03"...)...)...)
	}
	wasm = append(wasm, section(3, 3, 0, 1, 2)...)
	wasm = append(wasm, section(5, 1, 0, 1)...)
	exports := []byte{4}
	exports = append(exports, export("memory", 2, 0)...)
	exports = append(exports, export("wasmill_describe", 0, first)...)
	exports = append(exports, export("wasmill_alloc", 0, first+1)...)
	exports = append(exports, export("wasmill_process", 0, first+2)...)
	wasm = append(wasm, section(7, exports...)...)
	code := append([]byte{3}, body(answer...)...)
	code = append(code, body(append([]byte{0x41}, signed(16384)...)...)...)
	code = append(code, body(process...)...)
	wasm = append(wasm, section(10, code...)...)
	data := append(append([]byte{1, 0, 0x41}, signed(at)...), 0x0b)
	data = append(binary.AppendUvarint(data, uint64(len(description))), description...)
	return append(wasm, section(11, data...)...)
}

// signed is LEB128.
func signed(v int64) (b []byte) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"something else", errors.New("disk on fire"), 1},
		{"the job failed", &jobError{job: "x", err: fault.Transientf("connection lost")}, 1},
		{"usage", usagef("no verb"), 2},
		{"job file", graph.Problems{{Message: "is empty"}}, 3},
		{"module", fmt.Errorf("x.wasm: %w", &host.Refusal{Reason: "no memory"}), 3},
		{"configuration", invalid(errors.New("unknown setting")), 3},
		{"server", &unreachableError{errors.New("no servers available")}, 6},
		{"not allowed", deniedError{errors.New("access denied")}, 9},
		{"somebody else took over", &jobError{job: "x", err: fault.As(fault.ErrFenced, errors.New("term 3"))}, 10},
		{"a guest's fault", &jobError{job: "x", err: fmt.Errorf("run task: %w", fault.Guestf("trap"))}, 7},
		{"interrupted", fmt.Errorf("run: %w", errInterrupted), 130},
		{"interrupted while the job failed", errors.Join(&jobError{job: "x", err: fault.Guestf("trap")}, errInterrupted), 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := exitCode(c.err); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}

// Every verb says what it does and leaves error texts to execute.
func TestEveryVerbIsComplete(t *testing.T) {
	root := rootCommand()
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if c.Short == "" || c.RunE == nil || c.Args == nil {
			t.Errorf("%s: Short, RunE and Args are required", c.Name())
		}
	}
	if code := execute(context.Background(), []string{"version", "--output", "xml"}); code != exitUsage {
		t.Errorf("a bad flag ends with %d", code)
	}
}
