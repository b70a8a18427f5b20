package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Disk is the backend for state larger than RAM: an LSM tree (pebble) in a folder. It is
// no more durable than Memory, since it is snapshots that survive, so it keeps no log
// and syncs nothing.
//
// Every value carries the epoch of its last change, and blocks and files of the tree
// know the range of epochs in them: a delta skips what is older than the checkpoint it
// builds on. Writes are collected into batches, which end before the next read.
type Disk struct {
	options Options
	db      *pebble.DB
	cache   *pebble.Cache
	pending *pebble.Batch
	users   atomic.Int32 // the owner and the snapshots not closed

	now     int64
	version uint32
	bytes   int64
	epoch   uint32
	base    mark
	marks   []mark

	recent []recentEntry // what is known of entries used lately; see look
	name   []byte        // encoded, of the entry at hand
	gone   []byte        // encoded, being written
	sweep  diskSweep

	wanted  []byte // names to fetch, one behind the other
	fetches []diskFetch
}

var _ Backend = (*Disk)(nil)

// Names of what is in the tree, so that their order is that of runs:
//
//	entry = 0   u32 group   u8 table   u64 hash of the key   u16 keyLen   key   subkey
//	gone  = 1   u32 epoch   group … subkey as above
//
// all big-endian. The value of an entry:
//
//	u32 epoch   u8 flags   u32 version   i64 stamp   value
const (
	nameEntry = 0
	nameGone  = 1
	nameHead  = 1 + 4 + 1
	nameKey   = nameHead + 8 + 2

	recordFlags   = 4
	recordVersion = 5
	recordStamp   = 9
	recordHead    = 17
	recordNew     = 1 // the entry was made in the epoch of its last change

	recentSize  = 1 << 14
	pendingMost = 1 << 20 // bytes of a batch
)

