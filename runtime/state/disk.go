package state

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"
	"unsafe"
)

// Disk is the backend for state larger than RAM. Names (keys and subkeys, in a Memory)
// stay in RAM, with short values; longer values lie in a file, and the latest of them in
// RAM, too (valueLog). An entry takes about 40 bytes of RAM and its names; its value is
// one read from the file, or none.
//
// It is no more durable than Memory, since it is snapshots that survive: its file is
// gone when it is opened again.
type Disk struct {
	names  *Memory
	values *valueLog
	limit  int64 // Options.Limit

	found []unsafe.Pointer // entries of a scan
}

var _ Backend = (*Disk)(nil)

// NewDisk makes an empty backend in the folder Options.Dir, of which it removes what is
// there.
func NewDisk(options Options) (*Disk, error) {
	if options.Dir == "" {
		return nil, errors.New("open disk state: no folder is given")
	}
	if options.Cache == 0 {
		options.Cache = 256 << 20
	}
	limit := options.Limit
	options.Limit = 0 // names are not all
	m, err := NewMemory(options)
	if err != nil {
		return nil, err
	}
	l, err := openValues(m, options.Dir, options.Cache)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.values = l
	return &Disk{names: m, values: l, limit: limit}, nil
}

// SetTime implements Backend.
func (d *Disk) SetTime(now int64) { d.names.SetTime(now) }

// SetVersion implements Backend.
func (d *Disk) SetVersion(version uint32) { d.names.SetVersion(version) }

// Bytes implements Backend.
func (d *Disk) Bytes() int64 { return d.names.Bytes() + d.values.bytes }

// Memory implements Backend.
func (d *Disk) Memory() int64 { return d.names.Memory() + d.values.memory() }

// Touch implements Backend: names come near, values do not.
func (d *Disk) Touch(group, table int, key, subkey []byte) { d.names.Touch(group, table, key, subkey) }

// Close implements Backend. The folder goes with the last snapshot that is still being
// written.
func (d *Disk) Close() error { return d.names.Close() }

// Get implements Backend.
func (d *Disk) Get(group, table int, key, subkey []byte) (value []byte, version uint32, ok bool, err error) {
	m := d.names
	p, ok := m.part(group, table)
	if !ok {
		return nil, 0, false, errPlace(group, table)
	}
	if p == nil || len(key) > MaxKey || len(subkey) > MaxSubkey {
		return nil, 0, false, checkEntry(key, subkey, 0)
	}
	hash := hashOf(key, subkey)
	e, _ := m.find(p, hash, key, subkey, 0)
	if e == nil {
		return nil, 0, false, nil
	}
	value, version, ok = m.read(p, e, len(key)+len(subkey))
	if ok && *placeOf(e) != 0 {
		value, err = d.values.read(p, hash, e, 0)
	}
	return value, version, ok && err == nil, err
}

// Put implements Backend.
func (d *Disk) Put(group, table int, key, subkey, value []byte) error {
	if err := checkEntry(key, subkey, len(value)); err != nil {
		return err
	}
	p, err := d.names.makePart(group, table)
	if err != nil {
		return err
	}
	hash := hashOf(key, subkey)
	e, slot := d.names.find(p, hash, key, subkey, 0)
	return d.write(p, hash, e, slot, key, subkey, nil, value)
}

// Append implements Backend.
func (d *Disk) Append(group, table int, key, subkey, value []byte) error {
	if err := checkEntry(key, subkey, len(value)); err != nil {
		return err
	}
	m := d.names
	p, err := m.makePart(group, table)
	if err != nil {
		return err
	}
	hash := hashOf(key, subkey)
	e, slot := m.find(p, hash, key, subkey, 0)
	var old []byte
	if e != nil && !m.expired(p, e) {
		old, _, _ = m.read(p, e, len(key)+len(subkey))
		if *placeOf(e) != 0 {
			// What is given may be of the other scratch.
			if old, err = d.values.read(p, hash, e, 1); err != nil {
				return err
			}
		}
		if err := checkEntry(key, subkey, len(old)+len(value)); err != nil {
			return err
		}
	}
	return d.write(p, hash, e, slot, key, subkey, old, value)
}

// write writes an entry whose value has two parts; e is what was there.
func (d *Disk) write(p *part, hash uint64, e, slot unsafe.Pointer, key, subkey, first, second []byte) error {
	m, length := d.names, len(first)+len(second)
	grows := int64(EntryOverhead + len(key) + len(subkey) + length)
	if e != nil {
		grows = int64(length - valueLen(e) - placeLen(*placeOf(e)))
	}
	if need := d.Bytes() + grows; d.limit > 0 && grows > 0 && need > d.limit {
		return &LimitError{Limit: d.limit, Need: need}
	}
	near := 0 // bytes behind the names
	if length <= inlineMost {
		near = length
	}
	var left uint64
	var err error
	if e == nil {
		e, err = d.add(p, hash, key, subkey, near)
	} else if m.renew(p, e); valueLen(e) != near {
		e, left, err = m.refit(p, e, slot, subkey, near, 0)
	}
	if err != nil {
		return err
	}
	place := uint64(0)
	if near == length {
		value := unsafe.Slice((*byte)(unsafe.Add(e, p.head+len(key)+len(subkey))), length)
		copy(value[copy(value, first):], second)
		d.values.leave(*placeOf(e))
	} else if place, err = d.values.put(p.index, hash, *placeOf(e), first, second); err != nil {
		return err
	}
	atomic.StoreUint64(placeOf(e), place)
	if err := m.wrote(p, e, left); err != nil {
		return err
	}
	return d.values.tidy()
}

