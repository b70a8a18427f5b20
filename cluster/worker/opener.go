package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
)

// opener makes what tasks run: guests with host, the rest with connector.
type opener struct {
	attempt *attempt
	modules map[string]*host.Module // by hash; complete after load
}

// load fetches and compiles every module of the plan that runs here.
func (o *opener) load(ctx context.Context) error {
	o.modules = map[string]*host.Module{}
	hashes := map[string]string{}
	for i := range o.attempt.plan.Operators {
		op := &o.attempt.plan.Operators[i]
		if op.Module != nil && o.attempt.me < op.Parallelism {
			hashes[op.Module.SHA256] = op.Name
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1) // compiling takes all cores; chunks are fetched for one at a time
	for hash, name := range hashes {
		group.Go(func() error {
			m, err := o.attempt.worker.config.Modules.get(ctx, hash, o.attempt.worker.fetch)
			if err != nil {
				return fmt.Errorf("load module of %s: %w", name, err)
			}
			o.modules[hash] = m
			return nil
		})
	}
	return group.Wait()
}

func (o *opener) instance(ctx context.Context, op *graph.Operator, subtask int, c operator.Collector) (*host.Instance, error) {
	w := o.attempt.worker
	job := o.attempt.ref.Job
	log := w.config.Logger.With("namespace", job.Namespace, "job", job.Name, "operator", op.Name, "subtask", subtask)
	i, err := o.modules[op.Module.SHA256].Instantiate(ctx, host.InstanceConfig{
		Subtask:     id.Subtask{Operator: op.Name, Index: subtask},
		Parallelism: op.Parallelism, MaxParallelism: o.attempt.plan.MaxParallelism,
		Config: op.Module.Config, Env: op.Module.Env, Limits: op.Limits, Collector: c, Logger: log,
		Metric: o.attempt.metricsOf(op.Name, subtask).record,
		Seed:   seed(job, op.Name, subtask),
	})
	if err == nil {
		o.attempt.stoppable(i)
	}
	return i, err
}

// Function implements task.Opener.
func (o *opener) Function(ctx context.Context, op *graph.Operator, subtask int, c operator.Collector) (operator.Function, error) {
	i, err := o.instance(ctx, op, subtask, c)
	if err != nil {
		return nil, err
	}
	if err := i.Open(false); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// Source implements task.Opener.
func (o *opener) Source(ctx context.Context, op *graph.Operator, subtask int, c operator.Collector, started time.Time, splits []operator.Split) (operator.Source, error) {
	if op.Module != nil {
		i, err := o.instance(ctx, op, subtask, c)
		if err != nil {
			return nil, err
		}
		if err := i.Open(false); err != nil {
			i.Close()
			return nil, err
		}
		return guestSource{i}, nil
	}
	cc := o.context(op, subtask)
	cc.Collector, cc.Started, cc.Restore = c, started, splits
	return connector.OpenSource(ctx, op, cc)
}

// Sink implements task.Opener.
func (o *opener) Sink(ctx context.Context, op *graph.Operator, subtask int, restored bool) (operator.Sink, error) {
	cc := o.context(op, subtask)
	if restored {
		cc.Restore = []operator.Split{}
	}
	return connector.OpenSink(ctx, op, cc)
}

func (o *opener) context(op *graph.Operator, subtask int) connector.Context {
	w := o.attempt.worker
	return connector.Context{
		Job: o.attempt.ref.Job, Subtask: id.Subtask{Operator: op.Name, Index: subtask}, Parallelism: op.Parallelism,
		Logger: w.config.Logger, Stdin: w.config.Stdin, Stdout: w.config.Stdout,
	}
}

// guestSource is a module of shape source. It can only be asked, and keeps its
// position to itself.
type guestSource struct{ *host.Instance }

func (guestSource) Ready() <-chan struct{}     { return nil }
func (guestSource) Position() []operator.Split { return nil }

// seed is what the random numbers of a subtask come from: the same in every run.
func seed(job id.Job, operator string, subtask int) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%s/%s/%d", job, operator, subtask))
}