// NewDisk makes an empty backend in the folder Options.Dir, of which it removes what is
// there.
func NewDisk(options Options) (*Disk, error) {
	if err := options.check(true); err != nil {
		return nil, err
	}
	if options.Dir == "" {
		return nil, errors.New("open disk state: no folder is given")
	}
	options.Tables = slices.Clone(options.Tables)
	if options.Cache == 0 {
		options.Cache = 256 << 20
	}
	if err := os.RemoveAll(options.Dir); err != nil {
		return nil, fmt.Errorf("empty state folder: %w", err)
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	d := &Disk{options: options, epoch: 1, recent: make([]recentEntry, recentSize)}
	d.cache = pebble.NewCache(options.Cache * 5 / 8)
	db, err := pebble.Open(options.Dir, pebbleOptions(d.cache, options.Cache))
	if err != nil {
		d.cache.Unref()
		return nil, fmt.Errorf("open disk state: %w", err)
	}
	d.db, d.pending = db, db.NewBatch()
	d.users.Store(1)
	return d, nil
}

// SetTime implements Backend.
func (d *Disk) SetTime(now int64) { d.now = max(d.now, now) }

// SetVersion implements Backend.
func (d *Disk) SetVersion(version uint32) { d.version = version }

// Bytes implements Backend.
func (d *Disk) Bytes() int64 { return d.bytes }

// Memory implements Backend.
func (d *Disk) Memory() int64 {
	m := d.db.Metrics()
	return m.BlockCache.Size + int64(m.MemTable.Size+m.MemTable.ZombieSize) + m.FileCache.Size
}

// Touch implements Backend: here a look-up is a wait.
func (d *Disk) Touch(int, int, []byte, []byte) {}

// Close implements Backend. The folder goes with the last snapshot that is still being
// written.
func (d *Disk) Close() error {
	err := d.pending.Close()
	return errors.Join(err, d.release())
}

func (d *Disk) release() error {
	if d.users.Add(-1) > 0 {
		return nil
	}
	err := d.db.Close()
	d.cache.Unref()
	if err != nil {
		return fmt.Errorf("close disk state: %w", err)
	}
	if err := os.RemoveAll(d.options.Dir); err != nil {
		return fmt.Errorf("remove state folder: %w", err)
	}
	return nil
}

// check refuses what is not of this backend.
func (d *Disk) check(group, table int, key, subkey []byte, value int) error {
	if group < d.options.First || group >= d.options.End || table < 0 || table >= len(d.options.Tables) {
		return errPlace(group, table)
	}
	return checkEntry(key, subkey, value)
}

func appendName(b []byte, group, table int, key, subkey []byte) []byte {
	b = append(b, nameEntry)
	b = binary.BigEndian.AppendUint32(b, uint32(group))
	b = append(b, byte(table))
	b = binary.BigEndian.AppendUint64(b, hashOf(key, nil))
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	return append(append(b, key...), subkey...)
}

// splitName takes an entry's name apart.
func splitName(name []byte) (group, table int, key, subkey []byte) {
	group, table = int(binary.BigEndian.Uint32(name[1:])), int(name[5])
	n := int(binary.BigEndian.Uint16(name[nameHead+8:]))
	return group, table, name[nameKey : nameKey+n], name[nameKey+n:]
}

// recentEntry is what is known of an entry: that saves reading it again before it is
// written.
type recentEntry struct {
	name  []byte
	there bool
	isNew bool
	epoch uint32
	stamp int64
	size  int // of the value
	// record is the encoded entry if it was read and has not changed since: fetch leaves
	// it for the Get to come.
	record []byte
}

// keepRecord is the largest record that stays behind, in bytes.
const keepRecord = 4 << 10

// look finds out what there is under a name. The record is read when it is asked for, or
// when nothing is known.
func (d *Disk) look(name []byte, record bool) (r *recentEntry, err error) {
	r = &d.recent[hashOf(name, nil)%recentSize]
	if r.known(name) && !(record && r.there && len(r.record) == 0) {
		return r, nil
	}
	if err := d.commit(); err != nil {
		return nil, err
	}
	return r, r.read(d.db, name)
}

func (r *recentEntry) known(name []byte) bool { return len(r.name) > 0 && bytes.Equal(r.name, name) }

// read fills in what the tree holds under a name.
func (r *recentEntry) read(db *pebble.DB, name []byte) error {
	if cap(r.record) > keepRecord {
		r.record = nil
	}
	record, closer, err := db.Get(name)
	*r = recentEntry{name: append(r.name[:0], name...), there: err == nil, record: r.record[:0]}
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		r.name = r.name[:0]
		return fmt.Errorf("read state: %w", err)
	}
	r.epoch = binary.BigEndian.Uint32(record)
	r.isNew = record[recordFlags]&recordNew != 0
	r.stamp = int64(binary.BigEndian.Uint64(record[recordStamp:]))
	r.size = len(record) - recordHead
	r.record = append(r.record, record...)
	if err := closer.Close(); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	return nil
}

// commit ends the batch of writes.
func (d *Disk) commit() error {
	if d.pending.Empty() {
		return nil
	}
	if err := d.pending.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	d.pending.Reset()
	return nil
}

func (d *Disk) expired(table int, stamp int64) bool {
	ttl := d.options.Tables[table].TTL
	return ttl > 0 && d.now-stamp >= max(ttl.Milliseconds(), 1)
}

// Get implements Backend.
func (d *Disk) Get(group, table int, key, subkey []byte) (value []byte, version uint32, ok bool, err error) {
	if err := d.check(group, table, key, subkey, 0); err != nil {
		return nil, 0, false, err
	}
	d.name = appendName(d.name[:0], group, table, key, subkey)
	r, err := d.look(d.name, true)
	if err != nil || !r.there || d.expired(table, r.stamp) {
		return nil, 0, false, err
	}
	return r.record[recordHead:], binary.BigEndian.Uint32(r.record[recordVersion:]), true, nil
}

// Put implements Backend.
func (d *Disk) Put(group, table int, key, subkey, value []byte) error {
	if err := d.check(group, table, key, subkey, len(value)); err != nil {
		return err
	}
	d.name = appendName(d.name[:0], group, table, key, subkey)
	r, err := d.look(d.name, false)
	if err != nil {
		return err
	}
	return d.write(r, table, key, subkey, nil, value)
}

