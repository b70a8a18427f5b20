package host

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/wasmill/wasmill/host/internal/binary"
)

// Region is a part of a module's memory that has a name: [From, To), in bytes. The last
// one has no end.
type Region struct {
	Name     string
	From, To uint64
}

// Regions tells what lies where in the memory of a module, as far as the module says it:
// its data segments, by name where it has names for them, what lies before and behind,
// and the memory it did not begin with. Hash is the module's.
func Regions(wasm []byte) (regions []Region, hash [32]byte, err error) {
	hash = sha256.Sum256(wasm)
	m, err := binary.Decode(wasm)
	if err != nil {
		return nil, hash, fmt.Errorf("read regions: %w", err)
	}
	var names map[uint32]string
	for _, c := range m.Customs {
		if c.Name == "name" {
			names = binary.DataNames(c.Data)
		}
	}
	segments := m.Segments()
	slices.SortStableFunc(segments, func(a, b binary.Segment) int { return int(int64(a.Offset) - int64(b.Offset)) })
	at := uint64(0)
	for _, s := range segments {
		if s.Size == 0 || uint64(s.Offset) < at {
			continue // beneath another one
		}
		name := names[s.Index]
		if name == "" {
			name = "data"
		}
		if gap := uint64(s.Offset); gap > at {
			between := "between data"
			if len(regions) == 0 {
				between = "before the data"
			}
			// Linkers cut data into many segments: small gaps are none.
			if last := len(regions) - 1; last >= 0 && regions[last].Name == name && gap-at < HeapPage {
				regions[last].To = gap
			} else {
				regions = append(regions, Region{between, at, gap})
			}
		}
		at = uint64(s.Offset) + uint64(s.Size)
		if last := len(regions) - 1; last >= 0 && regions[last].Name == name && regions[last].To == uint64(s.Offset) {
			regions[last].To = at
		} else {
			regions = append(regions, Region{name, uint64(s.Offset), at})
		}
	}
	begins := uint64(0)
	if len(m.Memories) > 0 {
		begins = uint64(m.Memories[0].Min) * wasmPage
	}
	if at < begins {
		regions = append(regions, Region{"behind the data", at, begins})
	}
	return append(regions, Region{"grown", max(at, begins), 1 << 32}), hash, nil
}
