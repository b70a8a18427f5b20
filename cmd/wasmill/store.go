package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/s3"
)

// jobStore is where jobs keep their logs and checkpoints.
type jobStore struct {
	url   string
	store snapshots.Store
}

// defaultStore is a folder of the user's, where state lasts through a restart of the
// machine.
func defaultStore() string {
	if base := os.Getenv("XDG_STATE_HOME"); base != "" {
		return filepath.Join(base, "wasmill")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "wasmill")
	}
	return filepath.Join(home, ".local", "state", "wasmill")
}

// openStore opens a folder, or a bucket by its URL. A server that does not answer and a
// bucket that is not there are found out here, not at the first checkpoint.
func openStore(ctx context.Context, url string) (*jobStore, error) {
	s, err := connectStore(url)
	if err != nil {
		return nil, err
	}
	return s, s.reach(ctx)
}

func (s *jobStore) reach(ctx context.Context) error {
	if remote, ok := s.store.(*s3.Store); ok {
		return s.failure(remote.Reach(ctx))
	}
	return nil
}

// connectStore is openStore without a question to the server: a worker process starts
// while the store is away for a moment, too.
func connectStore(url string) (s *jobStore, err error) {
	s = &jobStore{url: url}
	switch scheme, _, isURL := strings.Cut(url, "://"); {
	case !isURL || scheme == "file":
		s.store, err = dir.Open(url)
	case scheme == "s3":
		s.store, err = s3.Open(url)
	default:
		err = fmt.Errorf("open store: no scheme %q (write a folder, file:///FOLDER or s3://BUCKET/PREFIX)", scheme)
	}
	if err != nil {
		return nil, invalid(err)
	}
	return s, nil
}

// failure gives an error of the store its exit code.
func (s *jobStore) failure(err error) error {
	place, _, _ := strings.Cut(s.url, "?")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fault.ErrTransient):
		return &unreachableError{fmt.Errorf("store %s: %w (does its server run, and is the endpoint right? tls=false in the URL is for servers without TLS)", place, err)}
	}
	return invalid(fmt.Errorf("store %s: %w", place, err))
}

// manifest reads a checkpoint from the log of a job.
func (s *jobStore) manifest(ctx context.Context, job id.Job, checkpoint uint64) (*snapshots.Manifest, error) {
	log := snapshots.Log{Store: s.store, Job: job}
	state, err := log.Read(ctx)
	if err != nil {
		return nil, err
	}
	if c := state.Find(checkpoint); c != nil {
		return &c.Manifest, nil
	}
	return nil, fmt.Errorf("job %s has no checkpoint %d", job, checkpoint)
}

// history is the log of the job that runs, written under its term.
type history struct {
	log    *snapshots.Log
	term   uint64
	from   *snapshots.Manifest // where the user said to start
	next   uint64              // the number of the next checkpoint
	retain int
}

// begin takes over a job: whoever ran it before has no effect from here on (C1). What
// it starts from is the user's word; a job that has state never starts without (C3).
func (s *jobStore) begin(ctx context.Context, plan *graph.Plan, from string) (*history, error) {
	job := id.Job{Namespace: plan.Namespace, Name: plan.Job}
	h := &history{log: &snapshots.Log{Store: s.store, Job: job, Writer: rand.Text()}, retain: max(1, plan.Checkpoint.Retain.Count)}
	state, err := h.log.Read(ctx)
	if err != nil {
		return nil, err
	}
	if h.from, err = chooseStart(&state, job, from); err != nil {
		return nil, err
	}
	h.term, h.next = state.NextTerm(), state.NextCheckpoint()
	if _, err := h.log.Fence(ctx, h.term, time.Now()); err != nil {
		return nil, err
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	spec := snapshots.Spec{Plan: text, Fresh: h.from == nil, From: from}
	if _, err := h.log.Append(ctx, snapshots.Entry{Time: time.Now(), Spec: &spec}, h.term); err != nil {
		return nil, err
	}
	return h, nil
}

// chooseStart finds the checkpoint that --from names; nil is from nothing.
func chooseStart(state *snapshots.State, job id.Job, from string) (*snapshots.Manifest, error) {
	newest := state.Newest()
	switch {
	case from == "none":
		return nil, nil
	case from == "":
		if newest == nil || state.End != nil && !state.End.Canceled && state.End.Failure == "" {
			return nil, nil // it never had any, or it has finished
		}
		return nil, refusedError{fmt.Errorf("job %s has not finished and has checkpoint %d (say --from latest to go on from it, --from none to start from nothing)", job, newest.Checkpoint)}
	case from == "latest":
		if newest == nil {
			return nil, refusedError{fmt.Errorf("job %s has no checkpoint (say --from none to start from nothing)", job)}
		}
		return &newest.Manifest, nil
	}
	name, number, ok := strings.Cut(strings.TrimPrefix(from, "checkpoint:"), "/")
	n, err := strconv.ParseUint(number, 10, 64)
	if !strings.HasPrefix(from, "checkpoint:") || !ok || err != nil {
		return nil, usagef("--from %q: must be none, latest or checkpoint:JOB/NUMBER", from)
	}
	if name != job.Name {
		return nil, usagef("--from %q: the job is %s", from, job.Name)
	}
	c := state.Find(n)
	if c == nil {
		return nil, refusedError{fmt.Errorf("job %s has no checkpoint %d", job, n)}
	}
	return &c.Manifest, nil
}

// Record implements coordinator.History.
func (h *history) Record(ctx context.Context, m *snapshots.Manifest) error {
	retain := []uint64{m.Checkpoint}
	state, err := h.log.Read(ctx)
	if err != nil {
		return err
	}
	for _, c := range state.Checkpoints {
		if !c.Former && len(retain) < h.retain {
			retain = append(retain, c.Checkpoint)
		}
	}
	state, err = h.log.Append(ctx, snapshots.Entry{Time: m.Created, Checkpoint: m, Retain: &retain}, h.term)
	if err == nil && state.TrimDue() {
		_, err = h.log.Trim(ctx, h.term, time.Now())
	}
	return err
}

// Latest implements coordinator.History.
func (h *history) Latest(ctx context.Context) (*snapshots.Manifest, error) {
	state, err := h.log.Read(ctx)
	if err != nil {
		return nil, err
	}
	if newest := state.Newest(); newest != nil && !newest.Former {
		return &newest.Manifest, nil
	}
	return nil, nil
}

// end notes how the job ended.
func (h *history) end(ctx context.Context, r coordinator.Result) error {
	end := snapshots.End{Canceled: r.State == coordinator.Canceled}
	if r.Err != nil {
		end.Failure = r.Err.Error()
	}
	_, err := h.log.Append(context.WithoutCancel(ctx), snapshots.Entry{Time: time.Now(), End: &end}, h.term)
	return err
}

var _ coordinator.History = (*history)(nil)

// storeOf opens the store of a job. A flag on the command line wins over the job file,
// which wins over what is configured.
func storeOf(ctx context.Context, cmd *cobra.Command, plan *graph.Plan, flag string) (*jobStore, error) {
	said := cmd.Flags().Changed("store")
	if plan.Checkpoint.Store != "" && !said {
		flag = plan.Checkpoint.Store
	}
	s, err := connectStore(flag)
	switch {
	case err != nil && said:
		return nil, usagef("--store: %w", err)
	case err != nil:
		return nil, err
	}
	return s, s.reach(ctx)
}
