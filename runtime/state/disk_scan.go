package state

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// behind is the least name above all that begin with a prefix.
func behind(prefix []byte) []byte {
	b := slices.Clone(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
	return nil
}

// iterate visits the entries with from ≤ name < to, until visit returns false.
func (d *Disk) iterate(from, to []byte, visit func(i *pebble.Iterator) bool) error {
	if err := d.commit(); err != nil {
		return err
	}
	i, err := d.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for ok := i.First(); ok && visit(i); ok = i.Next() {
	}
	if err := i.Close(); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	return nil
}

// subkeys are the bounds of a key's entries with from ≤ subkey < to.
func (d *Disk) subkeys(group, table int, key, from, to []byte) (low, high []byte) {
	low = appendName(nil, group, table, key, from)
	if to == nil {
		return low, behind(appendName(nil, group, table, key, nil))
	}
	return low, appendName(nil, group, table, key, to)
}

// Scan implements Backend.
func (d *Disk) Scan(group, table int, key, from, to []byte, visit func(subkey, value []byte, version uint32) bool) error {
	if err := d.check(group, table, key, nil, 0); err != nil {
		return err
	}
	low, high := d.subkeys(group, table, key, from, to)
	if slices.Compare(low, high) >= 0 {
		return nil
	}
	return d.iterate(low, high, func(i *pebble.Iterator) bool {
		record := i.Value()
		if d.expired(table, int64(binary.BigEndian.Uint64(record[recordStamp:]))) {
			return true
		}
		return visit(i.Key()[nameKey+len(key):], record[recordHead:], binary.BigEndian.Uint32(record[recordVersion:]))
	})
}

// DeleteRange implements Backend.
func (d *Disk) DeleteRange(group, table int, key, from, to []byte) error {
	if err := d.check(group, table, key, nil, 0); err != nil {
		return err
	}
	low, high := d.subkeys(group, table, key, from, to)
	if slices.Compare(low, high) >= 0 {
		return nil
	}
	var failed error
	err := d.iterate(low, high, func(i *pebble.Iterator) bool {
		failed = d.dropRecord(i.Key(), i.Value(), true)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// dropRecord removes an entry that was read.
func (d *Disk) dropRecord(name, record []byte, told bool) error {
	return d.drop(name, binary.BigEndian.Uint32(record), record[recordFlags]&recordNew != 0, len(record)-recordHead, told)
}

// ScanKeys implements Backend.
func (d *Disk) ScanKeys(group, table int, after []byte, visit func(key []byte) bool) error {
	if err := d.check(group, table, after, nil, 0); err != nil {
		return err
	}
	low := appendName(nil, group, table, nil, nil)[:nameHead]
	high := behind(low)
	if after != nil {
		low = behind(appendName(nil, group, table, after, nil))
	}
	if err := d.commit(); err != nil {
		return err
	}
	i, err := d.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for ok := i.First(); ok; {
		if d.expired(table, int64(binary.BigEndian.Uint64(i.Value()[recordStamp:]))) {
			ok = i.Next()
			continue
		}
		_, _, key, _ := splitName(i.Key())
		if !visit(key) {
			break
		}
		ok = i.SeekGE(behind(i.Key()[:nameKey+len(key)]))
	}
	if err := i.Close(); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	return nil
}

// diskSweep is a walk through all entries in search of expired ones.
type diskSweep struct {
	writes int    // since the last steps
	next   []byte // where it goes on
}

const (
	sweepEvery = 256  // writes into tables whose entries expire
	sweepSteps = 1024 // entries looked at then
)

// sweepSome removes some expired entries, as many for each write as make removal keep
// pace.
func (d *Disk) sweepSome(table int) error {
	if d.options.Tables[table].TTL == 0 {
		return nil
	}
	if d.sweep.writes++; d.sweep.writes < sweepEvery {
		return nil
	}
	d.sweep.writes = 0
	from := d.sweep.next
	if from == nil {
		from = []byte{nameEntry}
	}
	d.sweep.next = nil
	steps := 0
	var failed error
	err := d.iterate(from, []byte{nameEntry + 1}, func(i *pebble.Iterator) bool {
		if steps++; steps > sweepSteps {
			d.sweep.next = slices.Clone(i.Key())
			return false
		}
		_, table, _, _ := splitName(i.Key())
		if record := i.Value(); d.expired(table, int64(binary.BigEndian.Uint64(record[recordStamp:]))) {
			failed = d.dropRecord(i.Key(), record, false)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}
