package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// gathering is the entries of one part on their way into a run: as they lie in memory,
// one behind the other, aligned.
type gathering struct {
	part   *part
	chunks []span
	bytes  []byte
	places []gatheredPlace
	counts []int32
	sorted []gatheredPlace
}

type gatheredPlace struct {
	hash uint64 // of the key
	at   int    // in bytes
}

func (g *gathering) reset(p *part) {
	g.part, g.bytes, g.places = p, g.bytes[:0], g.places[:0]
}

func (g *gathering) add(entry []byte) {
	at := len(g.bytes)
	g.bytes = append(g.bytes, entry...)
	g.place(at)
}

// addDead adds one that is gone, of which only the names are left.
func (g *gathering) addDead(lens uint32, names []byte) {
	at := len(g.bytes)
	g.bytes = append(g.bytes, make([]byte, g.part.head)...)
	binary.NativeEndian.PutUint32(g.bytes[at+entryLens:], lens)
	g.bytes = append(g.bytes, names...)
	g.place(at)
}

// place notes the entry that begins there, the last one.
func (g *gathering) place(at int) {
	for len(g.bytes)&7 != 0 {
		g.bytes = append(g.bytes, 0)
	}
	k := int(binary.NativeEndian.Uint16(g.bytes[at+entryLens:]))
	key := g.bytes[at+g.part.head:]
	g.places = append(g.places, gatheredPlace{hashOf(key[:min(k, len(key))], nil), at})
}

// cut takes the last entry out again.
func (g *gathering) cut(mark int) {
	g.bytes, g.places = g.bytes[:mark], g.places[:len(g.places)-1]
}

func (g *gathering) deleted(at int) bool {
	return binary.NativeEndian.Uint32(g.bytes[at+entryWord:])&flagLive == 0
}

// sort puts the entries in order: by hash, key and subkey, what is there before what is
// gone. Hashes are spread evenly, so they are dealt out first.
func (g *gathering) sort() {
	n := len(g.places)
	if n < 2 {
		return
	}
	shift := 64
	for buckets := 1; buckets < n/2; buckets *= 2 {
		shift--
	}
	g.counts = slices.Grow(g.counts[:0], 1<<(64-shift)+1)[:1<<(64-shift)+1]
	clear(g.counts)
	for _, p := range g.places {
		g.counts[p.hash>>shift+1]++
	}
	for i := 1; i < len(g.counts); i++ {
		g.counts[i] += g.counts[i-1]
	}
	g.sorted = slices.Grow(g.sorted[:0], n)[:n]
	for _, p := range g.places {
		at := &g.counts[p.hash>>shift]
		g.sorted[*at] = p
		*at++
	}
	from := int32(0)
	for _, to := range g.counts[:len(g.counts)-1] {
		if to-from > 1 {
			slices.SortFunc(g.sorted[from:to], g.compare)
		}
		from = to
	}
	g.places, g.sorted = g.sorted, g.places
}

func (g *gathering) compare(a, b gatheredPlace) int {
	if a.hash != b.hash {
		return cmp.Compare(a.hash, b.hash)
	}
	ka, sa := g.names(a.at)
	kb, sb := g.names(b.at)
	if c := compareKeys(ka, kb); c != 0 {
		return c
	}
	if c := bytes.Compare(sa, sb); c != 0 {
		return c
	}
	switch da, db := g.deleted(a.at), g.deleted(b.at); {
	case da == db:
		return 0
	case db:
		return -1
	}
	return 1
}

func (g *gathering) names(at int) (key, subkey []byte) {
	k := int(binary.NativeEndian.Uint16(g.bytes[at+entryLens:]))
	s := int(binary.NativeEndian.Uint16(g.bytes[at+entryLens+2:]))
	at += g.part.head
	return g.bytes[at : at+k], g.bytes[at+k : at+k+s]
}
