package window

import "github.com/wasmill/wasmill/runtime/state"

// alarms is the index of sessions by time: ordered (time ‖ key) in each group. A
// session is found under a time that is not behind the one at which something is to be
// done; who finds it too soon enters it again. So a session that grows by a thousand
// records is entered once or twice.
type alarms struct {
	backend state.Backend
	table   int
	first   int     // key group
	next    []int64 // by group: its earliest time, Infinity if none
	heap    []int32 // groups that have one, by time and number
	place   []int32 // by group: where it stands in the heap; -1: nowhere
	subkey  []byte
	keys    []byte // of ring
	spans   []span
}

func newAlarms(b state.Backend, table, first, end int) (*alarms, error) {
	n := end - first
	a := &alarms{backend: b, table: table, first: first, next: make([]int64, n), place: make([]int32, n)}
	for g := range n {
		a.next[g], a.place[g] = Infinity, -1
		if err := a.look(g); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// set enters a key under a time.
func (a *alarms) set(group int, at int64, key []byte) error {
	a.subkey = append(ordered(a.subkey[:0], at), key...)
	if err := a.backend.Put(group, a.table, nil, a.subkey, nil); err != nil {
		return err
	}
	if g := group - a.first; at < a.next[g] || a.place[g] < 0 {
		a.next[g] = at
		a.fix(g, true)
	}
	return nil
}

// due is the earliest time and its first group, if a watermark has reached it.
func (a *alarms) due(watermark int64) (group int, at int64, ok bool) {
	if len(a.heap) == 0 {
		return 0, 0, false
	}
	g := a.heap[0]
	return a.first + int(g), a.next[g], a.next[g] <= watermark
}

// take removes all keys under a time, the earliest of the group, and returns them in
// order. They may be read until the next call.
func (a *alarms) take(group int, at int64) (keys []byte, spans []span, err error) {
	a.keys, a.spans = a.keys[:0], a.spans[:0]
	a.subkey = ordered(a.subkey[:0], at)
	next, found := Infinity, false
	var bad error
	err = a.backend.Scan(group, a.table, nil, a.subkey, nil, func(subkey, _ []byte, _ uint32) bool {
		var when int64
		if when, bad = readOrdered(subkey); bad != nil {
			return false
		}
		if when > at {
			next, found = when, true
			return false
		}
		a.spans = append(a.spans, span{len(a.keys), len(subkey) - 8})
		a.keys = append(a.keys, subkey[8:]...)
		return true
	})
	if err = max2(err, bad); err != nil {
		return nil, nil, err
	}
	for _, k := range a.spans {
		a.subkey = append(a.subkey[:8], a.keys[k.offset:k.offset+k.size]...)
		if err := a.backend.Delete(group, a.table, nil, a.subkey); err != nil {
			return nil, nil, err
		}
	}
	g := group - a.first
	a.next[g] = next
	a.fix(g, found)
	return a.keys, a.spans, nil
}

// look finds the earliest time of a group.
func (a *alarms) look(g int) error {
	found := false
	var bad error
	err := a.backend.Scan(a.first+g, a.table, nil, nil, nil, func(subkey, _ []byte, _ uint32) bool {
		a.next[g], bad = readOrdered(subkey)
		found = true
		return false
	})
	a.fix(g, found)
	return max2(err, bad)
}

// fix puts a group where its time belongs, or takes it out.
func (a *alarms) fix(g int, in bool) {
	i := a.place[g]
	switch {
	case i < 0 && !in:
		return
	case i < 0:
		i = int32(len(a.heap))
		a.heap = append(a.heap, int32(g))
		a.place[g] = i
	case !in:
		last := int32(len(a.heap) - 1)
		a.swap(i, last)
		a.heap = a.heap[:last]
		a.place[g] = -1
		if i == last {
			return
		}
	}
	for i > 0 && a.before(i, (i-1)/2) {
		a.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		down := 2*i + 1
		if down+1 < int32(len(a.heap)) && a.before(down+1, down) {
			down++
		}
		if down >= int32(len(a.heap)) || !a.before(down, i) {
			return
		}
		a.swap(i, down)
		i = down
	}
}

func (a *alarms) before(i, j int32) bool {
	g, h := a.heap[i], a.heap[j]
	if a.next[g] != a.next[h] {
		return a.next[g] < a.next[h]
	}
	return g < h
}

func (a *alarms) swap(i, j int32) {
	a.heap[i], a.heap[j] = a.heap[j], a.heap[i]
	a.place[a.heap[i]], a.place[a.heap[j]] = i, j
}
