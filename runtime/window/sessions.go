package window

import (
	"slices"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// sessions are windows that records make: [first, last + gap) of a key, as long as none
// of its records is more than the gap behind the one before. All sessions of a key are
// one entry of the data table; what they hold of an applier's records lies apart, so
// that a record costs the same in a long session. Records of a key reach its sessions
// one by one, in their order, and the guest and the backend together.
type sessions struct {
	*core
	gap    int64 // ms
	alarms *alarms
	pool   pool
	fires  []fire        // in the order of their records
	met    []int32       // by record of the batch: its entry; none behind a flush
	memory *state.Memory // the backend, if it is one: a shorter way to it
	places []state.Place // by entry
	found  []state.Found // at these places, in memory
	value  []byte
	buffer []byte
}

// fire is a session that gives its result again.
type fire struct{ entry, session int32 }

func newSessions(c *core) (*sessions, error) {
	a, err := newAlarms(c.Backend, c.Table+tableIndex, c.First, c.End)
	c.closer.after = 1 // a session is open until its end: a watermark just before may be out
	memory, _ := c.Backend.(*state.Memory)
	return &sessions{core: c, gap: ms(c.Window.Gap), alarms: a, memory: memory}, err
}

// over tells whether a watermark has reached the end of a session, put off by some ms. A
// record just at the end is still part of it: until the watermark is there, one may come.
func (s *sessions) over(end, lateness int64) bool {
	return s.watermark == Infinity || add(end, lateness) <= s.watermark
}

func (s *sessions) process(_ int, batch []byte) error {
	s.pool.reset()
	if err := s.meet(batch); err != nil {
		return err
	}
	for c, i := &s.cursor, 0; c.Next(); i++ {
		var err error
		switch {
		case c.Timestamp == record.NoTimestamp || c.Timestamp == Infinity:
			err = s.refuse(i, "the record has no timestamp and can't be in a window")
		case len(c.Key) > maxKey:
			err = s.refuse(i, "a key of %d bytes can't be in a window, at most %d", len(c.Key), maxKey)
		default:
			err = s.put(i)
		}
		if err != nil {
			return err
		}
	}
	return s.flush()
}

// meet makes an entry of each key of a batch, and loads their sessions all at once.
func (s *sessions) meet(batch []byte) error {
	for c := record.NewCursor(batch); c.Next(); {
		at := -1
		if len(c.Key) <= maxKey {
			var err error
			if at, err = s.enter(c.Key); err != nil {
				return err
			}
		}
		s.met = append(s.met, int32(at))
	}
	return s.load(0)
}

// enter is the entry of a key. If it is new, its sessions are not loaded.
func (s *sessions) enter(key []byte) (at int, err error) {
	hash := keygroup.Hash(key)
	at, slot := s.gather.find(hash, 0, key)
	if at < 0 {
		group, err := s.groupOf(hash)
		if err != nil {
			return -1, err
		}
		at = s.gather.insert(slot, entry{hash: hash, key: key, group: int32(group), head: -1})
	}
	return at, nil
}

// load reads the sessions of the entries from one on.
func (s *sessions) load(from int) error {
	entries := s.gather.entries
	for i := from; i < len(entries); i++ {
		e := &entries[i]
		s.places = append(s.places, state.Place{Group: int(e.group), Table: s.Table + tableData, Key: e.key, Size: sessionHead})
	}
	if s.memory != nil {
		s.found = slices.Grow(s.found[:from], len(entries)-from)[:len(entries)]
		s.memory.Find(s.places[from:], s.found[from:])
	} else {
		for i := from; i < len(entries); i++ {
			s.Backend.Touch(s.places[i].Group, s.places[i].Table, s.places[i].Key, nil)
		}
	}
	for i := from; i < len(entries); i++ {
		b, ok, err := s.get(i)
		if err == nil && ok {
			entries[i].head, err = s.pool.decode(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// get reads what the backend has of an entry, and set writes it.
func (s *sessions) get(entry int) (value []byte, ok bool, err error) {
	at := &s.places[entry]
	if s.memory != nil {
		value, _, ok, err = s.memory.GetFound(at, &s.found[entry])
	} else {
		value, _, ok, err = s.Backend.Get(at.Group, at.Table, at.Key, nil)
	}
	return value, ok, err
}

func (s *sessions) set(entry int, value []byte) error {
	at := &s.places[entry]
	if s.memory != nil {
		return s.memory.PutFound(at, &s.found[entry], value)
	}
	return s.Backend.Put(at.Group, at.Table, at.Key, nil, value)
}

// entryOf is the entry of the record at the cursor. One that fires is brought to an end
// with all others, and begins anew.
func (s *sessions) entryOf(index int) (at int, err error) {
	if index < len(s.met) && !s.gather.entries[s.met[index]].marked {
		return int(s.met[index]), nil
	}
	for {
		if at, err = s.enter(s.cursor.Key); err != nil {
			return -1, err
		}
		if !s.gather.entries[at].marked {
			break
		}
		if err := s.flush(); err != nil {
			return -1, err
		}
	}
	if at == len(s.places) {
		err = s.load(at)
	}
	return at, err
}

// put adds the record at the cursor to a session of its key.
func (s *sessions) put(index int) error {
	c := &s.cursor
	at, err := s.entryOf(index)
	if err != nil {
		return err
	}
	e := &s.gather.entries[at]
	before, first, behind, start, end := s.pool.around(e.head, c.Timestamp, add(c.Timestamp, s.gap))
	if s.over(end, s.lateness) {
		s.dropLate()
		return nil
	}
	r := s.gather.record(c.Offset()-len(c.Bytes()), len(c.Bytes()), index)
	if first == behind { // a session of its own
		first = int32(len(s.pool.sessions))
		s.pool.sessions = append(s.pool.sessions, session{armed: Beginning, pieces: -1, records: -1, last: -1, next: behind})
		if before < 0 {
			e.head = first
		} else {
			s.pool.sessions[before].next = first
		}
	} else {
		s.pool.join(first, behind, &s.gather)
	}
	w := &s.pool.sessions[first]
	w.start, w.end, w.dirty = start, end, true
	if w.records < 0 {
		w.records = r
	} else {
		s.gather.records[w.last].next = r
	}
	w.last = r
	e.count++ // the key's sessions are to be written
	if w.fired = s.over(end, 0); w.fired {
		e.marked, w.dirty = true, false
		s.fires = append(s.fires, fire{int32(at), first})
	}
	return nil
}

// flush brings what the records changed to the guest and the backend, and gives out
// what they fire.
func (s *sessions) flush() error {
	err := s.fold()
	for i := range s.gather.entries {
		if err != nil {
			return err
		}
		if e := &s.gather.entries[i]; e.count > 0 {
			if err = s.arm(int(e.group), e.key, e.head); err == nil {
				s.value = s.pool.encode(s.value[:0], e.head)
				err = s.set(i, s.value)
			}
		}
	}
	for _, f := range s.fires {
		if err != nil {
			return err
		}
		e := &s.gather.entries[f.entry]
		err = s.give(int(e.group), e.key, &s.pool.sessions[f.session], Late)
	}
	if err == nil && len(s.fires) > 0 {
		err = s.closer.flush()
	}
	s.fires, s.met, s.places = s.fires[:0], s.met[:0], s.places[:0]
	s.gather.reset()
	s.pool.reset()
	return err
}

// fold brings the records to the sessions' contents.
func (s *sessions) fold() error {
	if s.Applier != nil {
		return s.store()
	}
	if err := s.merge(); err != nil {
		return err
	}
	for from := 0; from < len(s.gather.entries); {
		var err error
		if from, err = s.accumulate(from); err != nil {
			return err
		}
	}
	return nil
}

// merge makes one accumulator of those of sessions that have become one.
func (s *sessions) merge() error {
	g := &s.calls
	g.reset()
	several := func(do func(e *entry, w *session) error) error {
		for i := range s.gather.entries {
			e := &s.gather.entries[i]
			for at := e.head; at >= 0; at = s.pool.sessions[at].next {
				w := &s.pool.sessions[at]
				if w.pieces < 0 || s.pool.pieces[w.pieces].next < 0 {
					continue
				}
				if err := do(e, w); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := several(func(e *entry, w *session) error {
		g.begin(e.key, nil, false, 0, OnTime, w.start, w.end)
		for p := w.pieces; p >= 0; p = s.pool.pieces[p].next {
			g.part(s.pool.bytes(s.pool.pieces[p].span))
		}
		g.end()
		return nil
	}); err != nil || g.count == 0 {
		return err
	}
	answers, err := mergeAll(s.Aggregator, g)
	if err != nil {
		return err
	}
	if err := several(func(_ *entry, w *session) error {
		acc, err := answers.next()
		w.pieces = s.pool.piece(acc)
		return err
	}); err != nil {
		return err
	}
	return answers.end()
}

// accumulate folds the records of the sessions of keys, as many as one call takes, and
// returns the entry after them.
func (s *sessions) accumulate(from int) (int, error) {
	g := &s.calls
	g.reset()
	indexes := s.Output.indexes[:0]
	to := from
	for ; to < len(s.gather.entries) && len(g.buf) < callBytes; to++ {
		e := &s.gather.entries[to]
		for at := e.head; at >= 0; at = s.pool.sessions[at].next {
			w := &s.pool.sessions[at]
			if w.records < 0 {
				continue
			}
			var acc []byte
			if w.pieces >= 0 {
				acc = s.pool.bytes(s.pool.pieces[w.pieces].span)
			}
			g.begin(e.key, acc, w.pieces >= 0, uint8(s.gather.input), OnTime, w.start, w.end)
			g.buf, indexes = s.gather.body(g.buf, indexes, w.records)
			g.end()
		}
	}
	if g.count == 0 {
		return to, nil
	}
	s.Output.indexes = indexes
	answer, err := s.Aggregator.Accumulate(g.buf)
	s.Output.indexes = indexes[:0]
	if err != nil {
		return 0, err
	}
	answers := replies{answer, "accumulate"}
	for _, e := range s.gather.entries[from:to] {
		for at := e.head; at >= 0; at = s.pool.sessions[at].next {
			if w := &s.pool.sessions[at]; w.records >= 0 {
				acc, err := answers.next()
				if err != nil {
					return 0, err
				}
				w.pieces = s.pool.piece(acc)
			}
		}
	}
	return to, answers.end()
}

func (s *sessions) barrier() error { return nil }
