package tck

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// scanned is an entry as scan answers it.
func scanned(version int, sub, value string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(sub)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return string(binary.LittleEndian.AppendUint32(b, uint32(version))) + sub + value
}

// answered is the answer of an operation.
func answered(a, b uint32, text string) string {
	return string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b)) + text
}

const version2 = stateVersion << 32

// raw: what an import answers, and the whole room for it, which was dots before.
func (s suite) raw(t *testing.T) {
	e := s.openState(t, settings{})
	x, y := scanned(2, "x", "12345678"), scanned(2, "y", "")
	for _, c := range []struct {
		name, line string
		want       string // "" : nothing is said
	}{
		{"get of nothing", "a: raw get 0  4", "-1 ...."},
		{"put", "a: raw put 0  value", ""},
		{"get", "a: raw get 0  8", fmt.Sprint(version2|5, " value...")},
		{"get with the room it takes", "a: raw get 0  5", fmt.Sprint(version2|5, " value")},
		{"get without room writes nothing", "a: raw get 0  4", fmt.Sprint(version2|5, " ....")},
		{"get with no room at all", "a: raw get 0  0", fmt.Sprint(version2|5, " ")},
		{"tables are apart", "a: raw get 3  4", "-1 ...."},
		{"keys are apart", "b: raw get 0  4", "-1 ...."},
		{"append", "a: raw append 0  +more", ""},
		{"get what was appended to", "a: raw get 0  12", fmt.Sprint(version2|10, " value+more..")},
		{"append to nothing", "b: raw append 0  new", ""},
		{"get what was appended", "b: raw get 0  4", fmt.Sprint(version2|3, " new.")},
		{"delete", "a: raw delete 0 ", ""},
		{"get what was deleted", "a: raw get 0  4", "-1 ...."},
		{"delete of nothing", "a: raw delete 0 ", ""},
		{"an empty value", "a: raw put 0  ", ""},
		{"get an empty value", "a: raw get 0  2", fmt.Sprint(version2, " ..")},
		{"scan of nothing", "a: raw scan 1  * 3", "0 ..."},
		{"put a subkey", "a: raw put 1 x 12345678", ""},
		{"put another", "a: raw put 1 y ", ""},
		{"scan", "a: raw scan 1  * 40", fmt.Sprint(len(x+y), " ", x+y, "......")},
		{"scan with the room it takes", "a: raw scan 1  * 34", fmt.Sprint(34, " ", x+y)},
		{"scan without room for the last", "a: raw scan 1  * 33", fmt.Sprint(1<<32|len(x), " ", x, strings.Repeat(".", 12))},
		{"scan without room for the first", "a: raw scan 1  * 20", fmt.Sprint(-len(x), " ", strings.Repeat(".", 20))},
		{"scan from", "a: raw scan 1 x\x00 * 13", fmt.Sprint(len(y), " ", y)},
		{"scan to, which is left out", "a: raw scan 1  y 21", fmt.Sprint(len(x), " ", x)},
		{"scan to the empty subkey", "a: raw scan 1   3", "0 ..."},
		{"a table that is not keyed", "a: raw put 4 s value", ""},
	} {
		e.must(e.do(c.line))
		var want []string
		if c.want != "" {
			want = []string{c.line[:3] + c.want}
		}
		if said := e.said(); !slices.Equal(said, want) {
			t.Errorf("%s: said %q, want %q", c.name, said, want)
		}
	}
}

// request writes operations of the state import.
type request struct{ b []byte }

func (r request) op(code, flags uint8, table int, key, sub, val string) request {
	r.b = append(slices.Clip(r.b), code, flags, byte(table), byte(table>>8))
	for _, s := range []string{key, sub, val} {
		r.b = binary.LittleEndian.AppendUint32(r.b, uint32(len(s)))
	}
	r.b = append(r.b, key+sub+val...)
	return r
}

