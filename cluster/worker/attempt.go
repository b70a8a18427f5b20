package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// attempt is a worker's share of one execution of a job: a hub and a goroutine for
// each task.
type attempt struct {
	ref     cluster.AttemptRef
	plan    *graph.Plan
	from    uint64 // checkpoint to go on from, 0 if none
	me      int    // index in workers
	workers []string
	worker  *Worker

	ctx     context.Context
	cancel  context.CancelCauseFunc
	begin   chan time.Time // by start, to each task
	tasks   sync.WaitGroup
	readied chan struct{} // closed when prepare is over

	mu     sync.Mutex
	hub    *exchange.Hub // guarded by mu
	built  []*task.Task  // guarded by mu
	shares []*share      // guarded by mu
	// metrics are what guests say of themselves, by subtask: guarded by mu.
	metrics map[id.Subtask]*guestMetrics
	staged  map[id.Subtask][][]byte // transactions that sinks here prepared and nobody committed: guarded by mu
	restore *snapshots.Manifest     // nil: from nothing; set by prepare
}

func newAttempt(ctx context.Context, w *Worker, p cluster.Prepare) *attempt {
	a := &attempt{
		ref: p.AttemptRef, plan: p.Plan, from: p.Restore, workers: p.Workers, worker: w, readied: make(chan struct{}),
		metrics: map[id.Subtask]*guestMetrics{}, staged: map[id.Subtask][][]byte{},
	}
	for i, name := range p.Workers {
		if name == w.config.Name {
			a.me = i
		}
	}
	n := 0
	for _, t := range p.Plan.Tasks {
		n += t.Parallelism
	}
	a.begin = make(chan time.Time, n)
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// mine reports whether a subtask runs on this worker.
func (a *attempt) mine(subtask int) bool { return subtask%len(a.workers) == a.me }

// prepare builds everything up to the first record and says so.
func (a *attempt) prepare() {
	defer close(a.readied)
	opener := &opener{attempt: a}
	err := a.takeUp()
	if err == nil {
		err = opener.load(a.ctx)
	}
	if err == nil {
		err = a.build(opener)
	}
	if err != nil {
		a.fail(err)
		return
	}
	a.worker.tell(a.ctx, cluster.Prepared{AttemptRef: a.ref})
}

func (a *attempt) build(opener *opener) error {
	hub := exchange.NewHub(exchange.Config{
		Job: a.ref.Job, Attempt: a.ref.Attempt, Subject: "wasmill." + a.worker.config.Cluster, Conn: a.worker.config.Data,
	})
	a.mu.Lock()
	a.hub = hub
	a.mu.Unlock()
	mine := a.share()
	// Every inbox is there before the first writer looks for it.
	for _, m := range mine {
		if err := m.openInput(a, hub); err != nil {
			return fmt.Errorf("open input of %s: %w", m.head(a.plan), err)
		}
	}
	var opened []chan error
	for _, m := range mine {
		if err := m.openOutputs(a, hub); err != nil {
			return fmt.Errorf("open output of %s: %w", m.head(a.plan), err)
		}
		restored, err := a.restored(m)
		if err != nil {
			return err
		}
		built := task.New(task.Config{
			Plan: a.plan, Task: m.task, Subtask: m.subtask, Inbox: m.inbox, Inputs: m.inputs, Outputs: m.outputs,
			Failed: hub.Failed(), Cause: hub.Err, Opener: opener, Latency: a.latency(),
			Commands: m.commands, Report: func(c task.Checkpoint) { a.report(m, c) }, Restore: restored,
			AtLeastOnce: a.plan.Checkpoint.Mode == graph.AtLeastOnce,
		})
		a.mu.Lock()
		a.built = append(a.built, built)
		a.shares = append(a.shares, m)
		a.mu.Unlock()
		done := make(chan error, 1)
		opened = append(opened, done)
		a.tasks.Go(func() { a.runTask(built, m, done) })
	}
	var errs []error
	for _, done := range opened {
		errs = append(errs, <-done)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return hub.Ready()
}

// latency is how sinks find the time at which a record was due. It is known when all
// records come from generators that keep a schedule.
func (a *attempt) latency() func(time.Time) int64 {
	for i := range a.plan.Operators {
		if op := &a.plan.Operators[i]; op.Role == graph.RoleSource && !connector.Scheduled(op) {
			return nil
		}
		if op := &a.plan.Operators[i]; op.Module != nil && op.Module.Shape == "source" {
			return nil
		}
	}
	return func(started time.Time) int64 {
		return started.UnixNano() - connector.GeneratorBase*int64(time.Millisecond)
	}
}

// runTask is the goroutine of one task.
func (a *attempt) runTask(t *task.Task, m *share, opened chan<- error) {
	err := t.Open()
	opened <- err
	if err == nil {
		select {
		case started := <-a.begin:
			err = a.carry(t, m, started)
		case <-a.ctx.Done():
		}
	}
	if cerr := t.Close(); cerr != nil && err == nil {
		a.fail(cerr)
	}
}

func (a *attempt) carry(t *task.Task, m *share, started time.Time) error {
	last, err := t.Run(a.ctx, started)
	if err != nil {
		a.fail(err)
		return err
	}
	ref := cluster.TaskRef{Task: m.task.ID, Subtask: m.subtask}
	a.worker.tell(a.ctx, cluster.TaskFinished{AttemptRef: a.ref, Task: ref, Snapshots: a.snapshots(m, last)})
	// Sinks keep what they prepared, and the exchange what is still on its way, until
	// the coordinator ends the attempt.
	<-a.ctx.Done()
	return nil
}

// fail ends the attempt here and tells the coordinator why. Only the first failure
// counts: those behind it follow from it.
func (a *attempt) fail(err error) {
	if a.ctx.Err() != nil {
		return
	}
	report := cluster.Failed{AttemptRef: a.ref, Cause: cluster.CauseOf(err)}
	a.worker.tell(a.ctx, report)
	a.cancel(err)
}

func (a *attempt) start(started time.Time) {
	for range cap(a.begin) {
		select {
		case a.begin <- started:
		default:
		}
	}
}

func (a *attempt) committer(name string) (operator.Committer, error) {
	for i := range a.plan.Operators {
		if op := &a.plan.Operators[i]; op.Name == name {
			return connector.OpenCommitter(op)
		}
	}
	return nil, fmt.Errorf("the plan has no operator %s", name)
}

// wait returns when nothing of the attempt runs any more. It is called after cancel.
func (a *attempt) wait() []cluster.Stats {
	<-a.readied
	a.tasks.Wait()
	a.mu.Lock()
	hub := a.hub
	a.mu.Unlock()
	if hub != nil {
		if err := hub.Close(); err != nil {
			a.worker.config.Logger.Warn("exchange closed with leaks", "worker", a.worker.config.Name, "err", err)
		}
	}
	return a.stats(true)
}

func (a *attempt) stats(final bool) []cluster.Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []cluster.Stats
	for _, t := range a.built {
		for _, s := range t.Stats() {
			c := cluster.Stats{
				Operator: s.Operator, Subtask: s.Subtask, RecordsIn: s.RecordsIn, RecordsOut: s.RecordsOut,
				BytesIn: s.BytesIn, BytesOut: s.BytesOut, Rejected: s.Rejected, BusyNanos: s.BusyNanos,
				BackPressuredNanos: s.BackPressuredNanos, GuestNanos: s.GuestNanos,
			}
			if h := t.Latency(s.Operator); final && h != nil && h.TotalCount() > 0 {
				c.Latency, _ = h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
			}
			if g := a.metrics[id.Subtask{Operator: s.Operator, Index: s.Subtask}]; g != nil {
				c.Metrics = g.snapshot()
			}
			all = append(all, c)
		}
	}
	return all
}

func (a *attempt) metricsOf(operator string, subtask int) *guestMetrics {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := &guestMetrics{}
	a.metrics[id.Subtask{Operator: operator, Index: subtask}] = g
	return g
}

// probe finds frames and credits that NATS lost when none came after them.
func (a *attempt) probe() {
	a.mu.Lock()
	hub := a.hub
	a.mu.Unlock()
	if hub == nil {
		return
	}
	if err := hub.Probe(); err != nil {
		// The hub has failed for the same reason; its tasks tell.
		a.worker.config.Logger.Debug("probe exchange", "err", err)
	}
}

// stuckAfter is how long one call of an operator may take before the worker counts as
// stuck: far above any limit on CPU time.
const stuckAfter = 2 * time.Minute

// stuck says which task does not come back from a call.
func (a *attempt) stuck(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.built {
		if d := t.InCall(now); d > stuckAfter {
			return fmt.Errorf("task of %s has been in one call for %s", t.Name(), d.Round(time.Second))
		}
	}
	return nil
}
