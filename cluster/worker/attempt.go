package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/host"
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

	cancel  context.CancelCauseFunc
	over    <-chan struct{} // closed by cancel
	begin   chan time.Time  // by start, to each task
	idle    chan struct{}   // closed when no task here takes records any more
	tasks   sync.WaitGroup
	readied chan struct{} // closed when prepare is over
	stopped chan struct{} // closed when nothing of it runs any more
	commits sync.Mutex    // held by the commit that is going on

	mu     sync.Mutex
	hub    *exchange.Hub    // guarded by mu
	built  []*task.Task     // guarded by mu
	shares []*share         // guarded by mu
	guests []*host.Instance // guarded by mu
	// metrics are what guests say of themselves, by subtask: guarded by mu.
	metrics map[id.Subtask]*guestMetrics
	staged  map[id.Subtask][][]byte                  // transactions that sinks here prepared and nobody committed: guarded by mu
	keepers map[id.Subtask]*keeper                   // guarded by mu
	heaps   map[id.Subtask]*heapKeeper               // guarded by mu
	pools   map[string]*heapPool                     // of operators that keep heaps: guarded by mu
	uploads map[uint64]map[*share]context.CancelFunc // that are going on, by checkpoint: guarded by mu
	before  time.Duration                            // that records flowed before the checkpoint, by the generators' schedule; set by takeUp
	restore *snapshots.Manifest                      // nil: from nothing; set by takeUp
	next    uint64                                   // that no checkpoint of the job has had; set by takeUp
}

func newAttempt(w *Worker, p cluster.Prepare) *attempt {
	a := &attempt{
		ref: p.AttemptRef, plan: p.Plan, from: p.Restore, workers: p.Workers, worker: w,
		readied: make(chan struct{}), stopped: make(chan struct{}), idle: make(chan struct{}),
		metrics: map[id.Subtask]*guestMetrics{}, staged: map[id.Subtask][][]byte{},
		keepers: map[id.Subtask]*keeper{}, heaps: map[id.Subtask]*heapKeeper{}, pools: map[string]*heapPool{}, uploads: map[uint64]map[*share]context.CancelFunc{},
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
	return a
}

// folder is where the job's checkpoints lie.
func (a *attempt) folder() snapshots.Folder {
	return snapshots.Folder{Store: a.worker.config.Store, Path: snapshots.JobFolder(a.ref.Job)}
}

// dir is where the attempt keeps files while it runs.
func (a *attempt) dir() string {
	return filepath.Join(a.worker.config.Dir, a.ref.Job.Namespace, a.ref.Job.Name, a.ref.Attempt.String())
}

// clean removes the folders of state on disk, which the backends have emptied.
func (a *attempt) clean() {
	if a.worker.config.Dir == "" {
		return
	}
	if err := os.RemoveAll(a.dir()); err != nil {
		a.worker.config.Logger.Warn("folder of an attempt stays behind", "err", err)
	}
}

// mine reports whether a subtask runs on this worker.
func (a *attempt) mine(subtask int) bool { return subtask%len(a.workers) == a.me }

// run takes the attempt to where records can flow, and says so. It begins when the one
// before is gone: they share files.
func (a *attempt) run(ctx context.Context, before *attempt) {
	defer close(a.readied)
	if before != nil {
		<-before.stopped
	}
	opener := &opener{attempt: a}
	err := a.takeUp(ctx)
	if err == nil {
		err = opener.load(ctx)
	}
	if err == nil {
		err = a.build(ctx, opener)
	}
	if err != nil {
		a.fail(err)
		return
	}
	a.tell(cluster.Prepared{AttemptRef: a.ref})
}

// tell sends a message, unless the attempt is over.
func (a *attempt) tell(m cluster.Message) { a.worker.tell(a.over, m) }

// runTask is the goroutine of one task.
func (a *attempt) runTask(ctx context.Context, t *task.Task, m *share, opened chan<- error) {
	err := t.Open(ctx)
	opened <- err
	if err == nil {
		select {
		case started := <-a.begin:
			err = a.carry(ctx, t, m, started)
		case <-a.over:
		}
	}
	if cerr := t.Close(); cerr != nil && err == nil {
		a.fail(cerr)
	}
}

func (a *attempt) carry(ctx context.Context, t *task.Task, m *share, started time.Time) error {
	last, err := t.Run(ctx, started)
	a.ended(m)
	// The coordinator hears of the end behind all checkpoints that came before.
	m.uploads.Wait()
	if err != nil {
		a.snapshots(m, last) // what some of its sinks have staged is dropped with the rest
		a.fail(err)
		return err
	}
	ref := cluster.TaskRef{Task: m.task.ID, Subtask: m.subtask}
	a.tell(cluster.TaskFinished{AttemptRef: a.ref, Task: ref, Snapshots: a.snapshots(m, last)})
	// Sinks keep what they prepared, and the exchange what is still on its way, until
	// the coordinator ends the attempt.
	<-a.over
	return nil
}

// ended notes that a task takes no records any more.
func (a *attempt) ended(m *share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m.ended.Store(true)
	if !slices.ContainsFunc(a.shares, func(s *share) bool { return !s.ended.Load() }) {
		close(a.idle)
	}
}

// fail ends the attempt here and tells the coordinator why. Only the first failure
// counts: those behind it follow from it.
func (a *attempt) fail(err error) {
	select {
	case <-a.over:
	default:
		a.tell(cluster.Failed{AttemptRef: a.ref, Cause: cluster.CauseOf(err)})
		a.cancel(err)
	}
}

func (a *attempt) start(started time.Time) {
	for range cap(a.begin) {
		select {
		case a.begin <- started.Add(-a.before):
		default:
		}
	}
}

func (a *attempt) committer(name string) (operator.Committer, error) {
	for i := range a.plan.Operators {
		if op := &a.plan.Operators[i]; op.Name == name {
			return a.worker.config.Connectors.OpenCommitter(op)
		}
	}
	return nil, fmt.Errorf("the plan has no operator %s", name)
}

// stoppable has a guest end its call when the attempt does.
func (a *attempt) stoppable(g *host.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guests = append(a.guests, g)
	select {
	case <-a.over:
		g.Stop() // it came too late for the attempt's own
	default:
	}
}

// stop ends the attempt and returns when nothing of it runs any more. Drop is the
// coordinator's word that nobody will commit what is staged.
func (a *attempt) stop(drop bool) {
	defer close(a.stopped)
	a.cancel(errCanceled)
	a.mu.Lock()
	for _, g := range a.guests {
		g.Stop()
	}
	a.mu.Unlock()
	<-a.readied
	a.tasks.Wait()
	a.clean()
	if drop {
		a.abort()
	}
	a.mu.Lock()
	hub := a.hub
	a.mu.Unlock()
	if hub != nil {
		if err := hub.Close(); err != nil {
			a.worker.config.Logger.Warn("exchange closed with leaks", "worker", a.worker.config.Name, "err", err)
		}
	}
}