// requests: many operations in one call.
func (s suite) requests(t *testing.T) {
	const absent = ^uint32(0)
	var r request
	x, y := scanned(2, "x", "1"), scanned(2, "y", "22")
	filled := r.op(state.OpPut, 0, 1, "k", "y", "22").op(state.OpPut, 0, 1, "k", "x", "1")
	key := func(k string) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(len(k)))) + k }
	for _, c := range []struct {
		name string
		ask  request
		room int
		done int
		want string
	}{
		{"none", r, 4, 0, ""},
		{"absent", r.op(state.OpGet, 0, 0, "k", "", ""), 16, 1, answered(0, absent, "")},
		{"in order, each seeing those before", r.op(state.OpPut, 0, 0, "k", "", "v").op(state.OpGet, 0, 0, "k", "", "").
			op(state.OpAppend, 0, 0, "k", "", "w").op(state.OpGet, 0, 0, "k", "", "").op(state.OpDelete, 0, 0, "k", "", "").
			op(state.OpGet, 0, 0, "k", "", ""), 64, 6, answered(2, 1, "v") + answered(2, 2, "vw") + answered(0, absent, "")},
		{"stops before an answer that does not fit", r.op(state.OpPut, 0, 0, "k", "", "12345678").op(state.OpGet, 0, 0, "k", "", "").
			op(state.OpGet, 0, 0, "k", "", "").op(state.OpPut, 0, 0, "k", "", "later"), 31, 2, answered(2, 8, "12345678")},
		{"does nothing of what comes behind", r.op(state.OpGet, 0, 0, "full", "", "").op(state.OpPut, 0, 0, "full", "", ""), 15, 0, ""},
		{"scan", filled.op(state.OpScan, 0, 1, "k", "", ""), 64, 3, answered(0, uint32(len(x+y)), x+y)},
		{"scan from", filled.op(state.OpScan, 0, 1, "k", "x\x00", ""), 64, 3, answered(0, uint32(len(y)), y)},
		{"scan to", filled.op(state.OpScan, state.FlagTo, 1, "k", "", "y"), 64, 3, answered(0, uint32(len(x)), x)},
		{"scan of what fits", filled.op(state.OpScan, 0, 1, "k", "", ""), 8 + 14 + 14, 3, answered(1, uint32(len(x)), x)},
		{"scan of which nothing fits", filled.op(state.OpScan, 0, 1, "k", "", ""), 8 + 13, 2, ""},
		{"keys", filled.op(state.OpScanKeys, 0, 1, "", "", ""), 64, 3, answered(0, 5, key("k"))},
		{"keys behind one", filled.op(state.OpScanKeys, state.FlagAfter, 1, "k", "", ""), 64, 3, answered(0, 0, "")},
		{"a range goes", filled.op(state.OpDeleteRange, state.FlagTo, 1, "k", "", "y").op(state.OpScan, 0, 1, "k", "", ""), 64, 4, answered(0, uint32(len(y)), y)},
		{"all goes", filled.op(state.OpDeleteRange, 0, 1, "k", "", "").op(state.OpScan, 0, 1, "k", "", ""), 64, 4, answered(0, 0, "")},
		{"a table that is not keyed", r.op(state.OpPut, 0, 5, "", "u", "1").op(state.OpGet, 0, 5, "", "u", ""), 64, 2, answered(2, 1, "1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := s.openState(t, settings{})
			e.must(e.do("full: value set 12345678"))
			var b record.Builder
			b.Append(record.Insert, record.NoTimestamp, []byte("k"), fmt.Appendf(nil, "raw state %d %s", c.room, c.ask.b))
			e.must(e.instance.Process(0, b.Bytes()))
			want := fmt.Sprintf("k: %d %s%s", c.done<<32|len(c.want), c.want, strings.Repeat(".", c.room-len(c.want)))
			if said := e.said(); len(said) != 1 || said[0] != want {
				t.Errorf("said %q\nwant %q", said, want)
			}
		})
	}
}
