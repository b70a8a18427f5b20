package snapshots

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/wasmill/wasmill/runtime/fault"
)

// GroupOffset is where a key group lies within a run, in bytes before compression.
type GroupOffset struct {
	Group  int
	Offset int64
	Length int64
}

// Groups are key groups of a run, ascending. A manifest lists them for every run of
// every subtask, so they are stored in a few bytes each, as base64 of
//
//	(uvarint groups left out before   uvarint bytes left out before   uvarint length)*
type Groups []GroupOffset

// MarshalText implements encoding.TextMarshaler.
func (g Groups) MarshalText() ([]byte, error) {
	var b []byte
	group, offset := 0, int64(0)
	for _, o := range g {
		if o.Group < group || o.Offset < offset || o.Length < 0 {
			return nil, fault.Corruptf("key group %d at %d is not behind the one before", o.Group, o.Offset)
		}
		b = binary.AppendUvarint(b, uint64(o.Group-group))
		b = binary.AppendUvarint(b, uint64(o.Offset-offset))
		b = binary.AppendUvarint(b, uint64(o.Length))
		group, offset = o.Group+1, o.Offset+o.Length
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *Groups) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fault.Corruptf("key groups of a run: %w", err)
	}
	var all Groups
	group, offset := uint64(0), uint64(0)
	for len(b) > 0 {
		var n [3]uint64
		for i := range n {
			var used int
			if n[i], used = binary.Uvarint(b); used <= 0 || n[i] > math.MaxInt64/4 {
				return fault.Corruptf("key groups of a run: cut off or not as written")
			}
			b = b[used:]
		}
		group, offset = group+n[0], offset+n[1]
		if group > math.MaxInt32 || offset+n[2] > math.MaxInt64/4 {
			return fault.Corruptf("key groups of a run: group %d at %d", group, offset)
		}
		all = append(all, GroupOffset{Group: int(group), Offset: int64(offset), Length: int64(n[2])})
		group, offset = group+1, offset+n[2]
	}
	*g = all
	return nil
}
