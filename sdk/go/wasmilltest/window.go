package wasmilltest

import (
	"encoding/binary"

	wasmill "github.com/wasmill/wasmill/sdk/go"
)

// Window gives the operator a window of a key that closes, with its records by input. An
// aggregate gets them in two parts, which it must merge.
func (h *Harness) Window(key string, start, end int64, inputs ...[]wasmill.Record) {
	h.t.Helper()
	var err error
	if h.op.Apply != nil {
		err = h.apply(key, start, end, inputs)
	} else {
		err = h.aggregate(key, start, end, inputs)
	}
	if err != nil {
		h.t.Fatalf("window: %v", err)
	}
}

// group is one of sdk/abi.md; acc nil: none.
type group struct {
	key        string
	start, end int64
	acc, body  []byte
	more       bool
	input      int
}

func (g *group) append(b []byte) []byte {
	accLen, flags := ^uint32(0), byte(0)
	if g.acc != nil {
		accLen = uint32(len(g.acc))
	}
	if g.more {
		flags = 1
	}
	for _, n := range []uint32{uint32(len(g.key)), accLen, uint32(len(g.body))} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(b, flags, byte(g.input), byte(wasmill.OnTime), 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(g.start))
	b = binary.LittleEndian.AppendUint64(b, uint64(g.end))
	return append(append(append(b, g.key...), g.acc...), g.body...)
}

func encode(records []wasmill.Record) (batch []byte, err error) {
	for i := range records {
		if batch, err = wasmill.AppendRecord(batch, &records[i]); err != nil {
			return nil, err
		}
	}
	return batch, nil
}

func (h *Harness) apply(key string, start, end int64, inputs [][]wasmill.Record) error {
	var groups []group
	for input, records := range inputs {
		body, err := encode(records)
		if err != nil {
			return err
		}
		if len(body) > 0 {
			groups = append(groups, group{key: key, start: start, end: end, body: body, input: input, more: true})
		}
	}
	var call []byte
	for n := range groups {
		groups[n].more = n < len(groups)-1
		call = groups[n].append(call)
	}
	return h.engine.end(h.instance.Apply(call))
}

func (h *Harness) aggregate(key string, start, end int64, inputs [][]wasmill.Record) error {
	h.engine.batch++
	var parts []byte
	for _, records := range inputs {
		half := len(records) / 2
		for _, part := range [][]wasmill.Record{records[:half], records[half:]} {
			body, err := encode(part)
			if err != nil {
				return err
			}
			if len(body) == 0 {
				continue
			}
			g := group{key: key, start: start, end: end, body: body}
			if err := h.engine.end(h.instance.Accumulate(g.append(nil))); err != nil {
				return err
			}
			parts = append(parts, h.engine.replies...)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	g := group{key: key, start: start, end: end, body: parts}
	if err := h.engine.end(h.instance.Merge(g.append(nil))); err != nil {
		return err
	}
	g.acc, g.body = h.engine.replies[4:], nil
	return h.engine.end(h.instance.Finish(g.append(nil)))
}
