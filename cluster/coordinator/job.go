package coordinator

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
)

// State of a job.
type State string

// The states that a run goes through. Finished, Canceled and Failed are final.
const (
	Created    State = "created"    // known, nothing sent
	Scheduled  State = "scheduled"  // workers build their share
	Running    State = "running"    // records flow
	Restarting State = "restarting" // an attempt failed; the next one starts after a while
	Stopping   State = "stopping"   // the end is known: results are committed, or a failure is cleaned up
	Canceling  State = "canceling"  // the user ended it
	Finished   State = "finished"
	Canceled   State = "canceled"
	Failed     State = "failed"
)

// Final reports whether a job in this state is over.
func (s State) Final() bool { return s == Finished || s == Canceled || s == Failed }

// Event is something that happened to a job: one of the types below.
type Event interface{ event() }

// The events.
type (
	// Deploy starts an attempt on workers that are there, from nothing or from the
	// checkpoint of a number.
	Deploy struct {
		Workers []string
		Restore uint64
	}
	// Concluded says that the final checkpoint is in the log, with what sinks staged.
	Concluded struct {
		Checkpoint   uint64
		Transactions []cluster.Transaction
	}
	// AttemptFailed ends an attempt for a reason that no worker gave.
	// Final ones are not worth another try.
	AttemptFailed struct {
		Cause cluster.Cause
		Final bool
	}
	// FromWorker is a message about the job's attempt.
	FromWorker struct {
		Worker  string
		Message cluster.Message
	}
	// WorkerLost says that a worker is gone.
	WorkerLost struct{ Worker, Reason string }
	// CancelRequested is the user's wish.
	CancelRequested struct{}
	// PatienceOver says that workers took too long to stop.
	PatienceOver struct{}
)

func (Deploy) event()          {}
func (Concluded) event()       {}
func (AttemptFailed) event()   {}
func (FromWorker) event()      {}
func (WorkerLost) event()      {}
func (CancelRequested) event() {}
func (PatienceOver) event()    {}

// Action is what the job wants done: one of the types below.
type Action interface{ action() }

// The actions.
type (
	// Send gives a worker a message.
	Send struct {
		To      string
		Message cluster.Message
	}
	// Transition is a change of state, with its cause if the job fails.
	Transition struct {
		From, To State
		Cause    *cluster.Cause
	}
	// Conclude writes the final checkpoint: every task has ended. Concluded answers, or
	// AttemptFailed.
	Conclude struct{}
	// Restart deploys the next attempt after a while.
	Restart struct{ After time.Duration }
)

func (Send) action()       {}
func (Transition) action() {}
func (Conclude) action()   {}
func (Restart) action()    {}

// Job is the life of a job as a step machine: it has no clock, no goroutine and does no
// I/O. Feed it events, do its actions in order. Checkpoints are another machine's.
type Job struct {
	ref     cluster.AttemptRef
	plan    *graph.Plan
	backoff Backoff

	state   State
	outcome State // that stopping leads to
	cause   *cluster.Cause

	workers      []string
	waiting      map[string]bool // workers whose answer the state waits for
	running      map[cluster.TaskRef]bool
	transactions map[string][]cluster.Transaction // of the final checkpoint, by the worker that commits them
	hopeless     bool                             // no further attempt
	unwanted     bool                             // the user has canceled it
	concluding   bool                             // the final checkpoint is being written
	committing   bool                             // it is in the log
	final        uint64                           // its number
}

// NewJob is a job in state Created, whose first attempt runs under a term.
func NewJob(plan *graph.Plan, term uint64) *Job {
	return &Job{
		ref:     cluster.AttemptRef{Job: id.Job{Namespace: plan.Namespace, Name: plan.Job}, Attempt: id.Attempt{Term: term}},
		plan:    plan,
		backoff: NewBackoff(plan.Restart),
		state:   Created,
	}
}

// tasks are all the task subtasks of a plan.
func tasks(plan *graph.Plan) []cluster.TaskRef {
	var all []cluster.TaskRef
	for _, t := range plan.Tasks {
		for s := range t.Parallelism {
			all = append(all, cluster.TaskRef{Task: t.ID, Subtask: s})
		}
	}
	return all
}