// Append implements Backend.
func (d *Disk) Append(group, table int, key, subkey, value []byte) error {
	if err := d.check(group, table, key, subkey, len(value)); err != nil {
		return err
	}
	d.name = appendName(d.name[:0], group, table, key, subkey)
	r, err := d.look(d.name, true)
	if err != nil {
		return err
	}
	var old []byte
	if r.there && !d.expired(table, r.stamp) {
		old = r.record[recordHead:]
		if err := checkEntry(key, subkey, len(old)+len(value)); err != nil {
			return err
		}
	}
	return d.write(r, table, key, subkey, old, value)
}

// write puts an entry whose value has two parts; r is what was there.
func (d *Disk) write(r *recentEntry, table int, key, subkey, first, second []byte) error {
	size := len(first) + len(second)
	grows := int64(EntryOverhead + len(key) + len(subkey) + size)
	if r.there {
		grows = int64(size - r.size)
	}
	if d.options.Limit > 0 && grows > 0 && d.bytes+grows > d.options.Limit {
		return &LimitError{Limit: d.options.Limit, Need: d.bytes + grows}
	}
	d.bytes += grows
	isNew := !r.there || r.isNew && r.epoch == d.epoch
	r.there, r.isNew, r.epoch, r.stamp, r.size = true, isNew, d.epoch, 0, size
	if d.options.Tables[table].TTL > 0 {
		r.stamp = d.now
	}
	if err := d.set(d.name, r, d.version, first, second); err != nil {
		return err
	}
	r.record = r.record[:0] // after the write: what is written may be a slice of it
	return d.sweepSome(table)
}

// set writes an entry into the batch.
func (d *Disk) set(name []byte, r *recentEntry, version uint32, first, second []byte) error {
	op := d.pending.SetDeferred(len(name), recordHead+len(first)+len(second))
	copy(op.Key, name)
	binary.BigEndian.PutUint32(op.Value, r.epoch)
	op.Value[recordFlags] = 0
	if r.isNew {
		op.Value[recordFlags] = recordNew
	}
	binary.BigEndian.PutUint32(op.Value[recordVersion:], version)
	binary.BigEndian.PutUint64(op.Value[recordStamp:], uint64(r.stamp))
	copy(op.Value[recordHead:], first)
	copy(op.Value[recordHead+len(first):], second)
	if err := op.Finish(); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if d.pending.Len() > pendingMost {
		return d.commit()
	}
	return nil
}

// Delete implements Backend.
func (d *Disk) Delete(group, table int, key, subkey []byte) error {
	if err := d.check(group, table, key, subkey, 0); err != nil {
		return err
	}
	d.name = appendName(d.name[:0], group, table, key, subkey)
	r, err := d.look(d.name, false)
	if err != nil || !r.there {
		return err
	}
	return d.drop(d.name, r.epoch, r.isNew, r.size, true)
}

// drop removes an entry that is there. Told, deltas say that it is gone.
func (d *Disk) drop(name []byte, epoch uint32, isNew bool, size int, told bool) error {
	if r := &d.recent[hashOf(name, nil)%recentSize]; bytes.Equal(r.name, name) {
		*r = recentEntry{name: r.name, record: r.record[:0]}
	}
	_, _, key, subkey := splitName(name)
	d.bytes -= int64(EntryOverhead + len(key) + len(subkey) + size)
	if told && (epoch != d.epoch || !isNew) && (d.base.checkpoint != 0 || len(d.marks) > 0) {
		d.gone = binary.BigEndian.AppendUint32(append(d.gone[:0], nameGone), d.epoch)
		d.gone = append(d.gone, name[1:]...)
		if err := d.pending.Set(d.gone, nil, nil); err != nil {
			return fmt.Errorf("write state: %w", err)
		}
	}
	if err := d.pending.Delete(name, nil); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if d.pending.Len() > pendingMost {
		return d.commit()
	}
	return nil
}
