// Package coordinator decides what runs where. It is not on the data path and opens
// no connector: it sends messages of package cluster and listens for the answers.
//
// Job is the core, a step machine; Coordinator is its edge, with clocks and the
// transport. Start with Job.Step.
package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
)

// How long the coordinator waits, when Config does not say.
const (
	DefaultWorkerTimeout = 5 * time.Second
	DefaultStopTimeout   = 5 * time.Second
	DefaultJoinTimeout   = 30 * time.Second
)

// Config is what a coordinator needs. Transport, Plan and Workers are required.
type Config struct {
	Transport cluster.Transport
	Plan      *graph.Plan
	Workers   []string                            // names that will register
	Module    func(sha256 string) ([]byte, error) // the wasm of a module of the plan
	Observe   func(Observation)                   // told of every change and heartbeat; may be nil
	Logger    *slog.Logger

	WorkerTimeout time.Duration // without a heartbeat a worker is lost
	StopTimeout   time.Duration // for workers to end an attempt
	JoinTimeout   time.Duration // for workers to register
}

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
	PIDs    []int // of the workers' engines
}

// Coordinator runs one job.
type Coordinator struct {
	config  Config
	job     *Job
	ref     cluster.AttemptRef
	members map[string]*member
	stats   map[id.Subtask]cluster.Stats
	phases  *phases
	started time.Time
	ended   time.Time
}

type member struct {
	pid        int
	registered bool
	lost       bool
	heard      time.Time
}

// term is the term of a coordinator that was not elected: the only one there is.
const term = 1

// New checks the configuration; Run does the work.
func New(c Config) *Coordinator {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.WorkerTimeout = cmp.Or(c.WorkerTimeout, DefaultWorkerTimeout)
	c.StopTimeout = cmp.Or(c.StopTimeout, DefaultStopTimeout)
	c.JoinTimeout = cmp.Or(c.JoinTimeout, DefaultJoinTimeout)
	attempt := id.Attempt{Term: term, Number: 1}
	co := &Coordinator{
		config: c, job: NewJob(c.Plan, attempt), members: map[string]*member{}, stats: map[id.Subtask]cluster.Stats{},
		ref: cluster.AttemptRef{Job: id.Job{Namespace: c.Plan.Namespace, Name: c.Plan.Job}, Attempt: attempt},
	}
	for _, w := range c.Workers {
		co.members[w] = &member{}
	}
	return co
}

// Run carries the job to its end and returns how it ended. Canceling ctx cancels the
// job in order; Run returns when the workers have stopped, or after StopTimeout.
func (c *Coordinator) Run(ctx context.Context) (Result, error) {
	inbox, err := c.config.Transport.Listen(cluster.CoordinatorAddress)
	if err != nil {
		return Result{}, err
	}
	c.phases = newPhases(ctx, c.ref)
	begun := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var stopBy time.Time
	canceled := ctx.Done()
	for !c.job.State().Final() {
		select {
		case e := <-inbox:
			c.receive(e)
		case <-canceled:
			canceled = nil
			c.step(CancelRequested{})
		case <-c.config.Transport.Lost():
			c.abandon()
		case now := <-tick.C:
			c.checkMembers(now, begun)
			if !stopBy.IsZero() && now.After(stopBy) {
				c.step(PatienceOver{})
			}
		}
		if stopBy.IsZero() && c.job.ending() {
			stopBy = time.Now().Add(c.config.StopTimeout)
		}
	}
	return c.result(), nil
}

// abandon ends a job whose workers can't be reached any more.
func (c *Coordinator) abandon() {
	err := c.config.Transport.Err()
	for _, w := range c.config.Workers {
		if m := c.members[w]; !m.lost {
			c.lose(w, m, err.Error())
		}
	}
}

func (c *Coordinator) receive(e cluster.Envelope) {
	m, known := c.members[e.From]
	if !known || m.lost {
		return
	}
	m.heard = time.Now()
	switch msg := e.Message.(type) {
	case cluster.Register:
		c.register(e.From, m, msg)
	case cluster.Heartbeat:
		c.note(msg.Stats)
		c.observe()
	case cluster.ModuleRequest:
		c.reply(e.From, c.chunk(msg))
	case cluster.Leaving:
		c.lose(e.From, m, msg.Reason)
	case cluster.Stopped:
		c.note(msg.Stats)
		c.step(FromWorker{Worker: e.From, Message: msg})
	default:
		c.step(FromWorker{Worker: e.From, Message: msg})
	}
}

