package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/wasmill/wasmill/runtime/watermark"
	"github.com/wasmill/wasmill/snapshots"
)

// shownCheckpoint is what checkpoint show prints.
type shownCheckpoint struct {
	Job       string `json:"job"`
	Namespace string `json:"namespace"`
	checkpointSummary
	Savepoint      string          `json:"savepoint,omitempty"`
	Attempt        string          `json:"attempt"`
	MaxParallelism int             `json:"maxParallelism"`
	Shown          []shownOperator `json:"parts"`
	counted        bool
}

type shownOperator struct {
	Operator     string            `json:"operator"`
	Module       string            `json:"module,omitempty"`
	StateVersion uint32            `json:"stateVersion"`
	Parallelism  int               `json:"parallelism"`
	Tables       []snapshots.Table `json:"tables"`
	Subtasks     []shownSubtask    `json:"subtasks"`
}

type shownSubtask struct {
	Subtask       int               `json:"subtask"`
	Finished      bool              `json:"finished"`
	Groups        snapshots.Range   `json:"groups"`
	Bytes         int64             `json:"bytes"`
	OwnBytes      int64             `json:"ownBytes"`
	Runs          int               `json:"runs"`
	HeapRuns      int               `json:"heapRuns,omitempty"`
	Entries       *int64            `json:"entries,omitempty"`
	InFlightBytes int64             `json:"inFlightBytes"`
	AlignMs       float64           `json:"alignMs"`
	SyncMs        float64           `json:"syncMs"`
	AsyncMs       float64           `json:"asyncMs"`
	Splits        []json.RawMessage `json:"splits"`
	Transactions  [][]byte          `json:"transactions"`
	Watermark     *int64            `json:"watermark,omitempty"` // ms since 1970; int64 min: none yet
	Time          json.RawMessage   `json:"time"`                // as the task wrote it
}

func showCheckpoint(ctx context.Context, s *snapshot, count bool) (*shownCheckpoint, error) {
	m := s.manifest
	shown := &shownCheckpoint{
		Job: s.job.Name, Namespace: s.job.Namespace, checkpointSummary: summarize(&snapshots.Checkpoint{Manifest: *m, Former: s.former}),
		Savepoint: m.Savepoint, Attempt: m.Attempt.String(), MaxParallelism: m.MaxParallelism, counted: count,
	}
	for i := range m.Operators {
		o := &m.Operators[i]
		part := shownOperator{o.Name, o.Module, o.StateVersion, o.Parallelism, orEmpty(o.Tables), nil}
		for j := range o.Subtasks {
			sub, err := showSubtask(m, &o.Subtasks[j])
			if err != nil {
				return nil, fmt.Errorf("read checkpoint %s: splits of %s[%d]: %w", s, o.Name, j, err)
			}
			part.Subtasks = append(part.Subtasks, sub)
		}
		if count {
			if err := s.countEntries(ctx, o, part.Subtasks); err != nil {
				return nil, err
			}
		}
		shown.Shown = append(shown.Shown, part)
	}
	return shown, nil
}

func showSubtask(m *snapshots.Manifest, s *snapshots.Subtask) (shownSubtask, error) {
	ms := func(nanos int64) float64 { return float64(nanos) / 1e6 }
	alone := snapshots.Manifest{Checkpoint: m.Checkpoint, Operators: []snapshots.Operator{{Subtasks: []snapshots.Subtask{*s}}}}
	shown := shownSubtask{
		Subtask: s.Index, Finished: s.Finished, Groups: s.Groups, Runs: len(s.Runs), HeapRuns: len(s.Heap),
		AlignMs: ms(s.AlignNanos), SyncMs: ms(s.SyncNanos), AsyncMs: ms(s.AsyncNanos),
		Splits: []json.RawMessage{}, Transactions: orEmpty(s.Transactions), Watermark: watermarkOf(s.Time), Time: s.Time,
	}
	shown.Bytes, shown.OwnBytes = alone.Size()
	if s.InFlight != nil {
		shown.InFlightBytes = s.InFlight.Stored
	}
	if len(s.Splits) == 0 {
		return shown, nil
	}
	return shown, json.Unmarshal(s.Splits, &shown.Splits)
}

// countEntries adds how many entries the tables of each subtask hold.
func (s *snapshot) countEntries(ctx context.Context, o *snapshots.Operator, subtasks []shownSubtask) error {
	counts := make([]int64, len(subtasks))
	err := s.entries(ctx, o, func(e *entry) error {
		counts[e.subtask]++
		return nil
	})
	for i := range subtasks {
		subtasks[i].Entries = &counts[i]
	}
	return err
}

func (s *shownCheckpoint) writeTable(w io.Writer) error {
	err := writeRows(w, "checkpoint\t"+fmt.Sprintf("%s/%d", s.Job, s.Checkpoint), func(row func(...any)) {
		row("completed", clock(s.Completed))
		row("duration", seconds(s.Seconds))
		row("size", fmt.Sprintf("%s, %s its own", size(s.Bytes), size(s.OwnBytes)))
		row("mode", s.mode())
		row("attempt", s.Attempt)
		row("key groups", s.MaxParallelism)
	})
	if err != nil {
		return err
	}
	head := "\nOPERATOR\tSUBTASK\tGROUPS\tBYTES\tOWN"
	if s.counted {
		head += "\tENTRIES"
	}
	head += "\tALIGNED\tSYNC\tASYNC\tSPLITS\tTRANSACTIONS\tWATERMARK\tNOTE"
	return writeRows(w, head, func(row func(...any)) {
		for _, o := range s.Shown {
			for i := range o.Subtasks {
				row(o.Subtasks[i].cells(o.Operator)...)
			}
		}
	})
}

func (s *shownSubtask) cells(operator string) []any {
	ms := func(v float64) string { return seconds(v / 1000) }
	groups := "-"
	if s.Groups.End > s.Groups.First {
		groups = fmt.Sprintf("%d–%d", s.Groups.First, s.Groups.End-1)
	}
	cells := []any{operator, s.Subtask, groups, size(s.Bytes), size(s.OwnBytes)}
	if s.Entries != nil {
		cells = append(cells, *s.Entries)
	}
	var notes []string
	if s.Finished {
		notes = append(notes, "finished")
	}
	if s.InFlightBytes > 0 {
		notes = append(notes, size(s.InFlightBytes)+" in flight")
	}
	watermark := "-"
	if s.Watermark != nil {
		watermark = instant(*s.Watermark)
	}
	return append(cells, ms(s.AlignMs), ms(s.SyncMs), ms(s.AsyncMs), len(s.Splits), len(s.Transactions),
		watermark, cmp.Or(strings.Join(notes, ", "), "-"))
}

// watermarkOf reads what a task wrote of its time: the watermark that it assigned, else
// the one that came in.
func watermarkOf(raw []byte) *int64 {
	var t struct {
		Watermark *int64 `json:"watermark"`
		Assigned  []byte `json:"assigned"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &t) != nil {
		return nil
	}
	own := watermark.NewGenerator(0, 0)
	if own.Restore(t.Assigned, func(string) bool { return false }) == nil {
		current, _ := own.Current()
		return &current
	}
	return t.Watermark
}

// instant writes ms since 1970 as a time, and both ends of time by what they mean.
func instant(ms int64) string {
	const year = 365 * 24 * int64(time.Hour/time.Millisecond)
	switch {
	case ms == -1<<63:
		return "none"
	case ms == 1<<63-1:
		return "end"
	case ms > 8000*year || ms < -1900*year:
		return fmt.Sprintf("%d ms", ms)
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z")
}
