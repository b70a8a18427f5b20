package worker

import (
	"sync"
	"sync/atomic"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/task"
)

// share is one task subtask that runs here, with its ends of the exchange.
type share struct {
	task    graph.Task
	subtask int
	inbox   *exchange.Inbox // nil at a source
	inputs  []task.Input    // by channel of the inbox
	outputs map[int]*exchange.Writer

	commands chan task.Command
	ended    atomic.Bool // it takes no commands any more
	uploads  sync.WaitGroup
}

// maxCommands bounds the commands that wait for a task. It is far more than there are
// checkpoints under way.
const maxCommands = 64

// share lists the tasks of the plan that run on this worker.
func (a *attempt) share() []*share {
	var all []*share
	for _, t := range a.plan.Tasks {
		for s := range t.Parallelism {
			if a.mine(s) {
				all = append(all, &share{task: t, subtask: s, outputs: map[int]*exchange.Writer{}, commands: make(chan task.Command, maxCommands)})
			}
		}
	}
	return all
}

func (m *share) head(p *graph.Plan) string { return p.Operators[m.task.Operators[0]].Name }

func (m *share) runs(operator int) bool {
	for _, o := range m.task.Operators {
		if o == operator {
			return true
		}
	}
	return false
}

// openInput opens the channels that lead into the chain.
func (m *share) openInput(a *attempt, hub *exchange.Hub) error {
	var channels []exchange.Channel
	for _, e := range a.plan.Edges {
		if e.Chained || !m.runs(e.To) {
			continue
		}
		for from := range a.plan.Operators[e.From].Parallelism {
			if e.Partition == graph.Forward && from != m.subtask {
				continue
			}
			channels = append(channels, exchange.Channel{Edge: e.ID, From: from, To: m.subtask})
			m.inputs = append(m.inputs, task.Input{Input: e.Input, Edge: e.ID, From: from, First: e.First})
		}
	}
	if len(channels) == 0 {
		return nil
	}
	var err error
	m.inbox, err = hub.Inbox(m.head(a.plan), m.subtask, channels, func(c exchange.Channel) bool { return !a.mine(c.From) })
	return err
}

// openOutputs opens the channels that lead out of the chain.
func (m *share) openOutputs(a *attempt, hub *exchange.Hub) error {
	for _, e := range a.plan.Edges {
		if e.Chained || !m.runs(e.From) {
			continue
		}
		w, err := hub.Writer(e.ID, m.subtask, a.plan.Operators[e.To].Parallelism, e.Partition, a.plan.MaxParallelism,
			func(to int) bool { return !a.mine(to) })
		if err != nil {
			return err
		}
		m.outputs[e.ID] = w
	}
	return nil
}
