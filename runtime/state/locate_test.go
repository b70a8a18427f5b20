package state_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
)

// Requests as SDKs make them: the gets of a batch, then some of its puts and deletions in
// the same order. Between them entries change their size, go, and with them their pages.
func TestApplyWritesBack(t *testing.T) {
	m := openMemory(t, state.Options{Tables: benchTable(), End: benchGroups})
	defer m.Close()
	tables := state.NewTables(benchTable(), m, nil, 0, benchGroups, benchGroups)
	random := rand.New(rand.NewPCG(5, 6))
	model := map[string]string{}
	out := make([]byte, 1<<20)
	value := func() string {
		n := []int{8, 8, 8, 20, 5000, 20_000}[random.IntN(6)]
		return string(bytes.Repeat([]byte{byte(random.Uint32())}, n))
	}
	checkpoint := uint64(0)
	for round := range 400 {
		var keys []string
		var gets, puts []byte
		for range random.IntN(80) {
			keys = append(keys, fmt.Sprint("k", random.IntN(300)))
			gets = append(gets, op(state.OpGet, 0, 0, keys[len(keys)-1], "", "")...)
		}
		done, n, err := tables.Apply(gets, out)
		must(t, err)
		if done != len(keys) {
			t.Fatalf("%d of %d gets", done, len(keys))
		}
		for rest := out[:n]; len(keys) > 0; keys = keys[1:] {
			size := int32(binary.LittleEndian.Uint32(rest[4:]))
			rest = rest[8:]
			got, ok := "", size >= 0
			if ok {
				got, rest = string(rest[:size]), rest[size:]
			}
			want, there := model[keys[0]]
			if ok != there || got != want {
				t.Fatalf("round %d, %s: %t %.20q, want %t %.20q", round, keys[0], ok, got, there, want)
			}
		}
		later := map[string]string{}
		gone := map[string]bool{}
		for rest := gets; len(rest) > 0; {
			size := state.OpSize + int(rest[4])
			key := string(rest[state.OpSize:size])
			rest = rest[size:]
			switch random.IntN(8) {
			case 0:
			case 1:
				gone[key] = true
				puts = append(puts, op(state.OpDelete, 0, 0, key, "", "")...)
			case 2: // behind the tables' back, before the request
				model[key] = value()
				must(t, m.Put(keygroup.Of([]byte(key), benchGroups), 0, []byte(key), nil, []byte(model[key])))
			default:
				later[key], gone[key] = value(), false
				puts = append(puts, op(state.OpPut, 0, 0, key, "", later[key])...)
			}
		}
		_, _, err = tables.Apply(puts, out)
		must(t, err)
		maps.Copy(model, later)
		for key, is := range gone {
			if is {
				delete(model, key)
			}
		}
		if round%50 == 0 {
			checkpoint++
			s, err := m.Snapshot(checkpoint, false)
			must(t, err)
			must(t, s.Close())
		}
	}
}
