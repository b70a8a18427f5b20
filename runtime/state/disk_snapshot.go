package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// diskSnapshot reads a snapshot of the tree while the owner goes on.
type diskSnapshot struct {
	disk       *Disk
	tree       *pebble.Snapshot
	checkpoint uint64
	since      mark // zero: everything
	epoch      uint32
	now        int64
	closed     atomic.Bool
}

// Snapshot implements Backend.
func (d *Disk) Snapshot(checkpoint uint64, full bool) (Snapshot, error) {
	last := d.base.checkpoint
	if n := len(d.marks); n > 0 {
		last = d.marks[n-1].checkpoint
	}
	if checkpoint <= last {
		return nil, fmt.Errorf("take snapshot of checkpoint %d: the last was of %d", checkpoint, last)
	}
	if err := d.commit(); err != nil {
		return nil, err
	}
	s := &diskSnapshot{disk: d, tree: d.db.NewSnapshot(), checkpoint: checkpoint, epoch: d.epoch, now: d.now}
	if !full {
		s.since = d.base
	}
	d.marks = append(d.marks, mark{checkpoint, d.epoch})
	d.epoch++
	d.users.Add(1)
	return s, nil
}

// Confirm implements Backend.
func (d *Disk) Confirm(checkpoint uint64) {
	for i, k := range d.marks {
		if k.checkpoint == checkpoint {
			d.base = k
			d.marks = append(d.marks[:0], d.marks[i+1:]...)
			// What cannot be removed now is skipped by its epoch.
			_ = d.pending.DeleteRange([]byte{nameGone}, gonePrefix(k.epoch+1), nil)
			return
		}
	}
}

func gonePrefix(epoch uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{nameGone}, epoch)
}

// Close implements Snapshot.
func (s *diskSnapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.tree.Close()
	return errors.Join(err, s.disk.release())
}

// Write implements Snapshot.
func (s *diskSnapshot) Write(w io.Writer) (info RunInfo, err error) {
	if s.closed.Load() {
		return RunInfo{}, errors.New("write snapshot: it is closed")
	}
	d := s.disk
	run := newRunWriter(w, d.options.Tables, s.checkpoint, s.since.checkpoint)
	i, err := s.tree.NewIter(&pebble.IterOptions{
		LowerBound: []byte{nameEntry}, UpperBound: []byte{nameEntry + 1}, PointKeyFilters: newer(s.since.epoch),
	})
	if err != nil {
		return RunInfo{}, fmt.Errorf("read state: %w", err)
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	order := byName(d.options.Tables)
	for group := d.options.First; group < d.options.End; group++ {
		for _, table := range order {
			if err := s.writePart(run, i, group, table); err != nil {
				return RunInfo{}, err
			}
		}
	}
	return run.close()
}

// writePart writes the entries of a table in a key group, and what is gone of them.
func (s *diskSnapshot) writePart(run *runWriter, i *pebble.Iterator, group, table int) error {
	prefix := appendName(nil, group, table, nil, nil)[:nameHead]
	gone, err := s.gone(prefix[1:])
	if err != nil {
		return err
	}
	tell := func(name []byte) error {
		e := Entry{Group: group, Deleted: true}
		_, _, e.Key, e.Subkey = splitName(name)
		return run.add(table, &e)
	}
	for ok := i.SeekGE(prefix); ok && bytes.HasPrefix(i.Key(), prefix); ok = i.Next() {
		name, record := i.Key(), i.Value()
		if binary.BigEndian.Uint32(record) <= s.since.epoch {
			continue
		}
		e := Entry{Group: group, Value: record[recordHead:], Version: binary.BigEndian.Uint32(record[recordVersion:])}
		_, _, e.Key, e.Subkey = splitName(name)
		if ttl := s.disk.options.Tables[table].TTL; ttl > 0 {
			e.Stamp = int64(binary.BigEndian.Uint64(record[recordStamp:]))
			if s.now-e.Stamp >= max(ttl.Milliseconds(), 1) {
				continue
			}
		}
		for len(gone) > 0 && bytes.Compare(gone[0], name) <= 0 {
			if !bytes.Equal(gone[0], name) {
				if err := tell(gone[0]); err != nil {
					return err
				}
			}
			gone = gone[1:]
		}
		if err := run.add(table, &e); err != nil {
			return err
		}
	}
	if err := i.Error(); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for _, name := range gone {
		if err := tell(name); err != nil {
			return err
		}
	}
	return nil
}

// gone lists the names of what is gone of a part since the checkpoint that the snapshot
// builds on, in order, each once.
func (s *diskSnapshot) gone(part []byte) (names [][]byte, err error) {
	if s.since.epoch == 0 {
		return nil, nil
	}
	i, err := s.tree.NewIter(&pebble.IterOptions{LowerBound: gonePrefix(s.since.epoch + 1), UpperBound: gonePrefix(s.epoch + 1)})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	for epoch := s.since.epoch + 1; epoch <= s.epoch; epoch++ {
		prefix := append(gonePrefix(epoch), part...)
		for ok := i.SeekGE(prefix); ok && bytes.HasPrefix(i.Key(), prefix); ok = i.Next() {
			names = append(names, append([]byte{nameEntry}, i.Key()[5:]...))
		}
	}
	if err := i.Close(); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	slices.SortFunc(names, bytes.Compare)
	return slices.CompactFunc(names, bytes.Equal), nil
}

// Restore implements Backend.
func (d *Disk) Restore(from Source, base uint64) error {
	if d.bytes != 0 || d.epoch != 1 {
		return errors.New("restore state: the backend is not empty")
	}
	tables := tableIndex(d.options.Tables)
	for {
		e, err := from.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = d.restoreEntry(tables, &e)
		}
		if err != nil {
			return fmt.Errorf("restore state: %w", err)
		}
	}
	if err := d.commit(); err != nil {
		return err
	}
	if base > 0 {
		d.base = mark{base, d.epoch}
	}
	d.epoch++
	return nil
}

func (d *Disk) restoreEntry(tables map[string]int, e *Entry) error {
	table, ok := tables[e.Table]
	if !ok {
		return errUndeclared(e.Table)
	}
	if err := d.check(e.Group, table, e.Key, e.Subkey, len(e.Value)); err != nil {
		return err
	}
	d.bytes += int64(EntryOverhead + len(e.Key) + len(e.Subkey) + len(e.Value))
	if d.options.Limit > 0 && d.bytes > d.options.Limit {
		return &LimitError{Limit: d.options.Limit, Need: d.bytes}
	}
	r := recentEntry{epoch: d.epoch}
	if d.options.Tables[table].TTL > 0 {
		if r.stamp = e.Stamp; r.stamp == 0 {
			r.stamp = d.now // its table had no time-to-live
		}
	}
	d.name = appendName(d.name[:0], e.Group, table, e.Key, e.Subkey)
	return d.set(d.name, &r, e.Version, e.Value, nil)
}
