package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/runtime/graph"
)

// operatorTotals are an operator's figures over all its subtasks. Busy and
// BackPressured are shares of the run's time, averaged over the subtasks.
type operatorTotals struct {
	RecordsIn     uint64  `json:"recordsIn"`
	RecordsOut    uint64  `json:"recordsOut"`
	BytesIn       uint64  `json:"bytesIn"`
	BytesOut      uint64  `json:"bytesOut"`
	Rejected      uint64  `json:"rejected"`
	Late          uint64  `json:"late,omitempty"`       // dropped: too late for their windows
	StateBytes    uint64  `json:"stateBytes,omitempty"` // of keyed state, at the end
	Busy          float64 `json:"busy"`
	BackPressured float64 `json:"backPressured"`
	GuestSeconds  float64 `json:"guestSeconds"`
}

type runReport struct {
	Job          string                    `json:"job"`
	State        coordinator.State         `json:"state"`
	Seconds      float64                   `json:"seconds"`
	CPUSeconds   float64                   `json:"cpuSeconds"`
	PeakRSSBytes int64                     `json:"peakRSSBytes"`
	Operators    map[string]operatorTotals `json:"operators"`
	LatencyMs    *latencyReport            `json:"latencyMs,omitempty"`
}

type latencyReport struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// totals sums the subtasks of every operator of the plan.
func totals(plan *graph.Plan, stats []cluster.Stats, seconds float64) map[string]operatorTotals {
	all := make(map[string]operatorTotals, len(plan.Operators))
	for _, op := range plan.Operators {
		t := operatorTotals{}
		share := 1e-9 / max(seconds, 1e-9) / float64(op.Parallelism)
		for _, s := range stats {
			if s.Operator != op.Name {
				continue
			}
			t.RecordsIn += s.RecordsIn
			t.RecordsOut += s.RecordsOut
			t.BytesIn += s.BytesIn
			t.BytesOut += s.BytesOut
			t.Rejected += s.Rejected
			t.Late += s.Late
			t.StateBytes += s.StateBytes
			t.Busy += float64(s.BusyNanos) * share
			t.BackPressured += float64(s.BackPressuredNanos) * share
			t.GuestSeconds += float64(s.GuestNanos) / 1e9
		}
		all[op.Name] = t
	}
	return all
}

// latencies merges what the sinks measured; nil if they did not.
func latencies(stats []cluster.Stats) (*latencyReport, error) {
	var all *hdrhistogram.Histogram
	for _, s := range stats {
		if s.Latency == nil {
			continue
		}
		h, err := hdrhistogram.Decode(s.Latency)
		if err != nil {
			return nil, fmt.Errorf("read latencies of %s[%d]: %w", s.Operator, s.Subtask, err)
		}
		if all == nil {
			all = h
		} else {
			all.Merge(h)
		}
	}
	if all == nil {
		return nil, nil
	}
	ms := func(percentile float64) float64 { return float64(all.ValueAtQuantile(percentile)) / 1000 }
	return &latencyReport{P50: ms(50), P99: ms(99), P999: ms(99.9), Max: float64(all.Max()) / 1000}, nil
}

// report prints how a job ended.
func report(plan *graph.Plan, r coordinator.Result, u usage, format string) error {
	latency, err := latencies(r.Stats)
	if err != nil {
		return err
	}
	rep := runReport{
		Job: plan.Job, State: r.State, Seconds: r.Seconds, CPUSeconds: u.cpuSeconds, PeakRSSBytes: u.peakRSSBytes,
		Operators: totals(plan, r.Stats, r.Seconds), LatencyMs: latency,
	}
	if format == "json" {
		return json.NewEncoder(os.Stdout).Encode(rep)
	}
	out := io.Writer(os.Stdout)
	for _, op := range plan.Operators {
		if op.Role == graph.RoleSink && op.Connector == "stdout" {
			out = os.Stderr // the job's own rows have stdout
		}
	}
	return printTable(out, plan, &rep)
}

func printTable(out io.Writer, plan *graph.Plan, r *runReport) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "operator\tsubtasks\trecords in\trecords out\tbytes in\tbytes out\trejected\tbusy\tback-pressured\t")
	for _, op := range plan.Operators {
		t := r.Operators[op.Name]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%.0f%%\t%.0f%%\t\n", op.Name, op.Parallelism,
			humanize.Comma(int64(t.RecordsIn)), humanize.Comma(int64(t.RecordsOut)), humanize.IBytes(t.BytesIn), humanize.IBytes(t.BytesOut),
			t.Rejected, 100*t.Busy, 100*t.BackPressured)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	fmt.Fprintf(out, "%s: %s in %s, %.2fs of CPU, %s of memory\n", r.Job, r.State,
		time.Duration(r.Seconds*float64(time.Second)).Round(time.Millisecond), r.CPUSeconds, humanize.IBytes(uint64(r.PeakRSSBytes)))
	for _, op := range plan.Operators {
		if late := r.Operators[op.Name].Late; late > 0 {
			fmt.Fprintf(out, "%s: %s records came too late and were dropped\n", op.Name, humanize.Comma(int64(late)))
		}
	}
	if l := r.LatencyMs; l != nil {
		fmt.Fprintf(out, "latency from schedule to sink: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms\n", l.P50, l.P99, l.P999, l.Max)
	}
	return nil
}
