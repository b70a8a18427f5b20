// Package coordinator decides what runs where, when checkpoints are taken and what
// becomes of a job when something fails. It is not on the data path and opens no
// connector: it sends messages of package cluster and listens for the answers.
//
// Job and Checkpoints are the core, step machines; Coordinator is their edge, with
// clocks, the transport and the job's history. Start with Job.Step.
package coordinator

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// How long the coordinator waits, when Config does not say.
const (
	DefaultWorkerTimeout = 5 * time.Second
	DefaultStopTimeout   = 5 * time.Second
	DefaultJoinTimeout   = 30 * time.Second
)

// Config is what a coordinator needs. Transport, Plan, Workers and History are required.
type Config struct {
	Transport cluster.Transport
	Plan      *graph.Plan
	Workers   int                                 // how many an attempt needs
	Module    func(sha256 string) ([]byte, error) // the wasm of a module of the plan
	History   History
	Term      uint64              // that it acts under
	From      *snapshots.Manifest // to start from; nil: from nothing
	Next      uint64              // number of the first checkpoint
	Observe   func(Observation)   // told of every change and heartbeat; may be nil
	Requests  <-chan Request      // for checkpoints, beside those of the interval; may be nil
	Logger    *slog.Logger

	WorkerTimeout time.Duration // without a heartbeat a worker is lost
	StopTimeout   time.Duration // for workers to end an attempt
	JoinTimeout   time.Duration // for workers to register
}

// History is the job's log, as far as a coordinator needs it. Its methods may take
// long; they are called away from the coordinator's goroutine.
type History interface {
	// Record puts a checkpoint into the log: from then on it is complete (D3).
	Record(ctx context.Context, m *snapshots.Manifest) error
	// Latest is the newest checkpoint that can be restored; nil if the job begins from
	// nothing. In doubt the attempt before failed of damaged bytes: each is looked at.
	// A transient error is worth another attempt. ErrFenced: somebody else runs the job.
	Latest(ctx context.Context, doubt bool) (*snapshots.Manifest, error)
}

// Request asks for a checkpoint of the running job. Done, which must not block, is told
// how it ended: nil when one that was taken since is complete. A job that comes to its end
// first answers nothing.
type Request struct{ Done func(error) }

// Observation is the job as the coordinator sees it.
type Observation struct {
	State   State
	Seconds float64         // since records could flow, until the last state
	Stats   []cluster.Stats // the latest of every subtask
}

// Result is how a job ended.
type Result struct {
	State   State
	Err     error // why it failed
	Started time.Time
	Seconds float64 // from the first possible record to the last commit
	Stats   []cluster.Stats
}

// Coordinator runs one job.
type Coordinator struct {
	config      Config
	job         *Job
	checkpoints *Checkpoints
	from        *snapshots.Manifest // what the next attempt starts from
	next        uint64              // number of its first checkpoint

	members map[string]*member
	stats   map[id.Subtask]cluster.Stats
	phases  *phases
	asked   []Request            // no checkpoint was triggered since
	asking  map[uint64][]Request // by the checkpoint that was
	// recording counts the manifests on their way into the log. No attempt starts before
	// they are there or refused: it would clean up what they list.
	recording int
	later     chan func() // what background work has to say, on Run's goroutine
	restart   time.Time   // when the next attempt is due; zero if none is
	stopBy    time.Time   // when patience with stopping workers ends
	concluded bool        // the final checkpoint is in the log
	begun     time.Time
	checked   time.Time // when members were last looked at
	started   time.Time
	ended     time.Time
}

// New checks the configuration; Run does the work.
func New(c Config) *Coordinator {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.WorkerTimeout = cmp.Or(c.WorkerTimeout, DefaultWorkerTimeout)
	c.StopTimeout = cmp.Or(c.StopTimeout, DefaultStopTimeout)
	c.JoinTimeout = cmp.Or(c.JoinTimeout, DefaultJoinTimeout)
	return &Coordinator{
		config: c, job: NewJob(c.Plan, c.Term), from: c.From, next: c.Next,
		members: map[string]*member{}, stats: map[id.Subtask]cluster.Stats{}, asking: map[uint64][]Request{}, later: make(chan func(), 16),
	}
}

// Run carries the job to its end and returns how it ended. Canceling ctx cancels the
// job in order; Run returns when the workers have stopped, or after StopTimeout.
func (c *Coordinator) Run(ctx context.Context) (Result, error) {
	inbox, err := c.config.Transport.Listen(cluster.CoordinatorAddress)
	if err != nil {
		return Result{}, err
	}
	c.begun = time.Now()
	c.checked = c.begun
	c.phases = newPhases(ctx, c.job.Attempt())
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	canceled, lost := ctx.Done(), c.config.Transport.Lost()
	for !c.job.State().Final() {
		select {
		case e := <-inbox:
			c.receive(e)
		case f := <-c.later:
			f()
		case r := <-c.config.Requests:
			c.request(r)
		case <-canceled:
			canceled = nil
			c.step(CancelRequested{})
		case <-lost:
			lost = nil
			c.abandon()
		case now := <-tick.C:
			c.tick(now)
		}
		c.mindStopping()
	}
	return c.result(), nil
}

