package task

import (
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// counters are written by the task, batch by batch, and read by anybody.
type counters struct {
	recordsIn, recordsOut, bytesIn, bytesOut, rejected, late, state, busy, guest atomic.Int64
}

func (c *counters) in(batch []byte, records int) {
	c.recordsIn.Add(int64(records))
	c.bytesIn.Add(int64(len(batch)))
}

func (c *counters) out(batch []byte, records int) {
	c.recordsOut.Add(int64(records))
	c.bytesOut.Add(int64(len(batch)))
}

// Stats is what one operator of the task did so far.
type Stats struct {
	Operator                                           string
	Subtask                                            int
	RecordsIn, RecordsOut, BytesIn, BytesOut, Rejected uint64
	Late                                               uint64 // records that came too late for their windows and were dropped
	StateBytes                                         uint64 // of keyed state, as its limit counts them
	BusyNanos, BackPressuredNanos, GuestNanos          uint64
}

// Stats reads the counters. Back pressure is felt by the task; it is said of each of
// its operators.
func (t *Task) Stats() []Stats {
	all := make([]Stats, 0, len(t.nodes))
	for _, n := range t.nodes {
		s := Stats{
			Operator: n.op.Name, Subtask: t.config.Subtask,
			RecordsIn: uint64(n.stats.recordsIn.Load()), RecordsOut: uint64(n.stats.recordsOut.Load()),
			BytesIn: uint64(n.stats.bytesIn.Load()), BytesOut: uint64(n.stats.bytesOut.Load()),
			Rejected: uint64(n.stats.rejected.Load()), Late: uint64(n.stats.late.Load()), StateBytes: uint64(n.stats.state.Load()), BusyNanos: uint64(n.stats.busy.Load()),
			BackPressuredNanos: uint64(t.backPressured.Load()), GuestNanos: uint64(n.stats.guest.Load()),
		}
		all = append(all, s)
	}
	return all
}

// Latency is the histogram of a sink in µs, nil if none was measured. It is complete,
// and safe to read, once Run has returned.
func (t *Task) Latency(operator string) *hdrhistogram.Histogram {
	for _, n := range t.nodes {
		if n.op.Name == operator {
			return n.latency
		}
	}
	return nil
}
