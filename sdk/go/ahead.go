package wasmill

import "unsafe"

// What a batch's records need of tables is fetched before the first is processed, and
// written back behind the last. These loops run for every record, so that they call
// nothing for a key of 8 to 16 bytes: see memory.go.

// prefetch looks at a batch before it is processed.
func (s *store) prefetch(batch []byte, r *Record) {
	if len(s.slots) == 0 {
		s.grow()
	}
	places, row, rows := unsafe.Pointer(unsafe.SliceData(s.places)), 0, 4*cap(s.places)
	p := dataOf(batch)
	for at := 0; at < len(batch); {
		var head uint64
		if left := len(batch) - at; left >= headerSize {
			head = get64(p, at)
			if !plain(head) || headerSize+head&maxKeyLen+head>>32 > uint64(left) {
				head = 0
			}
		}
		if row+4*len(s.ahead) > rows {
			s.places = append(s.places[:cap(s.places)], make([]int32, max(cap(s.places), 1024, len(s.ahead)))...)
			places, rows = unsafe.Pointer(unsafe.SliceData(s.places)), 4*cap(s.places)
		}
		n := int(head & maxKeyLen)
		var key []byte
		if head != 0 { // decode, without a call
			setInput(&key, p, at+headerSize, n)
			at += headerSize + n + int(head>>32)
		} else {
			size := r.decode(batch, at)
			if size == 0 {
				return // processing says so
			}
			key, n = r.Key, len(r.Key)
			at += size
		}
		if n < 8 || n > 16 {
			for _, table := range s.ahead {
				place := int32(-1)
				if key != nil {
					place, _ = s.find(table, key, nil)
				}
				*(*int32)(unsafe.Add(places, row)) = place
				row += 4
			}
			continue
		}
		from := dataOf(key)
		first, last := get64(from, 0), get64(from, n-8)
		for _, table := range s.ahead {
			h := ((uint64(table)^uint64(n))*hashFactor ^ first) * hashFactor
			h = (h ^ h>>29 ^ last) * hashFactor
			hash := uint32(h ^ h>>32)
			slot := (*int32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s.slots)), 4*int(hash&uint32(len(s.slots)-1))))
			index := int(*slot) - 1
			if index < 0 && len(s.entries) < s.easy {
				index = len(s.entries)
				*slot = int32(index + 1)
				(*sliceHeader)(unsafe.Pointer(&s.entries)).len = index + 1
				e := s.entry(index)
				setInput(&e.key, from, 0, n)
				e.table, e.hash = table, hash
			} else if index < 0 || !s.entry(index).has(table, hash, first, last, n) {
				found, _ := s.find(table, key, nil)
				index = int(found)
			}
			*(*int32)(unsafe.Add(places, row)) = int32(index)
			row += 4
		}
	}
	s.placed = true
	s.fetch(0)
}

// has tells whether an entry is that of a key of 8 to 16 bytes.
func (e *storeEntry) has(table int, hash uint32, first, last uint64, n int) bool {
	if e.hash != hash || e.table != table || len(e.key) != n || len(e.sub) > 0 {
		return false
	}
	p := dataOf(e.key)
	return get64(p, 0) == first && get64(p, n-8) == last
}

// ask adds the entries from first on to the log, as many as are read at once, and tells
// how many these are.
func (s *store) ask(first int) (end int) {
	p, at, room := dataOf(s.log), len(s.log), cap(s.log)
	for end = first; end < len(s.entries) && at < logFull/2; end++ {
		e := s.entry(end)
		n := len(e.key)
		if n < 8 || n > 16 || len(e.sub) > 0 || at+opHead+16 > room {
			setLen(&s.log, at)
			s.note(opGet, e.table, e.key, e.sub, nil)
			p, at, room = dataOf(s.log), len(s.log), cap(s.log)
			continue
		}
		put64(p, at, opGet|uint64(e.table)<<16|uint64(n)<<32)
		put64(p, at+8, 0)
		putShort(p, at+opHead, dataOf(e.key), n)
		at += opHead + n
	}
	setLen(&s.log, at)
	return end
}

// fetch reads entries from first on, which are new.
func (s *store) fetch(first int) {
	s.flush()
	for first < len(s.entries) {
		end := s.ask(first)
		request := s.log
		s.log = s.log[:0]
		for least := 24 * (end - first); first < end; {
			out := s.room(least)
			said := s.context.host.State(request, out)
			done := int(said >> 32)
			if done == 0 {
				least = 2 * len(out)
				continue
			}
			s.used += int(uint32(said))
			request = request[s.take(first, done, dataOf(out)):]
			first += done
		}
	}
}

// take gives entries their values, out of well-formed answers, and tells how many bytes
// asked for these. The answers stay where they are for as long as the entries need them,
// so that the collector need not be told.
func (s *store) take(first, done int, p unsafe.Pointer) (asked int) {
	for at := 0; done > 0; done-- {
		e := s.entry(first)
		head := get64(p, at)
		e.version = uint32(head)
		at += answerHead
		if n := int(head >> 32); n != absent {
			setInput(&e.value, p, at, n)
			at += n
		}
		asked += opHead + len(e.key) + len(e.sub)
		first++
	}
	return asked
}

// writeBack writes what has changed.
func (s *store) writeBack() {
	p, at, room := dataOf(s.log), len(s.log), min(cap(s.log), logFull)
	for index := range len(s.entries) {
		e := s.entry(index)
		if !e.dirty {
			continue
		}
		e.dirty = false
		n := len(e.key)
		if n >= 8 && n <= 16 && len(e.value) == 8 && len(e.sub) == 0 && at+opHead+16+8 <= room {
			put64(p, at, opPut|uint64(e.table)<<16|uint64(n)<<32)
			put64(p, at+8, 8<<32)
			putShort(p, at+opHead, dataOf(e.key), n)
			at += opHead + n
			put64(p, at, get64(dataOf(e.value), 0))
			at += 8
			continue
		}
		setLen(&s.log, at)
		if e.value == nil {
			s.note(opDelete, e.table, e.key, e.sub, nil)
		} else {
			s.note(opPut, e.table, e.key, e.sub, e.value)
		}
		p, at, room = dataOf(s.log), len(s.log), min(cap(s.log), logFull)
	}
	setLen(&s.log, at)
	s.flush()
}
