package host_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/host"
	as "github.com/wasmill/wasmill/host/internal/assemble"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

func imported(name string, params string, result byte) as.Import {
	i := as.Import{Module: "wasmill", Name: name}
	for _, p := range params {
		i.Params = append(i.Params, map[rune]byte{'i': as.I32, 'I': as.I64}[p])
	}
	if result != 0 {
		i.Results = []byte{result}
	}
	return i
}

const tabled = `{"abi":1,"name":"test","shape":"process","inputs":["in"],"outputs":["out"],"tables":[{"name":"counts","scope":"key"},{"name":"seen","scope":"key","ttl":"1h"}],"stateVersion":3}`

// answersAt is where the guest below has answers written, behind the head of a record.
const answersAt = 1 << 18

// stateGuest gives its input to the state import and emits the answers as the value of
// a record, whose timestamp is what the import returned.
func stateGuest(room int32) []byte {
	const i32store, i64store, wrap, set = 0x36, 0x37, 0xa7, 0x21
	result := as.Join(as.Local(3))
	bytes := as.Join(result, as.Op(wrap))
	return as.Guest{
		Describe: tabled, Pages: 32, Locals: []byte{as.I64},
		Imports: []as.Import{imported("state", "iiii", as.I64), emitImport},
		Process: as.Join(
			as.Call(0, as.Local(1), as.Local(2), as.I32Const(answersAt+16), as.I32Const(room)), as.Op(set, 3),
			as.I32Const(answersAt), as.I32Const(4<<24), as.Op(i32store, 2, 0),
			as.I32Const(answersAt+4), bytes, as.Op(i32store, 2, 0),
			as.I32Const(answersAt+8), result, as.Op(i64store, 3, 0),
			as.Call(1, as.I32Const(0), as.I32Const(answersAt), as.Join(bytes, as.I32Const(16), as.Op(0x6a))),
			as.I32Const(0)),
	}.Wasm()
}

// request writes operations of the state import.
type request struct{ b []byte }

func (r *request) op(code, flags uint8, table int, key, sub, val string) *request {
	r.b = append(r.b, code, flags, byte(table), byte(table>>8))
	for _, s := range []string{key, sub, val} {
		r.b = binary.LittleEndian.AppendUint32(r.b, uint32(len(s)))
	}
	r.b = append(r.b, key+sub+val...)
	return r
}

func answer(a, b uint32, text string) string {
	head := binary.LittleEndian.AppendUint32(nil, a)
	return string(binary.LittleEndian.AppendUint32(head, b)) + text
}

func entry(version int, sub, val string) string {
	return answer(uint32(len(sub)), uint32(len(val)), string(binary.LittleEndian.AppendUint32(nil, uint32(version)))+sub+val)
}

var declared = []state.Table{{Name: "counts", Scope: state.ScopeKey}, {Name: "seen", Scope: state.ScopeKey, TTL: time.Hour}}

