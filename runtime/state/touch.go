package state

// Place names an entry of a keyed table.
type Place struct {
	Group, Table int
	Key, Subkey  []byte
}

// TouchAll is Touch for many entries: their hashes are made first, so that nothing comes
// between the loads and as many of them overlap as the machine can bear.
func (m *Memory) TouchAll(places []Place) {
	var parts [touchAhead]*part
	var hashes [touchAhead]uint64
	for len(places) > 0 {
		some := places[:min(len(places), touchAhead)]
		places = places[len(some):]
		for i := range some {
			parts[i], _ = m.part(some[i].Group, some[i].Table)
			hashes[i] = hashOf(some[i].Key, some[i].Subkey)
		}
		for i := range some {
			if parts[i] != nil {
				m.touch(parts[i], hashes[i], len(some[i].Key)+len(some[i].Subkey))
			}
		}
	}
}
