package nexmark

// Held is what an operator adds up by key until it is flushed, so that a key that comes
// often costs whoever receives it one record a flush.
type Held[K comparable, V any] struct {
	places  map[K]int
	entries []entry[K, V]
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// At is the value of a key, zero if there was none. It may be changed until the next call.
func (h *Held[K, V]) At(key K) *V {
	place, ok := h.places[key]
	if !ok {
		if h.places == nil {
			h.places = map[K]int{}
		}
		place = len(h.entries)
		h.places[key] = place
		h.entries = append(h.entries, entry[K, V]{key: key})
	}
	return &h.entries[place].value
}

// Flush gives out what there is, in the order in which keys came first, and forgets it.
func (h *Held[K, V]) Flush(give func(key K, value V)) {
	for i := range h.entries {
		give(h.entries[i].key, h.entries[i].value)
	}
	clear(h.places)
	h.entries = h.entries[:0]
}
