package state

import (
	"encoding/binary"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// pebbleOptions fit a tree that is looked up at random and never recovered: small
// blocks, a filter for each file, no compression (files die young, packs are
// compressed), no log. Memtables take up to three eighths of the RAM.
func pebbleOptions(cache *pebble.Cache, ram int64) *pebble.Options {
	o := &pebble.Options{
		Cache:                       cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                uint64(min(max(ram/8, 1<<20), 64<<20)),
		MemTableStopWritesThreshold: 3,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               max(64<<20, ram/4),
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		MaxOpenFiles:                1000,
		Logger:                      quiet{},
		DisableTableStats:           true,
		BlockPropertyCollectors: []func() pebble.BlockPropertyCollector{
			func() pebble.BlockPropertyCollector {
				return sstable.NewBlockIntervalCollector(epochProperty, epochMapper{}, nil)
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i] = pebble.LevelOptions{
			BlockSize:      4 << 10,
			IndexBlockSize: 32 << 10,
			FilterPolicy:   bloom.FilterPolicy(10),
			FilterType:     pebble.TableFilter,
			Compression:    func() *sstable.CompressionProfile { return sstable.NoCompression },
		}
	}
	return o
}

// quiet is a log of the tree: what it cannot do, its calls return.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

const epochProperty = "wasmill.epoch"

// epochMapper tells the tree the epoch of each entry.
type epochMapper struct{}

// MapPointKey implements sstable.IntervalMapper. What says that an entry is gone is of
// every epoch: it must not be skipped where an older one under its name is not.
func (epochMapper) MapPointKey(key sstable.InternalKey, value []byte) (sstable.BlockInterval, error) {
	if key.Kind() != pebble.InternalKeyKindSet && key.Kind() != pebble.InternalKeyKindSetWithDelete || len(value) < recordHead {
		return sstable.BlockInterval{Lower: 0, Upper: math.MaxUint64}, nil
	}
	epoch := uint64(binary.BigEndian.Uint32(value))
	return sstable.BlockInterval{Lower: epoch, Upper: epoch + 1}, nil
}

// MapRangeKeys implements sstable.IntervalMapper. There are none.
func (epochMapper) MapRangeKeys(sstable.Span) (sstable.BlockInterval, error) {
	return sstable.BlockInterval{}, nil
}

// newer keeps an iterator to what changed after an epoch.
func newer(epoch uint32) []pebble.BlockPropertyFilter {
	if epoch == 0 {
		return nil
	}
	return []pebble.BlockPropertyFilter{sstable.NewBlockIntervalFilter(epochProperty, uint64(epoch)+1, math.MaxUint64, nil)}
}
