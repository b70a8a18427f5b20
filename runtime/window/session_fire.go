package window

// store keeps the records of sessions for an applier: under the first id of each, or
// under a new one, its start. Ids of a key differ: they lie within their sessions.
func (s *sessions) store() error {
	for i := range s.gather.entries {
		e := &s.gather.entries[i]
		for at := e.head; at >= 0; at = s.pool.sessions[at].next {
			w := &s.pool.sessions[at]
			if w.records < 0 {
				continue
			}
			if w.pieces < 0 {
				w.pieces = s.pool.piece(ordered(s.value[:0], w.start))
			}
			s.pool.ids(w)
			id := s.pool.bytes(s.pool.pieces[w.pieces].span)[:8]
			s.value, _ = s.gather.body(s.value[:0], nil, w.records)
			if err := s.Backend.Append(int(e.group), s.Table+tableBuffers, s.bufferKey(e.key, id, s.gather.input), nil, s.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sessions) bufferKey(key, id []byte, input int) []byte {
	s.buffer = append(append(append(s.buffer[:0], key...), id...), byte(input))
	return s.buffer
}

// arm sees to it that the sessions of a key are found in time.
func (s *sessions) arm(group int, key []byte, head int32) error {
	dirty := false
	for at := head; at >= 0; at = s.pool.sessions[at].next {
		w := &s.pool.sessions[at]
		dirty = dirty || w.dirty
		when := w.end
		if w.fired {
			when = add(w.end, s.lateness)
		}
		if w.armed != Beginning && w.armed <= when {
			continue
		}
		w.armed = when
		if err := s.alarms.set(group, when, key); err != nil {
			return err
		}
	}
	return s.mark(group, key, dirty)
}

// read reads the sessions of a key and returns the first.
func (s *sessions) read(group int, key []byte) (int32, error) {
	b, _, ok, err := s.Backend.Get(group, s.Table+tableData, key, nil)
	if err != nil || !ok {
		return -1, err
	}
	return s.pool.decode(b)
}

// write writes them; without any, the key is gone.
func (s *sessions) write(group int, key []byte, head int32) error {
	if head < 0 {
		return s.Backend.Delete(group, s.Table+tableData, key, nil)
	}
	s.value = s.pool.encode(s.value[:0], head)
	return s.Backend.Put(group, s.Table+tableData, key, nil, s.value)
}

// mark notes whether a key has sessions with records that no result has.
func (s *sessions) mark(group int, key []byte, dirty bool) error {
	if s.every == 0 {
		return nil
	}
	if !dirty {
		return s.Backend.Delete(group, s.Table+tableMarks, nil, key)
	}
	s.marked = true
	return s.Backend.Put(group, s.Table+tableMarks, nil, key, nil)
}

// give gives the result of a session.
func (s *sessions) give(group int, key []byte, w *session, firing Firing) error {
	if err := s.closer.window(w.start, w.end, firing); err != nil {
		return err
	}
	if err := s.closer.key(key); err != nil {
		return err
	}
	content := s.pool.bytes(s.pool.pieces[w.pieces].span)
	if s.Aggregator != nil {
		s.closer.value(0, content)
		return nil
	}
	return s.eachBuffer(key, content, func(buffer []byte, input int) error {
		v, _, ok, err := s.Backend.Get(group, s.Table+tableBuffers, buffer, nil)
		if ok {
			s.closer.value(input, v)
		}
		return err
	})
}

// eachBuffer calls do with the keys of a session's buffers, input by input.
func (s *sessions) eachBuffer(key, ids []byte, do func(buffer []byte, input int) error) error {
	for input := range s.Inputs {
		for at := 0; at+8 <= len(ids); at += 8 {
			if err := do(s.bufferKey(key, ids[at:at+8], input), input); err != nil {
				return err
			}
		}
	}
	return nil
}

// advance gives out the sessions that the watermark completes, by end, group and key,
// and forgets those whose lateness is over.
func (s *sessions) advance(watermark int64) error {
	for {
		group, at, ok := s.alarms.due(watermark)
		if !ok {
			return s.closer.flush()
		}
		keys, spans, err := s.alarms.take(group, at)
		if err != nil {
			return err
		}
		for _, k := range spans {
			if err := s.ring(group, at, keys[k.offset:k.offset+k.size]); err != nil {
				return err
			}
		}
	}
}

// ring sees to the sessions of a key that are entered under a time.
func (s *sessions) ring(group int, at int64, key []byte) error {
	s.pool.reset()
	head, err := s.read(group, key)
	if err != nil {
		return err
	}
	before, changed := int32(-1), false
	for i := head; i >= 0; i = s.pool.sessions[i].next {
		w := &s.pool.sessions[i]
		if w.armed != at {
			before = i
			continue
		}
		changed = true
		w.armed = Beginning // to be entered again
		gone := w.fired && add(w.end, s.lateness) <= at
		if !w.fired && w.end <= at {
			if err := s.give(group, key, w, OnTime); err != nil {
				return err
			}
			w.fired, w.dirty = true, false
			gone = s.over(w.end, s.lateness)
		}
		switch {
		case !gone:
			before = i
			continue
		case before < 0:
			head = w.next
		default:
			s.pool.sessions[before].next = w.next
		}
		if err := s.forget(group, key, w); err != nil {
			return err
		}
	}
	if !changed {
		return nil // a session that has become part of another
	}
	if err := s.arm(group, key, head); err != nil {
		return err
	}
	return s.write(group, key, head)
}

// forget removes what a session keeps outside of the data table.
func (s *sessions) forget(group int, key []byte, w *session) error {
	if s.Applier == nil {
		return nil
	}
	return s.eachBuffer(key, s.pool.bytes(s.pool.pieces[w.pieces].span), func(buffer []byte, _ int) error {
		return s.Backend.Delete(group, s.Table+tableBuffers, buffer, nil)
	})
}

// early gives the results, so far, of sessions that have records since the last time:
// by group, key and start.
func (s *sessions) early() error {
	m := merger{backend: s.Backend}
	for group := s.First; group < s.End; group++ {
		m.reset()
		if err := m.add(group, s.Table+tableMarks, nil, 0); err != nil {
			return err
		}
		for len(m.heap) > 0 {
			if err := s.earlyKey(group, m.heap[0].subkey()); err != nil {
				return err
			}
			if err := m.next(); err != nil {
				return err
			}
		}
		if err := s.Backend.DeleteRange(group, s.Table+tableMarks, nil, nil, nil); err != nil {
			return err
		}
	}
	return s.closer.flush()
}

func (s *sessions) earlyKey(group int, key []byte) error {
	s.pool.reset()
	head, err := s.read(group, key)
	if err != nil || head < 0 {
		return err
	}
	for i := head; i >= 0; i = s.pool.sessions[i].next {
		w := &s.pool.sessions[i]
		if !w.dirty {
			continue
		}
		if err := s.give(group, key, w, Early); err != nil {
			return err
		}
		w.dirty = false
	}
	return s.write(group, key, head)
}
