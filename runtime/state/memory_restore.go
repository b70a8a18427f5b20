package state

import (
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// Restore implements Backend.
func (m *Memory) Restore(from Source, base uint64) error {
	return m.restore(from, base, func(table int, e *Entry) error {
		_, err := m.restoreEntry(table, e)
		return err
	})
}

// restore hands the entries on, each with the index of its table.
func (m *Memory) restore(from Source, base uint64, add func(table int, e *Entry) error) error {
	if m.bytes != 0 || m.epoch != 1 {
		return errors.New("restore state: the backend is not empty")
	}
	tables := tableIndex(m.options.Tables)
	for {
		e, err := from.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			if table, ok := tables[e.Table]; ok {
				err = add(table, &e)
			} else {
				err = errUndeclared(e.Table)
			}
		}
		if err != nil {
			return fmt.Errorf("restore state: %w", err)
		}
	}
	if base > 0 {
		m.base = mark{base, m.epoch}
	}
	m.epoch++
	return nil
}

func (m *Memory) restoreEntry(table int, e *Entry) (at unsafe.Pointer, err error) {
	if err := checkEntry(e.Key, e.Subkey, len(e.Value)); err != nil {
		return nil, err
	}
	p, err := m.makePart(e.Group, table)
	if err != nil {
		return nil, err
	}
	if err := m.room(EntryOverhead + len(e.Key) + len(e.Subkey) + len(e.Value)); err != nil {
		return nil, err
	}
	at, ref, err := m.write(p, hashOf(e.Key, e.Subkey), e.Key, e.Subkey, len(e.Value), flagLive)
	if err != nil {
		return nil, err
	}
	copy(unsafe.Slice((*byte)(unsafe.Add(at, p.head+len(e.Key)+len(e.Subkey))), len(e.Value)), e.Value)
	*(*uint32)(unsafe.Add(at, entryVersion)) = e.Version
	if p.ttl > 0 {
		stamp := e.Stamp
		if stamp == 0 {
			stamp = m.now // its table had no time-to-live
		}
		*(*int64)(unsafe.Add(at, p.stamp)) = stamp
	}
	m.mark(p)
	if len(e.Subkey) > 0 {
		err = m.plantEntry(p, e.Key, e.Subkey, ref)
	}
	return at, err
}

func tableIndex(tables []Table) map[string]int {
	index := make(map[string]int, len(tables))
	for i, t := range tables {
		index[t.Name] = i
	}
	return index
}