// tablesOf makes the tables of groups [first, end) of 128, and timers.
func tablesOf(t testing.TB, first, end int, limit int64) (*state.Memory, *state.Tables, *state.Timers) {
	t.Helper()
	m, err := state.NewMemory(state.Options{
		Tables: append(slices.Clone(declared), state.Table{Name: state.TimersTable, Scope: state.ScopeKey}),
		First:  first, End: end, Limit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.SetVersion(3)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	timers, err := state.NewTimers(m, len(declared), first, end)
	if err != nil {
		t.Fatal(err)
	}
	return m, state.NewTables(declared, m, nil, first, end, 128), timers
}

func withState(t testing.TB, c *collector) host.InstanceConfig {
	_, tables, timers := tablesOf(t, 0, 128, 0)
	return host.InstanceConfig{Collector: c, Parallelism: 1, MaxParallelism: 128, State: tables, Timers: timers}
}

// ask makes one state call and returns what it returned and its answers.
func ask(t testing.TB, i *host.Instance, c *collector, r *request) (done, size int, answers string) {
	t.Helper()
	c.emitted = c.emitted[:0]
	if err := i.Process(0, r.b); err != nil {
		t.Fatal(err)
	}
	cursor := record.NewCursor(c.emitted)
	if !cursor.Next() {
		t.Fatalf("nothing was emitted: %v", cursor.Err())
	}
	return int(cursor.Timestamp >> 32), int(uint32(cursor.Timestamp)), string(cursor.Value)
}

func TestStateCall(t *testing.T) {
	c := &collector{}
	i := open(t, stateGuest(4096), host.Config{}, withState(t, c))
	for _, step := range []struct {
		name string
		ask  request
		done int
		want string
	}{
		{"nothing", *new(request).op(state.OpGet, 0, 0, "a", "", ""), 1, answer(0, ^uint32(0), "")},
		{"operations see those before them", *new(request).op(state.OpPut, 0, 0, "a", "", "one").op(state.OpGet, 0, 0, "a", "", "").
			op(state.OpAppend, 0, 0, "a", "", "two").op(state.OpGet, 0, 0, "a", "", "").op(state.OpDelete, 0, 0, "a", "", "").op(state.OpGet, 0, 0, "a", "", ""),
			6, answer(3, 3, "one") + answer(3, 6, "onetwo") + answer(0, ^uint32(0), "")},
		{"tables are apart", *new(request).op(state.OpPut, 0, 0, "k", "", "0").op(state.OpPut, 0, 1, "k", "", "").op(state.OpGet, 0, 0, "k", "", "").op(state.OpGet, 0, 1, "k", "", ""),
			4, answer(3, 1, "0") + answer(3, 0, "")},
		{"subkeys are in order", *new(request).op(state.OpPut, 0, 0, "k", "c", "3").op(state.OpPut, 0, 0, "k", "a", "1").op(state.OpPut, 0, 0, "k", "b", "2").
			op(state.OpScan, 0, 0, "k", "a", "").op(state.OpScan, state.FlagTo, 0, "k", "", "b"), 5,
			answer(0, 42, entry(3, "a", "1")+entry(3, "b", "2")+entry(3, "c", "3")) + answer(0, 27, entry(3, "", "0")+entry(3, "a", "1"))},
		{"a range goes", *new(request).op(state.OpDeleteRange, state.FlagTo, 0, "k", "", "c").op(state.OpScan, 0, 0, "k", "", "").
			op(state.OpDeleteRange, 0, 0, "k", "", "").op(state.OpScan, 0, 0, "k", "", ""), 4, answer(0, 14, entry(3, "c", "3")) + answer(0, 0, "")},
		{"keys", *new(request).op(state.OpScanKeys, 0, 1, "", "", "").op(state.OpScanKeys, state.FlagTo, 1, "k", "", ""), 2, answer(0, 5, "\x01\x00\x00\x00k") + answer(0, 0, "")},
		{"no operations", request{b: []byte{}}, 0, ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			done, size, got := ask(t, i, c, &step.ask)
			if done != step.done || size != len(step.want) || got != step.want {
				t.Errorf("%d done, %d bytes:\n%q\nwant %d done, %d bytes:\n%q", done, size, got, step.done, len(step.want), step.want)
			}
		})
	}
}

// TestStateCallStops: what does not fit is not done, and the guest is told.
func TestStateCallStops(t *testing.T) {
	c := &collector{}
	i := open(t, stateGuest(100), host.Config{}, withState(t, c))
	long := strings.Repeat("x", 80)
	ask(t, i, c, new(request).op(state.OpPut, 0, 0, "k", "a", long).op(state.OpPut, 0, 0, "k", "b", long+long).op(state.OpPut, 0, 0, "k", "c", ""))
	done, size, got := ask(t, i, c, new(request).op(state.OpGet, 0, 0, "k", "a", "").op(state.OpGet, 0, 0, "k", "a", "").op(state.OpPut, 0, 0, "k", "c", "never"))
	if done != 1 || size != 88 || got != answer(3, 80, long) {
		t.Errorf("%d done, %d bytes: %q", done, size, got)
	}
	if done, size, _ := ask(t, i, c, new(request).op(state.OpGet, 0, 0, "k", "b", "")); done != 0 || size != 0 {
		t.Errorf("a value that is too long: %d done, %d bytes", done, size)
	}
	if done, size, got := ask(t, i, c, new(request).op(state.OpScan, 0, 0, "k", "", "")); done != 0 || size != 0 {
		t.Errorf("an entry that is too long: %d done, %d bytes: %q", done, size, got)
	}
	i = open(t, stateGuest(110), host.Config{}, withState(t, c))
	ask(t, i, c, new(request).op(state.OpPut, 0, 0, "k", "a", long).op(state.OpPut, 0, 0, "k", "b", long))
	if done, _, got := ask(t, i, c, new(request).op(state.OpScan, 0, 0, "k", "", "")); done != 1 || got != answer(1, 93, entry(3, "a", long)) {
		t.Errorf("a scan that goes on: %d done: %q", done, got)
	}
}

// keyIn finds a key whose group is in a range.
func keyIn(first, end int) string {
	for n := 0; ; n++ {
		key := fmt.Sprintf("key%03d", n)
		if g := keygroup.Of([]byte(key), 128); g >= first && g < end {
			return key
		}
	}
}

// TestStateStopsGuests: a guest that reaches for what is not its own, or slips in the
// protocol, ends as a guest fault that says so (row 21 of the faults).
func TestStateStopsGuests(t *testing.T) {
	foreign := keyIn(64, 128)
	mine := keyIn(0, 64)
	zero, data := as.I32Const(0), as.I32Const(as.DataAt)
	key := as.Join(data, as.I32Const(6)) // pointer and length
	none := as.Join(zero, zero)
	wild := as.Join(as.I32Const(-8), as.I32Const(100))
	long := as.Join(zero, as.I32Const(100_000))
	get, put := imported("get", "iiiiiii", as.I64), imported("put", "iiiiiii", 0)
	scan := imported("scan", "iiiiiiiii", as.I64)
	del := imported("delete", "iiiii", 0)
	batch := imported("state", "iiii", as.I64)
	set := imported("timer_set", "iIiiii", 0)
	reply, emit := imported("reply", "ii", 0), emitImport
	drop := as.Op(0x1a)
	call := func(i as.Import, data string, code ...[]byte) as.Guest {
		body := as.Call(0, code...)
		if len(i.Results) > 0 {
			body = append(body, drop...)
		}
		return as.Guest{Describe: tabled, Imports: []as.Import{i}, Data: []byte(data), Process: as.Join(body, zero)}
	}
	ops := func(b []byte) as.Guest {
		return call(batch, string(b), data, as.I32Const(int32(len(b))), as.I32Const(90_000), as.I32Const(1000))
	}
	stateless := func(g as.Guest) as.Guest { g.Describe = ""; return g }
	at := as.I64Const(5)
	alloc := call(put, mine, zero, key, none, none)
	alloc.Alloc, alloc.Process = as.Join(as.Call(0, zero, key, none, none), as.I32Const(as.Buffer)), nil
	tests := []struct {
		name  string
		guest as.Guest
		want  []string
	}{
		{"a key of another subtask", call(get, foreign, zero, key, none, none), []string{`get: table "counts": key "` + foreign + `" is of key group`, "not of this subtask's 0 to 63"}},
		{"a put of a key of another subtask", call(put, foreign, as.I32Const(1), key, none, none), []string{`put: table "seen": key "` + foreign}},
		{"a timer of a key of another subtask", call(set, foreign, zero, at, key, none), []string{`timer_set: the key "` + foreign}},
		{"an operation on a key of another subtask", ops(new(request).op(state.OpGet, 0, 0, foreign, "", "").b), []string{`state: table "counts": state request: operation 0: key "` + foreign}},
		{"a scan of keys of another subtask", ops(new(request).op(state.OpScanKeys, state.FlagTo, 0, foreign, "", "").b), []string{`state: table "counts": state request: operation 0: key "` + foreign}},
		{"a table that is not there", call(get, mine, as.I32Const(2), key, none, none), []string{"get: table 2: the module describes 2"}},
		{"table −1", call(del, mine, as.I32Const(-1), key, none), []string{"delete: table 4294967295"}},
		{"no tables at all", stateless(call(put, mine, zero, key, none, none)), []string{"put: the module declares no tables"}},
		{"a key outside memory", call(get, mine, zero, wild, none, none), []string{"get: 100 bytes at 0xfffffff8 are outside the memory"}},
		{"a subkey outside memory", call(put, mine, zero, key, wild, none), []string{"put: 100 bytes"}},
		{"a value outside memory", call(put, mine, zero, key, none, wild), []string{"put: 100 bytes"}},
		{"a buffer outside memory", call(get, mine, zero, key, none, wild), []string{"get: 100 bytes"}},
		{"a request outside memory", call(batch, mine, wild, none), []string{"state: 100 bytes"}},
		{"answers outside memory", call(batch, mine, none, wild), []string{"state: 100 bytes"}},
		{"answers over the request", call(batch, mine, data, as.I32Const(16), as.I32Const(as.DataAt+15), as.I32Const(16)), []string{"state: request and answers overlap"}},
		{"a scan over its key", call(scan, mine, zero, key, none, none, data, as.I32Const(100)), []string{"scan: what is asked for and the answer overlap"}},
		{"an end of length −2", call(scan, mine, zero, key, none, zero, as.I32Const(-2), none), []string{"scan: the end has a length of -2"}},
		{"a tag outside memory", call(set, mine, zero, at, key, wild), []string{"timer_set: 100 bytes"}},
		{"a subkey of 100,000 bytes", call(put, mine, zero, key, long, none), []string{`put: table "counts": subkey of 100000 bytes`}},
		{"a cut operation", ops(make([]byte, 15)), []string{"state: state request: operation 0 is cut off"}},
		{"an operation beyond its request", ops(append(new(request).op(state.OpGet, 0, 0, mine, "", "").b, new(request).op(state.OpGet, 0, 0, mine, "", "xxx").b[:24]...)), []string{"state request: operation 1 is cut off"}},
		{"an operation of huge lengths", ops(append([]byte{0, 0, 0, 0}, bytes.Repeat([]byte{255}, 12)...)), []string{"operation 0 is cut off"}},
		{"an operation of no code", ops(new(request).op(9, 0, 0, mine, "", "").b), []string{"code 9 with flags 0x0 is no operation"}},
		{"an operation of unknown flags", ops(new(request).op(state.OpGet, 1, 0, mine, "", "").b), []string{"code 0 with flags 0x1 is no operation"}},
		{"more than the limit", call(put, mine, zero, key, none, zero, as.I32Const(60_000)), []string{`put: table "counts"`, "limits.state"}},
		{"a timer in no domain", call(set, mine, as.I32Const(2), at, key, none), []string{"timer_set: no time domain 2"}},
		{"a timer at no time", call(set, mine, zero, as.I64Const(-1<<63), key, none), []string{"timer_set: timer at -9223372036854775808, which is no time"}},
		{"a timer of a long tag", call(set, mine, zero, at, key, long), []string{"timer_set: timer with key and tag of 100006 bytes"}},
		{"a reply out of place", call(reply, "", none), []string{"reply: called outside"}},
		{"state in alloc", alloc, []string{"wasmill_alloc: put: called where no state can be used"}},
		{"a watermark that fails", as.Guest{Funcs: []as.Func{{Export: "wasmill_watermark", Params: []byte{as.I64}, Results: []byte{as.I32}, Code: as.I32Const(-1)}}}, []string{"wasmill_watermark failed with status -1"}},
		{"a barrier that spins", as.Guest{Funcs: []as.Func{{Export: "wasmill_barrier", Params: []byte{as.I64}, Results: []byte{as.I32}, Code: as.Forever()}}}, []string{"wasmill_barrier: limit cpuPerBatch"}},
		{"timers for a guest that takes none", as.Guest{Imports: []as.Import{emit}}, []string{"wasmill_timers is missing"}},
	}
	for _, config := range []host.Config{{}, {Interpreter: true}} {
		for _, test := range tests {
			t.Run(fmt.Sprintf("interpreter %v/%s", config.Interpreter, test.name), func(t *testing.T) {
				_, tables, timers := tablesOf(t, 0, 64, 50_000)
				i := open(t, test.guest.Wasm(), config, host.InstanceConfig{
					Limits: small, Subtask: id.Subtask{Operator: "test"}, Parallelism: 2, MaxParallelism: 128,
					State: tables, Timers: timers,
				})
				err := i.Process(0, batchOf(1))
				for _, next := range []func() error{func() error { return i.Watermark(1) }, func() error { return i.Barrier(1) }, func() error { return i.Timers(batchOf(1)) }} {
					if err == nil {
						err = next()
					}
				}
				if !errors.Is(err, fault.ErrGuest) {
					t.Fatalf("%v is not a guest fault", err)
				}
				for _, part := range test.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q does not say %q", err, part)
					}
				}
			})
		}
	}
}