// State is the job's state.
func (j *Job) State() State { return j.state }

// Cause is why the job failed, nil unless it did.
func (j *Job) Cause() *cluster.Cause { return j.cause }

// Attempt is the attempt that runs, or that will next.
func (j *Job) Attempt() cluster.AttemptRef { return j.ref }

// Step takes an event and returns what is to be done.
func (j *Job) Step(now time.Time, e Event) []Action {
	if j.state.Final() {
		return nil
	}
	switch e := e.(type) {
	case Deploy:
		return j.deploy(e)
	case WorkerLost:
		return j.workerLost(now, e)
	case CancelRequested:
		switch {
		case j.state == Created || j.state == Restarting:
			return j.become(Canceled)
		case j.ending() || j.concluding || j.committing:
			j.unwanted = true // what is being committed becomes visible whole
			return nil
		}
		return j.end(now, Canceling, Canceled, nil)
	case PatienceOver:
		if j.ending() {
			return j.over(now)
		}
	case AttemptFailed:
		j.hopeless = j.hopeless || e.Final
		if j.active() || j.state == Created || j.state == Restarting {
			return j.end(now, Stopping, Failed, &e.Cause)
		}
	case Concluded:
		if j.concluding {
			return j.commit(now, e)
		}
	case FromWorker:
		return j.fromWorker(now, e.Worker, e.Message)
	}
	return nil
}

// ending reports whether the attempt is being taken down.
func (j *Job) ending() bool {
	return (j.state == Stopping || j.state == Canceling) && !j.concluding && !j.committing
}

// active reports whether an attempt is there and may still fail.
func (j *Job) active() bool {
	return j.state == Scheduled || j.state == Running || j.concluding || j.committing
}

func (j *Job) deploy(e Deploy) []Action {
	if j.state != Created && j.state != Restarting {
		return nil
	}
	j.ref.Attempt.Number++
	j.workers, j.cause = slices.Clone(e.Workers), nil
	j.transactions = map[string][]cluster.Transaction{}
	j.running = map[cluster.TaskRef]bool{}
	for _, t := range tasks(j.plan) {
		j.running[t] = true
	}
	actions := j.become(Scheduled)
	return append(actions, j.toAll(func(string) cluster.Message {
		return cluster.Prepare{AttemptRef: j.ref, Plan: j.plan, Workers: j.workers, Restore: e.Restore}
	})...)
}

func (j *Job) fromWorker(now time.Time, worker string, m cluster.Message) []Action {
	if !slices.Contains(j.workers, worker) {
		return nil
	}
	switch m := m.(type) {
	case cluster.Prepared:
		if j.state == Scheduled && m.AttemptRef == j.ref && j.answered(worker) {
			return append(j.become(Running), j.toAll(func(string) cluster.Message {
				return cluster.Start{AttemptRef: j.ref}
			})...)
		}
	case cluster.TaskFinished:
		if j.state == Running && m.AttemptRef == j.ref {
			return j.taskFinished(m)
		}
	case cluster.Committed:
		// An heir answers twice; what counts is the answer to all it was given.
		complete := m.Checkpoint == j.final && m.Transactions == len(j.transactions[worker])
		if j.committing && m.AttemptRef == j.ref && complete && j.answered(worker) {
			j.committing = false
			return j.release(now)
		}
	case cluster.Failed:
		if m.AttemptRef == j.ref && j.active() {
			return j.end(now, Stopping, Failed, &m.Cause)
		}
	case cluster.Stopped:
		if j.ending() && m.AttemptRef == j.ref && j.answered(worker) {
			return j.over(now)
		}
	}
	return nil
}

func (j *Job) taskFinished(m cluster.TaskFinished) []Action {
	if !j.running[m.Task] {
		return nil
	}
	delete(j.running, m.Task)
	if len(j.running) > 0 {
		return nil
	}
	j.outcome, j.concluding = Finished, true
	return append(j.become(Stopping), Conclude{})
}

