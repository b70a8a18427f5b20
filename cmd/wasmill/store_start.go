package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// beginning is the user's word on where a run starts.
type beginning struct {
	from    string   // none, latest, checkpoint:JOB/NUMBER or a snapshot's place; empty: nothing was said
	dropped []string // operators whose state may be lost
}

// begin takes over a job: whoever ran it before has no effect from here on (C1). What
// it starts from is the user's word; a job that has state never starts without (C3).
func (s *jobStore) begin(ctx context.Context, plan *graph.Plan, b beginning) (*history, error) {
	h, err := s.takeOver(ctx, plan, b)
	if err != nil {
		return nil, s.failure(err)
	}
	return h, nil
}

func (s *jobStore) takeOver(ctx context.Context, plan *graph.Plan, b beginning) (*history, error) {
	job := id.Job{Namespace: plan.Namespace, Name: plan.Job}
	h := &history{
		log:  &snapshots.Log{Store: s.store, Job: job, Writer: rand.Text()},
		pace: plan.Checkpoint, tidied: make(chan id.Attempt, 1), damaged: map[uint64]error{},
	}
	state, err := h.log.Read(ctx)
	if err != nil {
		return nil, err
	}
	// What is refused is refused before anything is written.
	if _, err := s.choose(ctx, h, &state, plan, b); err != nil {
		return nil, err
	}
	h.term = state.NextTerm()
	if state, err = h.log.Fence(ctx, h.term, time.Now()); err != nil {
		return nil, err
	}
	// Whoever ran the job may have completed a checkpoint up to the fence: it counts.
	o, err := s.choose(ctx, h, &state, plan, b)
	if err != nil {
		return nil, err
	}
	h.next = state.NextCheckpoint()
	return h, h.enter(ctx, &state, plan, o)
}