// TestWithoutTimers: an operator whose input is not by key has none.
func TestWithoutTimers(t *testing.T) {
	wasm := as.Guest{Imports: []as.Import{imported("timer_set", "iIiiii", 0)}, Process: as.Join(as.Call(0, as.I32Const(0), as.I64Const(1), as.I32Const(0), as.I32Const(0), as.I32Const(0), as.I32Const(0)), as.I32Const(0))}.Wasm()
	err := open(t, wasm, host.Config{}, host.InstanceConfig{}).Process(0, nil)
	if !errors.Is(err, fault.ErrGuest) || !strings.Contains(err.Error(), "there are no timers") {
		t.Error(err)
	}
}

// windowGuest replies, or emits, what it is given.
func windowGuest(shape string, exports ...string) []byte {
	g := as.Guest{
		Describe: `{"abi":1,"name":"test","shape":"` + shape + `","inputs":["in"],"outputs":["out"]}`,
		Imports:  []as.Import{imported("reply", "ii", 0), emitImport, rejectImport}, NoProcess: true,
	}
	for _, name := range exports {
		code := as.Call(1, as.I32Const(0), as.Local(0), as.Local(1))
		if name == "wasmill_accumulate" || name == "wasmill_merge" {
			half := as.Join(as.Local(1), as.I32Const(1), as.Op(0x76))
			code = as.Join(as.Call(0, as.Local(0), half), as.Call(0, as.Join(as.Local(0), half, as.Op(0x6a)), as.Join(as.Local(1), half, as.Op(0x6b))))
		}
		if name == "wasmill_accumulate" {
			code = as.Join(code, as.Call(2, as.I32Const(7), as.I32Const(0), as.I32Const(0)))
		}
		g.Funcs = append(g.Funcs, as.Func{Export: name, Params: []byte{as.I32, as.I32}, Results: []byte{as.I32}, Code: as.Join(code, as.I32Const(0))})
	}
	return g.Wasm()
}