const tickEvery = 100 * time.Millisecond

func (c *Coordinator) tick(now time.Time) {
	c.checkMembers(now)
	if c.checkpoints != nil {
		c.stepCheckpoints(Ticked{Now: now})
	}
	if !c.stopBy.IsZero() && now.After(c.stopBy) {
		c.step(PatienceOver{})
	}
	if !c.restart.IsZero() && now.After(c.restart) {
		c.deploy()
	}
}

// mindStopping begins and ends the patience with workers that stop.
func (c *Coordinator) mindStopping() {
	switch {
	case !c.job.ending():
		c.stopBy = time.Time{}
	case c.stopBy.IsZero():
		c.stopBy = time.Now().Add(c.config.StopTimeout)
	}
}

// abandon ends a job whose workers can't be reached any more.
func (c *Coordinator) abandon() {
	err := c.config.Transport.Err()
	c.step(AttemptFailed{Cause: cluster.CauseOf(err), Final: true})
	for name, m := range c.members {
		if !m.lost {
			c.lose(name, m, err.Error())
		}
	}
}

func (c *Coordinator) step(e Event) {
	unreachable := map[string]error{}
	for _, a := range c.job.Step(time.Now(), e) {
		switch a := a.(type) {
		case Send:
			if err := c.send(a.To, c.complete(a.Message)); err != nil {
				unreachable[a.To] = err
			}
		case Transition:
			c.transition(a)
		case Conclude: // the checkpoints' machine saw the last task end, too
		case Restart:
			c.restart = time.Now().Add(a.After)
		}
	}
	// Told after the actions, so that those stay in order.
	for name, err := range unreachable {
		if m := c.members[name]; m != nil && !m.lost {
			c.lose(name, m, err.Error())
		}
	}
}

// complete adds to a message what only the edge knows.
func (c *Coordinator) complete(m cluster.Message) cluster.Message {
	switch m := m.(type) {
	case cluster.Start:
		m.Started = c.started
		return m
	case cluster.Cancel:
		m.Drop = c.mayDrop()
		return m
	}
	return m
}

// mayDrop reports whether what sinks have staged and nobody was told to commit is in no
// checkpoint that anybody will restore. While a manifest is on its way it may be.
func (c *Coordinator) mayDrop() bool {
	if c.recording > 0 || c.concluded {
		return false
	}
	onlyFinal := c.config.Plan.Checkpoint.Interval == 0 && !c.config.Plan.Restart.Restarts()
	return c.job.outcome == Canceled || onlyFinal
}

func (c *Coordinator) transition(t Transition) {
	ref := c.job.Attempt()
	log := c.config.Logger.With("namespace", ref.Job.Namespace, "job", ref.Job.Name, "attempt", ref.Attempt.String())
	c.phases.transition(t)
	switch t.To {
	case Running:
		if c.started = time.Now(); c.begun.IsZero() {
			c.begun = c.started
		}
		c.beginCheckpoints()
	case Finished:
		c.ended = time.Now()
	}
	switch {
	case t.Cause != nil && t.To == Restarting: // one that ends the job is its error
		log.Warn("attempt failed", "from", t.From, "to", t.To, "cause", t.Cause.Text)
	case t.Cause != nil && t.To == Stopping:
		log.Info("attempt fails", "from", t.From, "cause", t.Cause.Text)
	default:
		log.Info("job state", "from", t.From, "to", t.To)
	}
	c.observe()
}

func (c *Coordinator) send(to string, m cluster.Message) error {
	return c.config.Transport.Send(to, cluster.Envelope{From: cluster.CoordinatorAddress, Term: c.config.Term, Message: m})
}

// reply answers a question; whoever asked asks again when nothing comes.
func (c *Coordinator) reply(to string, m cluster.Message) {
	if err := c.send(to, m); err != nil {
		c.config.Logger.Warn("answer not sent", "to", to, "err", err)
	}
}

func (c *Coordinator) observe() {
	if c.config.Observe != nil {
		c.config.Observe(Observation{State: c.job.State(), Seconds: c.seconds(), Stats: c.latest()})
	}
}

func (c *Coordinator) seconds() float64 {
	switch {
	case c.started.IsZero():
		return 0
	case c.ended.IsZero():
		return time.Since(c.started).Seconds()
	}
	return c.ended.Sub(c.started).Seconds()
}

func (c *Coordinator) latest() []cluster.Stats {
	all := make([]cluster.Stats, 0, len(c.stats))
	for _, op := range c.config.Plan.Operators {
		for i := range op.Parallelism {
			if s, ok := c.stats[id.Subtask{Operator: op.Name, Index: i}]; ok {
				all = append(all, s)
			}
		}
	}
	return all
}

func (c *Coordinator) result() Result {
	r := Result{State: c.job.State(), Started: c.started, Seconds: c.seconds(), Stats: c.latest()}
	if cause := c.job.Cause(); cause != nil && r.State == Failed {
		r.Err = cause.Err()
	}
	return r
}