// add makes an entry that is not there.
func (d *Disk) add(p *part, hash uint64, key, subkey []byte, near int) (unsafe.Pointer, error) {
	m := d.names
	if err := m.room(EntryOverhead + len(key) + len(subkey) + near); err != nil {
		return nil, err
	}
	e, ref, err := m.write(p, hash, key, subkey, near, flagLive|flagNew)
	if err != nil {
		return nil, err
	}
	m.mark(p)
	if len(subkey) > 0 {
		err = m.plantEntry(p, key, subkey, ref)
	}
	return e, err
}

// Delete implements Backend.
func (d *Disk) Delete(group, table int, key, subkey []byte) error {
	return d.names.Delete(group, table, key, subkey)
}

// DeleteRange implements Backend.
func (d *Disk) DeleteRange(group, table int, key, from, to []byte) error {
	return d.names.DeleteRange(group, table, key, from, to)
}

// ScanKeys implements Backend.
func (d *Disk) ScanKeys(group, table int, after []byte, visit func(key []byte) bool) error {
	return d.names.ScanKeys(group, table, after, visit)
}

const (
	scanFirst = 8   // entries whose values are read at once as a scan begins
	scanMost  = 256 // later
)

// Scan implements Backend. It finds some entries, reads what of their values is far, all
// at once, visits them, and goes on with more.
func (d *Disk) Scan(group, table int, key, from, to []byte, visit func(subkey, value []byte, version uint32) bool) error {
	m := d.names
	p, err := m.scanned(group, table, key, to)
	if p == nil {
		return err
	}
	for most := scanFirst; ; most = min(2*most, scanMost) {
		d.found = d.found[:0]
		m.each(p, key, from, func(e unsafe.Pointer) bool {
			if to != nil && bytes.Compare(namesOf(p, e, len(key)), to) >= 0 {
				return false
			}
			if !m.expired(p, e) {
				d.found = append(d.found, e)
			}
			return len(d.found) < most
		})
		if more, err := d.visit(p, len(key), visit); err != nil || !more {
			return err
		}
		if len(d.found) < most {
			return nil
		}
		last := namesOf(p, d.found[most-1], len(key))
		from = append(slices.Clone(last), 0)
	}
}

// namesOf is the subkey of an entry whose key has that length.
func namesOf(p *part, e unsafe.Pointer, key int) (subkey []byte) {
	_, s, _ := sizes(e)
	return unsafe.Slice((*byte)(unsafe.Add(e, p.head+key)), s)
}

// visit shows the entries that were found.
func (d *Disk) visit(p *part, key int, visit func(subkey, value []byte, version uint32) bool) (more bool, err error) {
	hash := func(e unsafe.Pointer) uint64 {
		k := unsafe.Slice((*byte)(unsafe.Add(e, p.head)), key)
		return hashOf(k, namesOf(p, e, key))
	}
	for _, e := range d.found {
		d.values.want(p, hash(e), e)
	}
	if err := d.values.fetch(); err != nil {
		return false, err
	}
	for _, e := range d.found {
		subkey := namesOf(p, e, key)
		value, version, _ := d.names.read(p, e, key+len(subkey))
		if *placeOf(e) != 0 {
			if value, err = d.values.read(p, hash(e), e, 0); err != nil {
				return false, err
			}
		}
		if !visit(subkey, value, version) {
			return false, nil
		}
	}
	return true, nil
}

// want lists a value to be fetched, if there is one in the file.
func (d *Disk) want(group, table int, key, subkey []byte) {
	p, _ := d.names.part(group, table)
	if p == nil || len(key) > MaxKey || len(subkey) > MaxSubkey {
		return
	}
	hash := hashOf(key, subkey)
	if e, _ := d.names.find(p, hash, key, subkey, 0); e != nil && !d.names.expired(p, e) {
		d.values.want(p, hash, e)
	}
}

// fetch reads what is wanted.
func (d *Disk) fetch() error { return d.values.fetch() }

// Snapshot implements Backend. What is not on its way to the file yet is sent there.
func (d *Disk) Snapshot(checkpoint uint64, full bool) (Snapshot, error) {
	if last := d.names.lastMark(); checkpoint > last {
		if err := d.values.seal(); err != nil {
			return nil, err
		}
	}
	return d.names.Snapshot(checkpoint, full)
}

// Confirm implements Backend.
func (d *Disk) Confirm(checkpoint uint64) { d.names.Confirm(checkpoint) }

// Restore implements Backend.
func (d *Disk) Restore(from Source, base uint64) error {
	return d.names.restore(from, base, func(table int, e *Entry) error {
		value := e.Value
		if len(value) > inlineMost {
			if err := checkEntry(e.Key, e.Subkey, len(value)); err != nil {
				return err
			}
			e.Value = nil
		}
		at, err := d.names.restoreEntry(table, e)
		if err != nil {
			return err
		}
		if len(value) > inlineMost {
			p, _ := d.names.part(e.Group, table)
			place, err := d.values.put(p.index, hashOf(e.Key, e.Subkey), 0, nil, value)
			if err != nil {
				return err
			}
			atomic.StoreUint64(placeOf(at), place)
		}
		if d.limit > 0 && d.Bytes() > d.limit {
			return &LimitError{Limit: d.limit, Need: d.Bytes()}
		}
		return d.values.tidy()
	})
}