func TestWindowShapes(t *testing.T) {
	c := &collector{}
	i := open(t, windowGuest("aggregate", "wasmill_accumulate", "wasmill_merge", "wasmill_finish"), host.Config{}, host.InstanceConfig{Collector: c})
	groups := []byte("any bytes, odd")
	for range 2 {
		if got, err := i.Accumulate(groups); err != nil || !bytes.Equal(got, groups) {
			t.Errorf("accumulate: %q, %v", got, err)
		}
		if got, err := i.Merge(groups); err != nil || !bytes.Equal(got, groups) {
			t.Errorf("merge: %q, %v", got, err)
		}
	}
	if len(c.rejected) != 2 || c.rejected[1].Index != 7 {
		t.Errorf("rejected %v", c.rejected)
	}
	if err := i.Finish(batchOf(2)); err != nil || !bytes.Equal(c.emitted, batchOf(2)) {
		t.Errorf("finish: %v", err)
	}
	c.emitted = nil
	a := open(t, windowGuest("apply", "wasmill_apply"), host.Config{}, host.InstanceConfig{Collector: c})
	if err := a.Apply(batchOf(3)); err != nil || !bytes.Equal(c.emitted, batchOf(3)) {
		t.Errorf("apply: %v", err)
	}
	if got, err := i.Accumulate(nil); err != nil || len(got) > 0 {
		t.Errorf("no groups: %q, %v", got, err)
	}
}

