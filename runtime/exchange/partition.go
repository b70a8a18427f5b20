package exchange

import (
	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/record"
)

// Write takes a valid batch and spreads its records over the receivers as the edge
// says. It copies them, never blocks and sends nothing: Drain does.
func (w *Writer) Write(batch []byte) {
	switch {
	case len(batch) == 0:
	case len(w.outlets) == 1:
		w.outlets[0].append(batch)
	case w.partition == graph.ByKey:
		w.writeByKey(batch)
	case w.partition == graph.Broadcast:
		for _, o := range w.outlets {
			o.append(batch)
		}
	default:
		w.outlets[w.turn].append(batch)
		if w.turn++; w.turn == len(w.outlets) {
			w.turn = 0
		}
	}
}

// WriteTo takes a valid batch for one receiver of an edge that is partitioned by its
// operator. Other edges spread the batch as they always do. The error is the guest's.
func (w *Writer) WriteTo(partition int, batch []byte) error {
	if w.partition != graph.Partitions {
		w.Write(batch)
		return nil
	}
	if partition < 0 || partition >= len(w.outlets) {
		return fault.Guestf("emit to partition %d: there are %d", partition, len(w.outlets))
	}
	w.outlets[partition].append(batch)
	return nil
}

// writeByKey is the fast path of the exchange: one look-up and one copy per record.
func (w *Writer) writeByKey(batch []byte) {
	groups := uint64(len(w.owners))
	mask := uint64(0)
	if groups&(groups-1) == 0 {
		mask = groups - 1
	}
	for c := record.NewCursor(batch); c.Next(); {
		group := xxhash.Sum64(c.Key)
		if mask != 0 {
			group &= mask
		} else {
			group %= groups
		}
		o := w.owners[group]
		encoded := c.Bytes()
		if cap(o.batch)-len(o.batch) >= len(encoded) {
			o.batch = append(o.batch, encoded...)
		} else {
			o.appendRecord(encoded)
		}
	}
}

// owners lists the outlet of each key group.
func owners(outlets []*outlet, maxParallelism int) []*outlet {
	all := make([]*outlet, maxParallelism)
	for group := range all {
		all[group] = outlets[keygroup.Subtask(group, len(outlets), maxParallelism)]
	}
	return all
}
