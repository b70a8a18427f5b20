package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// jobRun carries one job to its end.
type jobRun struct {
	cmd     *cobra.Command
	options runOptions
	modules *worker.Modules
	plan    *graph.Plan
	store   *jobStore
	observe func(coordinator.Observation)
	// A test gives the worker of this process its own ends, and asks for checkpoints.
	equip    func(*worker.Config)
	requests <-chan coordinator.Request
}

// stint is what came of running a job under one term.
type stint struct {
	result  coordinator.Result
	usage   usage
	history *history
	lost    error // the connection to NATS, with the job on its way
}

// carry runs the job, and goes on under the next term when NATS was away in between:
// nobody can know what was lost with it.
func (r *jobRun) carry(ctx context.Context) (*stint, error) {
	begin := r.options.begin
	for {
		s, err := r.underOneTerm(ctx, begin)
		if err != nil || s.lost == nil || !r.plan.Restart.Restarts() {
			return s, err
		}
		slog.Warn("connection to NATS lost: the job goes on when it is back", "job", r.plan.Job, "err", s.lost)
		if err := awaitNATS(ctx, r.options.nats); err != nil {
			return s, err
		}
		if latest, err := s.history.Latest(ctx, false); err != nil {
			return nil, err
		} else if latest != nil {
			dropped := slices.DeleteFunc(slices.Clone(r.options.begin.dropped), func(op string) bool { return latest.Operator(op) == nil })
			begin = beginning{from: "latest", dropped: dropped}
		}
	}
}

func (r *jobRun) underOneTerm(ctx context.Context, begin beginning) (*stint, error) {
	history, err := r.store.begin(ctx, r.plan, begin)
	if err != nil {
		return nil, err
	}
	tidied := alongside(ctx, history.tidy)
	defer tidied()
	workers, err := startWorkers(r.cmd, r.options, r.modules, r.store, history.term, r.equip)
	if err != nil {
		return nil, err
	}
	result, err := coordinator.New(coordinator.Config{
		Transport: workers.transport, Plan: r.plan, Workers: workers.count, Module: r.modules.Wasm,
		History: history, Term: history.term, From: history.from, Next: history.next, Observe: r.observe,
		Requests: r.requests,
	}).Run(ctx)
	s := &stint{result: result, history: history}
	select {
	case <-workers.transport.Lost():
		if result.State == coordinator.Failed && r.options.nats != "" {
			s.lost = workers.transport.Err()
		}
	default:
	}
	s.usage = workers.stop()
	return s, err
}

// natsPatience is how long a job waits for a server that was there before.
const natsPatience = time.Minute

// awaitNATS returns when the server answers again.
func awaitNATS(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, natsPatience, fault.Transientf("NATS is not back after %s", natsPatience))
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		t, err := cluster.NewNATS(address, "probe", "coordinator")
		if err == nil {
			return t.Close()
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errInterrupted) {
				return &unreachableError{errors.Join(cause, err)}
			}
			return errInterrupted
		}
	}
}
