package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/s3"
)

// history is what a job's log told of its checkpoints while it ran.
type history struct {
	log    snapshots.Log
	folder snapshots.Folder
	all    []snapshots.Checkpoint // oldest first
}

func openHistory(store, job string) (*history, error) {
	var s snapshots.Store
	var err error
	if strings.HasPrefix(store, "s3://") {
		s, err = s3.Open(store)
	} else {
		s, err = dir.Open(store)
	}
	if err != nil {
		return nil, err
	}
	name := id.Job{Namespace: id.DefaultNamespace, Name: job}
	return &history{
		log:    snapshots.Log{Store: s, Job: name},
		folder: snapshots.Folder{Store: s, Path: snapshots.JobFolder(name)},
	}, nil
}

// read notes the checkpoints that completed since.
func (h *history) read(ctx context.Context) (snapshots.State, error) {
	state, err := h.log.Read(ctx)
	if err != nil {
		return state, err
	}
	var last uint64
	if n := len(h.all); n > 0 {
		last = h.all[n-1].Manifest.Checkpoint
	}
	for _, c := range slices.Backward(state.Checkpoints) {
		if c.Manifest.Checkpoint > last {
			h.all = append(h.all, c)
		}
	}
	return state, nil
}

// newest is the number of the last complete checkpoint, 0 if there is none.
func (h *history) newest(ctx context.Context) (uint64, error) {
	if _, err := h.read(ctx); err != nil || len(h.all) == 0 {
		return 0, err
	}
	return h.all[len(h.all)-1].Manifest.Checkpoint, nil
}

// since are the checkpoints that began after a time.
func (h *history) since(t time.Time) (all []snapshots.Checkpoint) {
	for _, c := range h.all {
		if c.Created.After(t) {
			all = append(all, c)
		}
	}
	return all
}

// completed waits until so many checkpoints that began after a time are complete.
func (h *history) completed(ctx context.Context, j *live, after time.Time, n int) (all []snapshots.Checkpoint, err error) {
	err = j.wait(ctx, fmt.Sprintf("complete %d checkpoints", n), func() (bool, error) {
		if _, err := h.read(ctx); err != nil {
			return false, err
		}
		all = h.since(after)
		return len(all) >= n, nil
	})
	return all, err
}

// pauses are how long an operator stood still at each checkpoint, in ms.
func pauses(all []snapshots.Checkpoint, operator string) (ms []float64) {
	for _, c := range all {
		if op := c.Operator(operator); op != nil {
			for _, s := range op.Subtasks {
				ms = append(ms, float64(s.SyncNanos)/1e6)
			}
		}
	}
	return ms
}

// quantile is the nearest rank of the values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// cloneStore makes a second store with the same objects. They never change: a link is as
// good as a copy.
func cloneStore(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rest), 0o755)
		}
		return os.Link(path, filepath.Join(to, rest))
	})
}
