package coordinator

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/id"
)

// member is a worker that has registered. Names are never used again: a worker that
// comes back is another one.
type member struct {
	lost  bool
	heard time.Time
}

func (c *Coordinator) receive(e cluster.Envelope) {
	m, known := c.members[e.From]
	if !known {
		if _, is := e.Message.(cluster.Register); !is {
			return
		}
		m = &member{}
		c.members[e.From] = m
	}
	if m.lost {
		c.reply(e.From, cluster.Shutdown{}) // its work is another's now
		return
	}
	m.heard = time.Now()
	switch msg := e.Message.(type) {
	case cluster.Register:
		c.reply(e.From, cluster.Registered{})
		if c.job.State() == Created {
			c.deploy()
		}
	case cluster.Heartbeat:
		if msg.Attempt != nil && *msg.Attempt == c.job.Attempt() { // C2
			c.note(msg.Stats)
			c.observe()
		}
	case cluster.ModuleRequest:
		c.reply(e.From, c.chunk(msg))
	case cluster.Leaving:
		c.lose(e.From, m, msg.Reason)
	case cluster.CheckpointAck, cluster.CheckpointDeclined:
		c.checkpointMessage(msg)
	case cluster.TaskFinished:
		// First the job, so that it knows of its end when the final checkpoint is there.
		c.step(FromWorker{Worker: e.From, Message: msg})
		c.checkpointMessage(msg)
	default:
		c.step(FromWorker{Worker: e.From, Message: msg})
	}
}

// alive are the names of the workers that can be given work, sorted.
func (c *Coordinator) alive() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.members)) {
		if !c.members[name].lost {
			names = append(names, name)
		}
	}
	return names
}

// checkMembers finds workers that stopped talking, and notices when too few came. Time
// in which the coordinator itself stood still does not count: nobody was heard in it.
func (c *Coordinator) checkMembers(now time.Time) {
	stood := now.Sub(c.checked)
	if c.checked = now; stood > c.config.WorkerTimeout/2 {
		for _, m := range c.members {
			m.heard = m.heard.Add(stood)
		}
	}
	for name, m := range c.members {
		if !m.lost && now.Sub(m.heard) > c.config.WorkerTimeout {
			c.lose(name, m, fmt.Sprintf("no heartbeat for %s", c.config.WorkerTimeout))
		}
	}
	if n := len(c.alive()); c.job.State() == Created && n < c.config.Workers && now.Sub(c.begun) > c.config.JoinTimeout {
		c.step(AttemptFailed{Cause: cluster.Cause{
			Class: "transient", Text: fmt.Sprintf("%d of %d workers registered within %s", n, c.config.Workers, c.config.JoinTimeout),
		}, Final: true})
	}
}

func (c *Coordinator) lose(name string, m *member, reason string) {
	m.lost = true
	if c.job.State() == Created {
		c.step(AttemptFailed{Cause: lostWorker(name, reason), Final: true})
		return
	}
	c.step(WorkerLost{Worker: name, Reason: reason})
}

func (c *Coordinator) note(stats []cluster.Stats) {
	for _, s := range stats {
		c.stats[id.Subtask{Operator: s.Operator, Index: s.Subtask}] = s
	}
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