// enter writes what the run is and what it starts from into the log. A checkpoint that
// does not continue this life of the job is made one of the job's own: whoever reads on
// reads one log.
func (h *history) enter(ctx context.Context, state *snapshots.State, plan *graph.Plan, o *origin) error {
	adopt := o.manifest != nil && !o.goesOn
	if h.from = o.manifest; adopt {
		n := max(h.next, o.manifest.Checkpoint+1) // numbers only grow, also where results lie
		m, err := o.folder.Adopt(ctx, h.folder(), o.manifest, n, id.Attempt{Term: h.term})
		if errors.Is(err, snapshots.ErrNotFound) {
			err = refusedError{fmt.Errorf("%w (was it deleted just now? wasmill checkpoint list says what is there)", err)}
		}
		if err != nil {
			return err
		}
		o.settle(m, plan)
		h.from, h.next = m, n+1
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	spec := snapshots.Spec{Plan: text, Fresh: !o.goesOn, From: o.name}
	if *state, err = h.log.Append(ctx, snapshots.Entry{Time: time.Now(), Spec: &spec}, h.term); err != nil || !adopt {
		return err
	}
	retain := snapshots.Retain(state, h.from.Checkpoint, h.retained())
	_, err = h.log.Append(ctx, snapshots.Entry{Time: time.Now(), Checkpoint: h.from, Retain: &retain}, h.term)
	return err
}

// origin is what a run starts from.
type origin struct {
	name     string              // as --from says it
	manifest *snapshots.Manifest // nil: nothing
	folder   snapshots.Folder    // where its packs lie
	goesOn   bool                // it is where this life of the job has come to
	foreign  bool                // it is another job's
	plan     *graph.Plan         // of that job; nil if it is not known
}

// choose finds what the user named, and refuses what can't be restored into the plan.
func (s *jobStore) choose(ctx context.Context, h *history, state *snapshots.State, plan *graph.Plan, b beginning) (*origin, error) {
	o, err := s.find(ctx, h, state, b.from)
	if none := (*snapshots.NoStateError)(nil); errors.As(err, &none) {
		return nil, refusedError{fmt.Errorf("job %s: %w", h.log.Job, err)}
	}
	if err != nil {
		return nil, err
	}
	if o.manifest == nil {
		if len(b.dropped) > 0 {
			return nil, usagef("--allow-dropped-state: the job starts from nothing")
		}
		return o, nil
	}
	if err := o.manifest.Fits(shapesOf(plan), plan.MaxParallelism, b.dropped); err != nil {
		return nil, refusedError{fmt.Errorf("job %s can't start from %s: %w", h.log.Job, o.name, err)}
	}
	return o, nil
}

func shapesOf(plan *graph.Plan) []snapshots.Shape {
	shapes := make([]snapshots.Shape, len(plan.Operators))
	for i := range plan.Operators {
		op := &plan.Operators[i]
		shapes[i] = snapshots.Shape{Name: op.Name, Parallelism: op.Parallelism, Heap: op.State != nil && op.State.Heap}
		if op.Module != nil {
			shapes[i].Module = op.Module.SHA256
		}
	}
	for _, t := range plan.Tasks {
		edges := task.Edges(plan, t)
		for _, i := range t.Operators {
			shapes[i].Edges = edges
		}
	}
	return shapes
}

func (s *jobStore) find(ctx context.Context, h *history, state *snapshots.State, from string) (*origin, error) {
	switch {
	case from == "none":
		return &origin{name: from}, nil
	case from == "":
		return &origin{}, refuseSilence(h.log.Job, state)
	case from == "latest":
		return s.latest(ctx, h, state)
	case strings.HasPrefix(from, "checkpoint:"):
		return s.checkpoint(ctx, h, state, from)
	case strings.Contains(from, "/"):
		return s.selfContained(ctx, from)
	}
	return nil, usagef("--from %q: must be none, latest, checkpoint:JOB/NUMBER, or the folder or URL of a snapshot", from)
}

// refuseSilence is nil if a job may start from nothing without being told to.
func refuseSilence(job id.Job, state *snapshots.State) error {
	newest, pending := state.Newest(), pendingOrigin(state)
	switch end := state.End; {
	case end != nil && !end.Canceled && end.Failure == "":
		return nil // it has finished
	case newest != nil:
		return refusedError{fmt.Errorf("job %s has not finished and has checkpoint %d (say --from latest to go on from it, --from none to start from nothing)", job, newest.Checkpoint)}
	case pending != "":
		return refusedError{fmt.Errorf("job %s was to start from %s and has not come to a checkpoint since (say --from latest to try again, --from none to start from nothing)", job, pending)}
	case len(state.Unreadable) > 0 || state.Began && end == nil:
		_, err := snapshots.Choose(state, nil)
		return err
	}
	return nil // it never had any state, or it was to be deleted
}

// pendingOrigin is what this life of the job was to start from, if it has no checkpoint
// yet; empty: nothing.
func pendingOrigin(state *snapshots.State) string {
	if state.Spec == nil || !state.Spec.Fresh || state.Began || state.Spec.From == "none" {
		return ""
	}
	return state.Spec.From
}

// latest is the newest sound checkpoint of this life of the job, or what it was to
// start from.
func (s *jobStore) latest(ctx context.Context, h *history, state *snapshots.State) (*origin, error) {
	depth := snapshots.Quick
	if state.End != nil && state.End.Failure != "" {
		depth = snapshots.Full // it may have failed of this
	}
	choice, err := h.pick(ctx, state, depth)
	if err != nil {
		return nil, err
	}
	if choice.Checkpoint != nil {
		return &origin{name: "latest", manifest: &choice.Checkpoint.Manifest, folder: h.folder(), goesOn: true}, nil
	}
	if pending := pendingOrigin(state); pending != "" {
		return s.find(ctx, h, state, pending)
	}
	return nil, refusedError{fmt.Errorf("job %s has no checkpoint (say --from none to start from nothing)", h.log.Job.Name)}
}

// corrupt refuses a checkpoint that was named: another one is not what was asked for.
func corrupt(name string, err error) error {
	if errors.Is(err, fault.ErrCorrupt) {
		return refusedError{fmt.Errorf("%s is damaged: %w (--from latest falls back to one that is not)", name, err)}
	}
	return err
}
