package tck

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
)

// group is one of sdk/abi.md, section 3; it is written from its words.
type group struct {
	key        string
	acc        []byte // nil: none
	body       []byte
	more       bool
	input      byte
	firing     byte
	start, end int64
}

func (g group) append(b []byte) []byte {
	accLen := ^uint32(0)
	if g.acc != nil {
		accLen = uint32(len(g.acc))
	}
	flags := byte(0)
	if g.more {
		flags = 1
	}
	for _, n := range []uint32{uint32(len(g.key)), accLen, uint32(len(g.body))} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(b, flags, g.input, g.firing, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(g.start))
	b = binary.LittleEndian.AppendUint64(b, uint64(g.end))
	return append(append(append(b, g.key...), g.acc...), g.body...)
}

// call writes the groups of one call.
func call(groups ...group) (b []byte) {
	for _, g := range groups {
		b = g.append(b)
	}
	return b
}

// values are records with these values.
func values(texts ...string) []byte {
	var b record.Builder
	for _, text := range texts {
		b.Append(record.Insert, 1, []byte("k"), []byte(text))
	}
	return b.Bytes()
}

// accumulators takes a reply apart: one for each group is expected.
func accumulators(t *testing.T, reply []byte, count int) (accs [][]byte) {
	t.Helper()
	for len(reply) > 0 {
		if len(reply) < 4 || int(binary.LittleEndian.Uint32(reply)) > len(reply)-4 {
			t.Fatalf("the reply is cut off after %d accumulators", len(accs))
		}
		end := 4 + int(binary.LittleEndian.Uint32(reply))
		acc := make([]byte, end-4) // not nil: none is another thing
		copy(acc, reply[4:end])
		accs, reply = append(accs, acc), reply[end:]
	}
	if len(accs) != count {
		t.Fatalf("the reply has %d accumulators, want %d", len(accs), count)
	}
	return accs
}

// parts is the body of a group for merge.
func parts(accs ...[]byte) (b []byte) {
	for _, acc := range accs {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(acc))), acc...)
	}
	return b
}

// numbers are the texts of n numbers from first on, each with padding.
func numbers(first, n int, padding string) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(first+i)+padding)
	}
	return texts
}
