package coordinator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
)

// State of a job.
type State string

// The states that a run goes through. Finished, Canceled and Failed are final.
const (
	Created   State = "created"   // known, nothing sent
	Scheduled State = "scheduled" // workers build their share
	Running   State = "running"   // records flow
	Stopping  State = "stopping"  // the end is known: results are committed, or a failure is cleaned up
	Canceling State = "canceling" // the user ended it
	Finished  State = "finished"
	Canceled  State = "canceled"
	Failed    State = "failed"
)

// Final reports whether a job in this state is over.
func (s State) Final() bool { return s == Finished || s == Canceled || s == Failed }

// Event is something that happened to a job: one of the types below.
type Event interface{ event() }

// The events.
type (
	// Deploy starts the job on workers that are there.
	Deploy struct{ Workers []string }
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
)

func (Send) action()       {}
func (Transition) action() {}

type subtaskRef struct{ task, subtask int }

// Job is the life of one attempt of a job as a step machine: it has no clock, no
// goroutine and does no I/O. Feed it events, do its actions in order.
type Job struct {
	ref  cluster.AttemptRef
	plan *graph.Plan

	state   State
	outcome State // that stopping leads to
	cause   *cluster.Cause

	workers      []string
	waiting      map[string]bool // workers whose answer the state waits for
	running      map[subtaskRef]bool
	transactions map[string][]cluster.Transaction // prepared, by the worker that did
	committing   bool
}

// NewJob is a job in state Created.
func NewJob(plan *graph.Plan, attempt id.Attempt) *Job {
	j := &Job{
		ref:          cluster.AttemptRef{Job: id.Job{Namespace: plan.Namespace, Name: plan.Job}, Attempt: attempt},
		plan:         plan,
		state:        Created,
		running:      map[subtaskRef]bool{},
		transactions: map[string][]cluster.Transaction{},
	}
	for _, t := range plan.Tasks {
		for s := range t.Parallelism {
			j.running[subtaskRef{t.ID, s}] = true
		}
	}
	return j
}

// State is the job's state.
func (j *Job) State() State { return j.state }

// Cause is why the job failed, nil unless it did.
func (j *Job) Cause() *cluster.Cause { return j.cause }

// Step takes an event and returns what is to be done.
func (j *Job) Step(e Event) []Action {
	if j.state.Final() {
		return nil
	}
	switch e := e.(type) {
	case Deploy:
		return j.deploy(e.Workers)
	case WorkerLost:
		return j.workerLost(e)
	case CancelRequested:
		if j.ending() || j.committing {
			return nil // what is being committed becomes visible whole
		}
		return j.end(Canceling, Canceled, nil)
	case PatienceOver:
		if j.ending() {
			return j.become(j.outcome)
		}
	case FromWorker:
		return j.fromWorker(e.Worker, e.Message)
	}
	return nil
}

// ending reports whether the attempt is being taken down.
func (j *Job) ending() bool { return (j.state == Stopping || j.state == Canceling) && !j.committing }

func (j *Job) deploy(workers []string) []Action {
	if j.state != Created {
		return nil
	}
	j.workers = slices.Clone(workers)
	actions := j.become(Scheduled)
	return append(actions, j.toAll(func(string) cluster.Message {
		return cluster.Prepare{AttemptRef: j.ref, Plan: j.plan, Workers: j.workers}
	})...)
}

func (j *Job) fromWorker(worker string, m cluster.Message) []Action {
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
			return j.taskFinished(worker, m)
		}
	case cluster.Committed:
		// An heir answers twice; what counts is the answer to all it was given.
		complete := m.Transactions == len(j.transactions[worker])
		if j.committing && m.AttemptRef == j.ref && complete && j.answered(worker) {
			j.committing = false
			return j.release()
		}
	case cluster.Failed:
		if m.AttemptRef == j.ref && !j.ending() {
			return j.end(Stopping, Failed, &m.Cause)
		}
	case cluster.Stopped:
		if j.ending() && m.AttemptRef == j.ref && j.answered(worker) {
			return j.become(j.outcome)
		}
	}
	return nil
}

func (j *Job) taskFinished(worker string, m cluster.TaskFinished) []Action {
	at := subtaskRef{m.Task, m.Subtask}
	if !j.running[at] {
		return nil
	}
	delete(j.running, at)
	if len(m.Transactions) > 0 {
		j.transactions[worker] = append(j.transactions[worker], m.Transactions...)
	}
	if len(j.running) > 0 {
		return nil
	}
	// All output is durable at its destination: from here on it only becomes
	// visible, everywhere or, after a crash, by a repeated commit (D5).
	j.outcome = Finished
	actions := j.become(Stopping)
	if len(j.transactions) == 0 {
		return append(actions, j.release()...)
	}
	j.committing = true
	j.waiting = map[string]bool{}
	for _, w := range slices.Sorted(maps.Keys(j.transactions)) {
		j.waiting[w] = true
		actions = append(actions, Send{To: w, Message: cluster.Commit{AttemptRef: j.ref, Transactions: j.transactions[w]}})
	}
	return actions
}

func (j *Job) workerLost(e WorkerLost) []Action {
	if !slices.Contains(j.workers, e.Worker) {
		return nil
	}
	j.workers = slices.DeleteFunc(slices.Clone(j.workers), func(w string) bool { return w == e.Worker })
	if j.committing && len(j.workers) > 0 {
		return j.takeOver(e.Worker)
	}
	if !j.ending() {
		cause := cluster.Cause{Class: "transient", Text: fmt.Sprintf("worker %s is lost: %s", e.Worker, e.Reason)}
		return j.end(Stopping, Failed, &cause)
	}
	if j.answered(e.Worker) {
		return j.become(j.outcome)
	}
	return nil
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
	return []Action{Send{To: heir, Message: cluster.Commit{AttemptRef: j.ref, Transactions: j.transactions[heir]}}}
}

// end takes the attempt down, whatever it was doing.
func (j *Job) end(via, outcome State, cause *cluster.Cause) []Action {
	j.outcome, j.cause, j.committing = outcome, cause, false
	var actions []Action
	if j.state != via {
		actions = j.become(via)
	}
	return append(actions, j.release()...)
}

// release ends the attempt on every worker left.
func (j *Job) release() []Action {
	if len(j.workers) == 0 {
		return j.become(j.outcome)
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
	if s == Failed || s == Stopping {
		t.Cause = j.cause
	}
	j.state = s
	return []Action{t}
}
