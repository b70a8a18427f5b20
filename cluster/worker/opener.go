package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/runtime/window"
	"github.com/wasmill/wasmill/sdk/abi"
)

// Connectors open what a plan's sources and sinks are.
type Connectors interface {
	OpenSource(ctx context.Context, op *graph.Operator, c connector.Context) (operator.Source, error)
	OpenSink(ctx context.Context, op *graph.Operator, c connector.Context) (operator.Sink, error)
	// OpenCommitter is nil for operators that stage nothing.
	OpenCommitter(op *graph.Operator) (operator.Committer, error)
}

// engine opens the connectors that package connector has.
type engine struct{}

func (engine) OpenSource(ctx context.Context, op *graph.Operator, c connector.Context) (operator.Source, error) {
	return connector.OpenSource(ctx, op, c)
}

func (engine) OpenSink(ctx context.Context, op *graph.Operator, c connector.Context) (operator.Sink, error) {
	return connector.OpenSink(ctx, op, c)
}

func (engine) OpenCommitter(op *graph.Operator) (operator.Committer, error) {
	return connector.OpenCommitter(op)
}

// opener makes what tasks run: guests with host, the rest with Connectors.
type opener struct {
	attempt *attempt
	modules map[string]*host.Module // by hash; complete after load
	heapLog sync.Once               // how heaps are kept here
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

// instance makes a guest with what it keeps, and opens it, unless it goes on from an
// image.
func (o *opener) instance(ctx context.Context, t task.Opening, c operator.Collector) (_ *host.Instance, k kept, err error) {
	a, op := o.attempt, t.Operator
	if k, err = o.keep(ctx, op, t.Subtask); err != nil {
		return nil, k, err
	}
	job := a.ref.Job
	log := a.worker.config.Logger.With("namespace", job.Namespace, "job", job.Name, "operator", op.Name, "subtask", t.Subtask)
	config := host.InstanceConfig{
		Subtask:     id.Subtask{Operator: op.Name, Index: t.Subtask},
		Parallelism: op.Parallelism, MaxParallelism: a.plan.MaxParallelism,
		Config: op.Module.Config, Env: op.Module.Env, Limits: op.Limits, Collector: c, Logger: log,
		Metric: a.metricsOf(op.Name, t.Subtask).record,
		Seed:   seed(job, op.Name, t.Subtask),
		Now:    func() int64 { return a.worker.config.Clock.Now().UnixMilli() },
		State:  k.Tables, Timers: k.Timers, Watermark: t.Watermark,
	}
	heap := op.State != nil && op.State.Heap
	var i *host.Instance
	if heap {
		i, err = o.restoreHeap(ctx, op, t.Subtask, config)
	}
	goesOn := i != nil
	if err == nil && !goesOn {
		i, err = o.modules[op.Module.SHA256].Instantiate(ctx, config)
	}
	if err != nil {
		k.close()
		return nil, k, err
	}
	a.stoppable(i)
	if !goesOn {
		err = i.Open(t.Restored != nil)
	}
	if err == nil && heap {
		err = o.keepHeap(&k, i, op, t.Subtask, goesOn)
	}
	if err != nil {
		i.Close()
		k.close()
		return nil, k, err
	}
	return i, k, nil
}

// Function implements task.Opener.
func (o *opener) Function(ctx context.Context, t task.Opening) (operator.Function, task.State, error) {
	if t.Operator.Window != nil {
		return o.windowed(ctx, t)
	}
	i, k, err := o.instance(ctx, t, t.Collector)
	if err != nil {
		return nil, task.State{}, err
	}
	return i, k.State, nil
}

// windowed puts windows before a guest.
func (o *opener) windowed(ctx context.Context, t task.Opening) (operator.Function, task.State, error) {
	op := t.Operator
	out := window.NewOutput(t.Collector)
	i, k, err := o.instance(ctx, t, out)
	if err != nil {
		return nil, task.State{}, err
	}
	config := window.Config{
		Window: *op.Window, Inputs: len(op.Inputs), Output: out, Backend: k.Keyed, Table: k.engine,
		First: k.first, End: k.end, MaxParallelism: o.attempt.plan.MaxParallelism, Watermark: t.Watermark(),
	}
	if op.Module.Shape == string(abi.ShapeAggregate) {
		config.Aggregator = i
	} else {
		config.Applier = i
	}
	w, err := window.New(config)
	if err != nil {
		i.Close()
		k.close()
		return nil, task.State{}, err
	}
	return windowedGuest{w, i}, k.State, nil
}

// windowedGuest is a window operator whose guest's time on the processor is known.
type windowedGuest struct {
	*window.Operator
	guest *host.Instance
}

func (g windowedGuest) GuestTime() time.Duration { return g.guest.GuestTime() }

// Source implements task.Opener.
func (o *opener) Source(ctx context.Context, t task.Opening) (operator.Source, task.State, error) {
	if t.Operator.Module != nil {
		i, k, err := o.instance(ctx, t, t.Collector)
		if err != nil {
			return nil, task.State{}, err
		}
		return guestSource{i}, k.State, nil
	}
	cc := o.context(t.Operator, t.Subtask)
	cc.Collector, cc.Started = t.Collector, t.Started
	if t.Restored != nil {
		cc.Restore = t.Restored.Splits
	}
	s, err := o.attempt.worker.config.Connectors.OpenSource(ctx, t.Operator, cc)
	return s, task.State{}, err
}

// Sink implements task.Opener.
func (o *opener) Sink(ctx context.Context, t task.Opening) (operator.Sink, error) {
	cc := o.context(t.Operator, t.Subtask)
	if t.Restored != nil {
		cc.Restore = []operator.Split{}
	}
	return o.attempt.worker.config.Connectors.OpenSink(ctx, t.Operator, cc)
}

func (o *opener) context(op *graph.Operator, subtask int) connector.Context {
	w := o.attempt.worker
	return connector.Context{
		Job: o.attempt.ref.Job, Attempt: o.attempt.ref.Attempt, Subtask: id.Subtask{Operator: op.Name, Index: subtask}, Parallelism: op.Parallelism,
		Logger: w.config.Logger, Stdin: w.config.Stdin, Stdout: w.config.Stdout,
	}
}

// guestSource is a module of shape source. It can only be asked, and keeps its position
// in its tables.
type guestSource struct{ *host.Instance }

func (guestSource) Ready() <-chan struct{}     { return nil }
func (guestSource) Position() []operator.Split { return nil }

// seed is what the random numbers of a subtask come from: the same in every run.
func seed(job id.Job, operator string, subtask int) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%s/%s/%d", job, operator, subtask))
}
