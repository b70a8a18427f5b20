package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// history is the log of the job that runs, written under its term.
type history struct {
	log    *snapshots.Log
	pace   graph.Checkpointing
	term   uint64
	from   *snapshots.Manifest // what the run starts from; in the log, too
	next   uint64              // the number of the next checkpoint
	tidied chan id.Attempt     // a checkpoint of that attempt completed: there may be garbage

	mu      sync.Mutex
	damaged map[uint64]error // checkpoints that turned out to be; guarded by mu
	alarmed string           // the last alarm; guarded by mu
}

func (h *history) folder() snapshots.Folder {
	return snapshots.Folder{Store: h.log.Store, Path: snapshots.JobFolder(h.log.Job)}
}

// retained is how many checkpoints are kept: those that may be in flight together build
// on one of the newest.
func (h *history) retained() int { return max(h.pace.Retain.Count, h.pace.MaxConcurrent+1) }

// Record implements coordinator.History.
func (h *history) Record(ctx context.Context, m *snapshots.Manifest) error {
	state, err := h.log.Read(ctx)
	if err != nil {
		return err
	}
	retain := snapshots.Retain(&state, m.Checkpoint, h.retained())
	if _, err := h.log.Append(ctx, snapshots.Entry{Time: m.Created, Checkpoint: m, Retain: &retain}, h.term); err != nil {
		return err
	}
	select {
	case h.tidied <- m.Attempt:
	default: // it is about to be done
	}
	return nil
}

// Latest implements coordinator.History. In doubt every byte is read. Who lost the log
// gets nothing: another attempt would tear at what the new owner stages (C1).
func (h *history) Latest(ctx context.Context, doubt bool) (*snapshots.Manifest, error) {
	state, err := h.log.Confirm(ctx, h.term)
	if err != nil {
		return nil, err
	}
	depth := snapshots.Quick
	if doubt {
		depth = snapshots.Full
	}
	choice, err := h.pick(ctx, &state, depth)
	if err != nil || choice.Checkpoint == nil {
		return nil, err
	}
	return &choice.Checkpoint.Manifest, nil
}

// pick chooses the newest sound checkpoint, remembers which ones are not, and raises
// the alarm.
func (h *history) pick(ctx context.Context, state *snapshots.State, depth snapshots.Depth) (snapshots.Choice, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	choice, err := snapshots.Pick(ctx, state, h.folder(), depth, h.damaged)
	skipped := choice.Skipped
	if none := (*snapshots.NoStateError)(nil); errors.As(err, &none) {
		skipped = none.Skipped
	}
	var reasons []string
	for _, s := range skipped {
		if s.Checkpoint == 0 {
			reasons = append(reasons, fmt.Sprintf("log entry %d: %v", s.Entry, s.Err))
			continue
		}
		h.damaged[s.Checkpoint] = s.Err
		reasons = append(reasons, fmt.Sprintf("checkpoint %d: %v", s.Checkpoint, s.Err))
	}
	text := strings.Join(reasons, "; ")
	if err == nil && text != "" && text != h.alarmed {
		h.alarmed = text
		instead := "nothing"
		if choice.Checkpoint != nil {
			instead = fmt.Sprint("checkpoint ", choice.Checkpoint.Manifest.Checkpoint)
		}
		slog.Error("state is damaged: the job goes back further than it had come, and may write results again",
			"namespace", h.log.Job.Namespace, "job", h.log.Job.Name, "to", instead, "skipped", text)
	}
	return choice, err
}

// tidy deletes what no retained checkpoint names and trims the log, each time that a
// checkpoint has completed, until ctx ends. What fails is done the next time.
func (h *history) tidy(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case attempt := <-h.tidied:
			if err := h.tidyOnce(ctx, attempt); err != nil && ctx.Err() == nil {
				slog.Warn("old checkpoints are not deleted yet", "job", h.log.Job.Name, "err", err)
			}
		}
	}
}

func (h *history) tidyOnce(ctx context.Context, current id.Attempt) error {
	_, collected := snapshots.Collect(ctx, h.log, current, false)
	state, err := h.log.Read(ctx)
	if err == nil && state.TrimDue() {
		_, err = h.log.Trim(ctx, h.term, time.Now())
	}
	return errors.Join(collected, err)
}

// endTime is how long the end of a job waits for the store.
const endTime = 30 * time.Second

// end notes how the job ended and deletes the checkpoints that nobody wants then.
// Nothing of the job runs any more.
func (h *history) end(ctx context.Context, r coordinator.Result) error {
	ctx = context.WithoutCancel(ctx)
	end := snapshots.End{Canceled: r.State == coordinator.Canceled}
	if r.Err != nil {
		end.Failure = r.Err.Error()
	}
	entry := snapshots.Entry{Time: time.Now(), End: &end}
	keep := h.pace.Retain
	if r.State == coordinator.Canceled && keep.OnCancel == graph.Delete || r.State == coordinator.Failed && keep.OnFailure == graph.Delete {
		entry.Retain = &[]uint64{}
	}
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	if _, err := h.log.Append(ctx, entry, h.term); err != nil {
		return err
	}
	err := h.tidyOnce(ctx, id.Attempt{Term: h.term, Number: math.MaxUint32})
	if err != nil && !errors.Is(err, fault.ErrFenced) {
		slog.Warn("old checkpoints are not deleted: store gc does it", "job", h.log.Job.Name, "err", err)
	}
	return nil
}

var _ coordinator.History = (*history)(nil)