// commit makes the last output visible: the final checkpoint is in the log, so from
// here on that happens everywhere or, after a crash, by a repeated commit (D5).
func (j *Job) commit(now time.Time, e Concluded) []Action {
	j.concluding, j.final = false, e.Checkpoint
	if len(e.Transactions) == 0 || len(j.workers) == 0 {
		return j.release(now)
	}
	j.committing = true
	j.waiting = map[string]bool{}
	for _, t := range e.Transactions {
		w := j.workers[t.Subtask%len(j.workers)]
		j.transactions[w] = append(j.transactions[w], t)
	}
	var actions []Action
	for _, w := range slices.Sorted(maps.Keys(j.transactions)) {
		j.waiting[w] = true
		actions = append(actions, Send{To: w, Message: cluster.Commit{AttemptRef: j.ref, Checkpoint: j.final, Transactions: j.transactions[w]}})
	}
	return actions
}

func (j *Job) workerLost(now time.Time, e WorkerLost) []Action {
	if !slices.Contains(j.workers, e.Worker) {
		return nil
	}
	j.workers = slices.DeleteFunc(slices.Clone(j.workers), func(w string) bool { return w == e.Worker })
	if j.committing && len(j.workers) > 0 {
		return j.takeOver(e.Worker)
	}
	if !j.ending() {
		cause := lostWorker(e.Worker, e.Reason)
		return j.end(now, Stopping, Failed, &cause)
	}
	if j.answered(e.Worker) {
		return j.over(now)
	}
	return nil
}

func lostWorker(name, reason string) cluster.Cause {
	return cluster.Cause{Class: "transient", Text: fmt.Sprintf("worker %s is lost: %s", name, reason)}
}

// takeOver has another worker commit what a lost one prepared: it lies at the
// destination, and a second commit of the same has no effect (D5).
func (j *Job) takeOver(lost string) []Action {
	orphans := j.transactions[lost]
	delete(j.transactions, lost)
	if !j.waiting[lost] {
		return nil
	}
	delete(j.waiting, lost)
	heir := j.workers[0]
	j.transactions[heir] = append(j.transactions[heir], orphans...)
	j.waiting[heir] = true
	return []Action{Send{To: heir, Message: cluster.Commit{AttemptRef: j.ref, Checkpoint: j.final, Transactions: j.transactions[heir]}}}
}

// end takes the attempt down, whatever it was doing.
func (j *Job) end(now time.Time, via, outcome State, cause *cluster.Cause) []Action {
	j.outcome, j.cause, j.concluding, j.committing = outcome, cause, false, false
	var actions []Action
	if j.state != via {
		actions = j.become(via)
	}
	return append(actions, j.release(now)...)
}

// over is when nothing of the attempt runs any more.
func (j *Job) over(now time.Time) []Action {
	j.workers = nil
	if j.outcome == Failed && j.unwanted {
		j.outcome = Canceled
	}
	if j.outcome == Failed && !j.hopeless && j.cause.Class != "fenced" {
		if after, again := j.backoff.Next(now); again {
			return append(j.become(Restarting), Restart{After: after})
		}
	}
	return j.become(j.outcome)
}

// release ends the attempt on every worker left.
func (j *Job) release(now time.Time) []Action {
	if len(j.workers) == 0 {
		return j.over(now)
	}
	return j.toAll(func(string) cluster.Message { return cluster.Cancel{AttemptRef: j.ref} })
}

// toAll sends to every worker and waits for the answer of each.
func (j *Job) toAll(message func(worker string) cluster.Message) []Action {
	j.waiting = map[string]bool{}
	actions := make([]Action, 0, len(j.workers))
	for _, w := range j.workers {
		j.waiting[w] = true
		actions = append(actions, Send{To: w, Message: message(w)})
	}
	return actions
}

// answered notes an answer, and reports whether it was the last.
func (j *Job) answered(worker string) bool {
	if !j.waiting[worker] {
		return false
	}
	delete(j.waiting, worker)
	return len(j.waiting) == 0
}

func (j *Job) become(s State) []Action {
	t := Transition{From: j.state, To: s}
	if s == Failed || s == Stopping || s == Restarting {
		t.Cause = j.cause
	}
	j.state = s
	return []Action{t}
}