// TestStateIsDeterministic: the same calls on compiler and interpreter end with the
// same output, image and state (D6).
func TestStateIsDeterministic(t *testing.T) {
	type end struct {
		emitted, image string
		entries        []string
	}
	var ends []end
	for _, config := range []host.Config{{}, {Interpreter: true}, {NoSafepoints: true}} {
		c, all := &collector{}, &collector{}
		m, tables, _ := tablesOf(t, 0, 128, 0)
		i := open(t, stateGuest(4096), config, host.InstanceConfig{Collector: c, MaxParallelism: 128, State: tables, Now: func() int64 { return 0 }})
		random := newRandom(7)
		for range 500 {
			r := &request{}
			for range random.IntN(80) {
				key, sub := fmt.Sprint(random.IntN(50)), strings.Repeat("s", random.IntN(3))
				r.op(uint8(random.IntN(state.OpScan+1)), 0, random.IntN(2), key, sub, strings.Repeat("v", random.IntN(9)))
			}
			ask(t, i, c, r)
			all.emitted = append(all.emitted, c.emitted...)
		}
		e := end{emitted: string(all.emitted), image: string(image(t, i))}
		for g := range 128 {
			err := m.ScanKeys(g, 0, nil, func(key []byte) bool { e.entries = append(e.entries, string(key)); return true })
			if err != nil {
				t.Fatal(err)
			}
		}
		ends = append(ends, e)
	}
	for _, e := range ends[1:] {
		if e.emitted != ends[0].emitted || e.image != ends[0].image || fmt.Sprint(e.entries) != fmt.Sprint(ends[0].entries) {
			t.Error("the ends differ")
		}
	}
}