func (c *Coordinator) register(name string, m *member, r cluster.Register) {
	c.reply(name, cluster.Registered{})
	if m.registered {
		return
	}
	m.registered, m.pid = true, r.PID
	for _, other := range c.members {
		if !other.registered {
			return
		}
	}
	c.step(Deploy{Workers: c.config.Workers})
}

// checkMembers finds workers that stopped talking, and ones that never came.
func (c *Coordinator) checkMembers(now, begun time.Time) {
	for _, name := range c.config.Workers {
		m := c.members[name]
		switch {
		case m.lost:
		case !m.registered:
			if now.Sub(begun) > c.config.JoinTimeout {
				c.lose(name, m, fmt.Sprintf("it did not register within %s", c.config.JoinTimeout))
			}
		case now.Sub(m.heard) > c.config.WorkerTimeout:
			c.lose(name, m, fmt.Sprintf("no heartbeat for %s", c.config.WorkerTimeout))
		}
	}
}

func (c *Coordinator) lose(name string, m *member, reason string) {
	m.lost = true
	if c.job.State() == Created {
		// The job has not met its workers yet; let it, so that it fails for this reason.
		c.step(Deploy{Workers: c.config.Workers})
	}
	c.step(WorkerLost{Worker: name, Reason: reason})
}

// chunkSize leaves room for base64 and the envelope within a message.
const chunkSize = 512 << 10

func (c *Coordinator) chunk(r cluster.ModuleRequest) cluster.ModuleChunk {
	answer := cluster.ModuleChunk{SHA256: r.SHA256, Offset: r.Offset}
	wasm, err := c.config.Module(r.SHA256)
	switch {
	case err != nil:
		answer.Error = err.Error()
	case r.Offset < 0 || r.Offset > len(wasm):
		answer.Error = fmt.Sprintf("offset %d is outside the module's %d bytes", r.Offset, len(wasm))
	default:
		answer.Total = len(wasm)
		answer.Data = wasm[r.Offset:min(len(wasm), r.Offset+chunkSize)]
	}
	return answer
}

// step feeds the job an event and does what it says. Workers that can't be reached
// are told to the job after that, so that its actions stay in order.
func (c *Coordinator) step(e Event) {
	unreachable := map[string]error{}
	for _, a := range c.job.Step(e) {
		switch a := a.(type) {
		case Send:
			if start, ok := a.Message.(cluster.Start); ok {
				start.Started = c.started // set by the transition to running
				a.Message = start
			}
			if err := c.send(a.To, a.Message); err != nil {
				unreachable[a.To] = err
			}
		case Transition:
			c.transition(a)
		}
	}
	for name, err := range unreachable {
		if m := c.members[name]; !m.lost {
			c.lose(name, m, err.Error())
		}
	}
}

func (c *Coordinator) transition(t Transition) {
	log := c.config.Logger.With("namespace", c.ref.Job.Namespace, "job", c.ref.Job.Name, "attempt", c.ref.Attempt.String())
	c.phases.transition(t)
	switch {
	case t.To == Running:
		c.started = time.Now()
	case t.To == Finished && !c.started.IsZero():
		c.ended = time.Now()
	}
	if t.Cause != nil && t.To == Stopping {
		log.Info("job fails", "from", t.From, "cause", t.Cause.Text)
	} else {
		log.Info("job state", "from", t.From, "to", t.To)
	}
	c.observe()
}

func (c *Coordinator) send(to string, m cluster.Message) error {
	return c.config.Transport.Send(to, cluster.Envelope{From: cluster.CoordinatorAddress, Term: term, Message: m})
}

// reply answers a question; whoever asked asks again when nothing comes.
func (c *Coordinator) reply(to string, m cluster.Message) {
	if err := c.send(to, m); err != nil {
		c.config.Logger.Warn("answer not sent", "to", to, "err", err)
	}
}

func (c *Coordinator) note(stats []cluster.Stats) {
	for _, s := range stats {
		c.stats[id.Subtask{Operator: s.Operator, Index: s.Subtask}] = s
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
	for _, name := range c.config.Workers {
		if m := c.members[name]; m.pid != 0 {
			r.PIDs = append(r.PIDs, m.pid)
		}
	}
	if cause := c.job.Cause(); cause != nil {
		r.Err = cause.Err()
	} else if r.State == Failed {
		r.Err = fault.Transientf("job failed without a cause")
	}
	return r
}
