package task

import (
	"time"

	"github.com/wasmill/wasmill/runtime/record"
)

// recordLatency notes how long after their scheduled time the records came here.
// Neighbours mostly share a millisecond, so they are counted by runs.
func (n *node) recordLatency(batch []byte) {
	now := time.Now().UnixNano() - n.task.originNano
	var run, at int64
	for c := record.NewCursor(batch); c.Next(); run++ {
		if c.Timestamp != at {
			n.recordRun(now, at, run)
			run, at = 0, c.Timestamp
		}
	}
	n.recordRun(now, at, run)
}

func (n *node) recordRun(now, timestamp, count int64) {
	if count == 0 || timestamp == record.NoTimestamp {
		return
	}
	late := max(0, now-timestamp*int64(time.Millisecond)) / int64(time.Microsecond)
	if n.latency.RecordValues(late, count) != nil {
		n.latency.RecordValues(n.latency.HighestTrackableValue(), count)
	}
}
