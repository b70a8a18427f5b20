package worker

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/id"
)

// statsPerHeartbeat keeps a heartbeat, with all the metrics that guests may have, within
// a message.
const statsPerHeartbeat = 8

// heartbeats say how far the attempt is, in as many messages as it takes. Final ones
// have the latencies of sinks.
func (a *attempt) heartbeats(final bool) []cluster.Message {
	all := a.stats(final)
	var messages []cluster.Message
	for len(all) > statsPerHeartbeat {
		messages = append(messages, cluster.Heartbeat{Attempt: &a.ref, Stats: all[:statsPerHeartbeat]})
		all = all[statsPerHeartbeat:]
	}
	return append(messages, cluster.Heartbeat{Attempt: &a.ref, Stats: all})
}

func (a *attempt) stats(final bool) []cluster.Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []cluster.Stats
	for _, t := range a.built {
		for _, s := range t.Stats() {
			c := cluster.Stats{
				Operator: s.Operator, Subtask: s.Subtask, RecordsIn: s.RecordsIn, RecordsOut: s.RecordsOut,
				BytesIn: s.BytesIn, BytesOut: s.BytesOut, Rejected: s.Rejected, Late: s.Late, StateBytes: s.StateBytes, BusyNanos: s.BusyNanos,
				BackPressuredNanos: s.BackPressuredNanos, GuestNanos: s.GuestNanos,
			}
			if h := t.Latency(s.Operator); final && h != nil && h.TotalCount() > 0 {
				latency, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
				if err != nil {
					a.worker.config.Logger.Warn("latency is not reported", "operator", s.Operator, "subtask", s.Subtask, "err", err)
				}
				c.Latency = latency
			}
			if g := a.metrics[id.Subtask{Operator: s.Operator, Index: s.Subtask}]; g != nil {
				c.Metrics = g.snapshot()
			}
			all = append(all, c)
		}
	}
	return all
}

// metricsOf is where a subtask's guest puts its own metrics.
func (a *attempt) metricsOf(operator string, subtask int) *guestMetrics {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := &guestMetrics{}
	a.metrics[id.Subtask{Operator: operator, Index: subtask}] = g
	return g
}

// stuckAfter is how long, beyond its limit on CPU time, a call of a guest may take until
// the worker counts as stuck. It is by the clock, and the machine may be busy.
const stuckAfter = 2 * time.Minute

// stuck says which task does not come back from its guest.
func (a *attempt) stuck(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.built {
		if in, limit := t.InGuest(now); in > stuckAfter+4*limit {
			return fmt.Errorf("task of %s has been in one call of its guest for %s", t.Name(), in.Round(time.Second))
		}
	}
	return nil
}
