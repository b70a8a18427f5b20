package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// checkpoint finds a retained checkpoint by its name, of this job or of another one in
// the store.
func (s *jobStore) checkpoint(ctx context.Context, h *history, state *snapshots.State, name string) (*origin, error) {
	jobName, number, ok := strings.Cut(strings.TrimPrefix(name, "checkpoint:"), "/")
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return nil, usagef("--from %q: must be checkpoint:JOB/NUMBER", name)
	}
	job := id.Job{Namespace: h.log.Job.Namespace, Name: jobName}
	o := &origin{name: name, folder: snapshots.Folder{Store: s.store, Path: snapshots.JobFolder(job)}}
	if !id.ValidName(jobName) {
		return nil, usagef("--from %q: %q is no name of a job", name, jobName)
	}
	if o.foreign = job != h.log.Job; o.foreign {
		if _, state, err = s.log(ctx, job); err != nil {
			return nil, err
		}
	}
	c := state.Find(n)
	if c == nil {
		return nil, notFoundf("job %s has no checkpoint %d (%s)", jobName, n, retained(state))
	}
	if err := o.folder.Check(ctx, &c.Manifest, snapshots.Quick); err != nil {
		return nil, corrupt(name, err)
	}
	o.manifest = &c.Manifest
	o.goesOn = !o.foreign && c == state.Newest()
	if o.foreign && state.Spec != nil {
		o.plan = new(graph.Plan)
		if err := json.Unmarshal(state.Spec.Plan, o.plan); err != nil {
			return nil, fmt.Errorf("read plan of job %s: %w", jobName, err)
		}
	}
	return o, nil
}

// selfContained finds a snapshot that lies by itself, by its folder or URL.
func (s *jobStore) selfContained(ctx context.Context, place string) (*origin, error) {
	if !strings.Contains(place, "://") {
		path, err := filepath.Abs(place)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", place, err)
		}
		// Opening a folder would make it.
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, notFoundf("--from %s: there is no such folder", place)
		}
		place = path
	}
	from, err := connectStore(place)
	if err != nil {
		return nil, usagef("--from: %w", err)
	}
	if err := from.reach(ctx); err != nil {
		return nil, err
	}
	shown, _, _ := strings.Cut(place, "?")
	o := &origin{name: place, folder: snapshots.Folder{Store: from.store}, foreign: true}
	m, err := o.folder.ReadManifest(ctx)
	if errors.Is(err, snapshots.ErrNotFound) {
		return nil, notFoundf("--from %s: no snapshot lies there: it has no manifest.json (a checkpoint in a job's folder is checkpoint:JOB/NUMBER)", shown)
	}
	if err == nil {
		err = o.folder.Check(ctx, &m, snapshots.Quick)
	}
	if err != nil {
		return nil, corrupt(shown, from.failure(err))
	}
	o.manifest = &m
	return o, nil
}

// settle leaves out what sinks of another job have staged, unless this job writes to
// the same place: that job makes it visible itself (D5).
func (o *origin) settle(m *snapshots.Manifest, plan *graph.Plan) {
	if !o.foreign {
		return
	}
	left := 0
	for i := range m.Operators {
		op := &m.Operators[i]
		if o.plan != nil && samePlace(operatorOf(o.plan, op.Name), operatorOf(plan, op.Name)) {
			continue
		}
		for s := range op.Subtasks {
			left += len(op.Subtasks[s].Transactions)
			op.Subtasks[s].Transactions = nil
		}
	}
	if left > 0 {
		slog.Warn("what sinks had staged stays where it is: the job that staged it commits it", "from", o.name, "transactions", left)
	}
}

func operatorOf(plan *graph.Plan, name string) *graph.Operator {
	for i := range plan.Operators {
		if plan.Operators[i].Name == name {
			return &plan.Operators[i]
		}
	}
	return nil
}

func samePlace(a, b *graph.Operator) bool {
	return a != nil && b != nil && a.Connector == b.Connector && bytes.Equal(a.With, b.With)
}
