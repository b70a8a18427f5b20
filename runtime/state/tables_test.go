package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
)

func op(code, flags byte, table int, key, subkey, val string) []byte {
	b := []byte{code, flags}
	b = binary.LittleEndian.AppendUint16(b, uint16(table))
	for _, n := range []int{len(key), len(subkey), len(val)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(append(append(b, key...), subkey...), val...)
}

func openTables(t testing.TB) *state.Tables { return openTablesOn(t, openMemory) }

func openTablesOn(t testing.TB, open func(testing.TB, state.Options) state.Backend) *state.Tables {
	t.Helper()
	tables := []state.Table{
		{Name: "counts", Scope: state.ScopeKey},
		{Name: "rules", Scope: state.ScopeBroadcast},
		{Name: "lists", Scope: state.ScopeKey},
	}
	keyed, operator := state.Divide(tables)
	k := open(t, state.Options{Tables: append(keyed, state.Table{Name: state.TimersTable, Scope: state.ScopeKey}), First: 0, End: 100})
	o, err := state.NewOperator(operator, 0)
	must(t, err)
	t.Cleanup(func() { must(t, k.Close()); must(t, o.Close()) })
	return state.NewTables(tables, k, o, 0, 100, 128)
}

// answers reads the answers of gets and scans.
func answers(t *testing.T, b []byte) (found []string) {
	t.Helper()
	for len(b) > 0 {
		version, n := binary.LittleEndian.Uint32(b), int32(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if n < 0 {
			found = append(found, "absent")
			continue
		}
		found = append(found, fmt.Sprintf("%d:%q", version, b[:n]))
		b = b[n:]
	}
	return found
}

func TestApply(t *testing.T) {
	entry := func(subkey, val string) string {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(subkey)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(val)))
		return string(append(append(append(b, 0, 0, 0, 0), subkey...), val...))
	}
	key := func(k string) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(len(k)))) + k }
	fill := [][]byte{
		op(state.OpPut, 0, 2, "k", "a", "1"), op(state.OpPut, 0, 2, "k", "b", "2"), op(state.OpPut, 0, 2, "k", "c", "3"),
	}
	for _, c := range []struct {
		name string
		ops  [][]byte
		room int
		done int
		want []string
	}{
		{"they see each other's writes", [][]byte{
			op(state.OpGet, 0, 0, "k", "", ""), op(state.OpPut, 0, 0, "k", "", "v"), op(state.OpAppend, 0, 0, "k", "", "w"),
			op(state.OpGet, 0, 0, "k", "", ""), op(state.OpDelete, 0, 0, "k", "", ""), op(state.OpGet, 0, 0, "k", "", ""),
		}, 1000, 6, []string{"absent", `0:"vw"`, "absent"}},
		{"tables are apart", [][]byte{
			op(state.OpPut, 0, 0, "k", "", "0"), op(state.OpPut, 0, 1, "k", "", "1"), op(state.OpPut, 0, 2, "k", "", "2"),
			op(state.OpGet, 0, 0, "k", "", ""), op(state.OpGet, 0, 1, "k", "", ""), op(state.OpGet, 0, 2, "k", "", ""),
		}, 1000, 6, []string{`0:"0"`, `0:"1"`, `0:"2"`}},
		{"stops before an answer that does not fit", [][]byte{
			op(state.OpPut, 0, 0, "k", "", "12345678"), op(state.OpGet, 0, 0, "k", "", ""), op(state.OpGet, 0, 0, "k", "", ""),
			op(state.OpPut, 0, 0, "k", "", "later"),
		}, 31, 2, []string{`0:"12345678"`}},
		{"scan", append(fill[:3:3], op(state.OpScan, 0, 2, "k", "", "")), 1000, 4,
			[]string{fmt.Sprintf("0:%q", entry("a", "1")+entry("b", "2")+entry("c", "3"))}},
		{"scan of a range", append(fill[:3:3], op(state.OpScan, state.FlagTo, 2, "k", "b", "c")), 1000, 4,
			[]string{fmt.Sprintf("0:%q", entry("b", "2"))}},
		{"scan, as much as fits", append(fill[:3:3], op(state.OpScan, 0, 2, "k", "", "")), 8 + 2*14 + 13, 4,
			[]string{fmt.Sprintf("1:%q", entry("a", "1")+entry("b", "2"))}},
		{"scan, nothing fits", append(fill[:3:3], op(state.OpScan, 0, 2, "k", "", "")), 8 + 13, 3, nil},
		{"scan of nothing", [][]byte{op(state.OpScan, 0, 2, "k", "", "")}, 8, 1, []string{`0:""`}},
		{"deletion of a range", append(fill[:3:3], op(state.OpDeleteRange, state.FlagTo, 2, "k", "", "c"), op(state.OpScan, 0, 2, "k", "", "")), 1000, 5,
			[]string{fmt.Sprintf("0:%q", entry("c", "3"))}},
		{"scan of keys", append(fill[:3:3], op(state.OpScanKeys, 0, 2, "", "", "")), 1000, 4,
			[]string{fmt.Sprintf("0:%q", key("k"))}},
		{"scan of keys after the last", append(fill[:3:3], op(state.OpScanKeys, state.FlagAfter, 2, "k", "", "")), 1000, 4, []string{`0:""`}},
		{"scan of the keys of an operator's table", [][]byte{op(state.OpPut, 0, 1, "r", "", ""), op(state.OpScanKeys, 0, 1, "", "", "")}, 1000, 2,
			[]string{fmt.Sprintf("0:%q", key("r"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, open := range map[string]func(testing.TB, state.Options) state.Backend{"memory": openMemory, "disk": openDisk} {
				out := make([]byte, c.room)
				done, n, err := openTablesOn(t, open).Apply(bytes.Join(c.ops, nil), out)
				must(t, err)
				if got := answers(t, out[:n]); done != c.done || fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("%s: %d operations: %q; want %d: %q", name, done, got, c.done, c.want)
				}
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	strange := 0
	for keygroup.Of(fmt.Append(nil, strange), 128) < 100 {
		strange++
	}
	ok := op(state.OpPut, 0, 0, "k", "", "v")
	for _, c := range []struct {
		name string
		req  []byte
	}{
		{"cut off in the head", append(bytes.Clone(ok), 1, 0, 0)},
		{"cut off in the value", append(bytes.Clone(ok), op(state.OpPut, 0, 0, "k", "", "value")[:20]...)},
		{"a wild length", append(bytes.Clone(ok), 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255)},
		{"unknown code", append(bytes.Clone(ok), op(7, 0, 0, "k", "", "")...)},
		{"unknown flags", append(bytes.Clone(ok), op(state.OpGet, 1, 0, "k", "", "")...)},
		{"unknown table", append(bytes.Clone(ok), op(state.OpGet, 0, 3, "k", "", "")...)},
		{"the engine's table", append(bytes.Clone(ok), op(state.OpScanKeys, 0, 3, "", "", "")...)},
		{"a key of another subtask", append(bytes.Clone(ok), op(state.OpGet, 0, 0, fmt.Sprint(strange), "", "")...)},
		{"keys after one of another subtask", append(bytes.Clone(ok), op(state.OpScanKeys, state.FlagAfter, 0, fmt.Sprint(strange), "", "")...)},
		{"a key too long", append(bytes.Clone(ok), op(state.OpPut, 0, 1, string(make([]byte, state.MaxKey+1)), "", "")...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			done, n, err := openTables(t).Apply(c.req, make([]byte, 100))
			if !errors.Is(err, fault.ErrGuest) || done != 1 || n != 0 {
				t.Errorf("%d operations, %d bytes, %v; want a guest fault in the second", done, n, err)
			}
		})
	}
}

func TestScanKeysOfAllGroups(t *testing.T) {
	tables := openTables(t)
	const n = 3000
	put := 0
	for i := range n {
		key := fmt.Append(nil, i)
		if keygroup.Of(key, 128) < 100 {
			must(t, tables.Put(0, key, nil, key))
			put++
		}
	}
	var after []byte
	seen := map[string]bool{}
	for {
		found := 0
		must(t, tables.ScanKeys(0, after, func(key []byte) bool {
			after = bytes.Clone(key)
			seen[string(key)] = true
			found++
			return found < 10
		}))
		if found == 0 {
			break
		}
	}
	if len(seen) != put {
		t.Errorf("pages of keys have %d, want %d", len(seen), put)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(op(state.OpPut, 0, 0, "k", "s", "v"), 100)
	f.Add(bytes.Join([][]byte{op(state.OpAppend, 0, 1, "k", "s", "v"), op(state.OpScan, state.FlagTo, 1, "k", "", "z"), op(state.OpScanKeys, 0, 1, "", "", "")}, nil), 60)
	f.Add(bytes.Join([][]byte{op(state.OpPut, 0, 2, "k", "s", "v"), op(state.OpDeleteRange, 0, 2, "k", "", ""), op(state.OpGet, 0, 2, "k", "s", "")}, nil), 8)
	tables := openTables(f)
	f.Fuzz(func(t *testing.T, req []byte, room int) {
		out := make([]byte, uint(room)%4096)
		done, n, err := tables.Apply(req, out)
		if n > len(out) || done*state.OpSize > len(req) {
			t.Fatalf("%d operations of %d bytes, %d bytes of answers into %d", done, len(req), n, len(out))
		}
		if err != nil && !errors.Is(err, fault.ErrGuest) {
			t.Fatal(err)
		}
		answers(t, out[:n])
	})
}

func TestApplyAllocatesNothing(t *testing.T) {
	tables := openTables(t)
	req := bytes.Join([][]byte{
		op(state.OpPut, 0, 0, "k", "", "12345678"), op(state.OpGet, 0, 0, "k", "", ""), op(state.OpPut, 0, 2, "k", "s", "v"),
		op(state.OpScan, 0, 2, "k", "", ""), op(state.OpScanKeys, 0, 2, "", "", ""), op(state.OpDeleteRange, 0, 2, "k", "", ""),
	}, nil)
	out := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = tables.Apply(req, out) }); n > 0 {
		t.Errorf("a request allocates %v times", n)
	}
}

// Requests of many operations, on keys that come again: both backends answer alike.
func TestApplyAlikeOnBothBackends(t *testing.T) {
	memory, disk := openTables(t), openTablesOn(t, openDisk)
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		var req []byte
		for range 1 + random.IntN(400) {
			key := fmt.Sprint("k", random.IntN(150))
			for keygroup.Of([]byte(key), 128) >= 100 {
				key += "'"
			}
			code := []byte{state.OpGet, state.OpGet, state.OpGet, state.OpPut, state.OpPut, state.OpDelete, state.OpAppend}[random.IntN(7)]
			val := ""
			if code == state.OpPut || code == state.OpAppend {
				val = fmt.Sprint(random.Uint64())
			}
			req = append(req, op(code, 0, random.IntN(2)*2, key, []string{"", "s"}[random.IntN(2)], val)...)
		}
		one, two := make([]byte, 1<<16), make([]byte, 1<<16)
		done, n, err := memory.Apply(req, one)
		must(t, err)
		done2, n2, err := disk.Apply(req, two)
		must(t, err)
		if done != done2 || !bytes.Equal(one[:n], two[:n2]) {
			t.Fatalf("memory: %d operations %q\ndisk: %d operations %q", done, answers(t, one[:n]), done2, answers(t, two[:n2]))
		}
	}
}
