// Package worker runs the tasks that a coordinator gives it: it builds its share of an
// attempt from the plan, with guests from host, connectors and the exchange, and tells
// how it goes. It decides nothing.
//
// Start with Worker.Run, whose select shows all that can happen to a worker; attempt.go
// is what it builds. The process around it and its supervisor are in supervisor.go.
package worker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/task"
	"github.com/wasmill/wasmill/snapshots"
)

// Intervals of a worker's messages.
const (
	heartbeatEvery = 500 * time.Millisecond
	registerEvery  = 50 * time.Millisecond
)

// Config is what a worker needs. Name, Transport and Modules are required.
type Config struct {
	Name      string
	Transport cluster.Transport
	Modules   *Modules
	// Store is where jobs have their logs and checkpoints.
	Store snapshots.Store
	// Dir is a folder of the worker's own, for state that does not fit into memory.
	Dir string
	// Data is the connection for records. Nil when one worker runs everything.
	Data    *exchange.Conn
	Cluster string // first part of the data subjects
	Stdin   io.Reader
	Stdout  io.Writer
	Logger  *slog.Logger
	// Beat is called with every heartbeat, with what keeps a task from going on, nil if
	// nothing does. A supervisor listens.
	Beat func(stuck error)
	// Tasks is called with how many tasks of an attempt run here, before they do.
	Tasks func(n int)
	// Connectors open sources and sinks; by default those of the engine.
	Connectors Connectors
	// Clock is processing time; the system's by default.
	Clock task.Clock
}

// Worker is one worker. Run is called once.
type Worker struct {
	config   Config
	attempt  *attempt // the one that runs, if any
	stopping *attempt // the one before, which may not be gone yet
	events   chan cluster.Message
	chunks   chan cluster.ModuleChunk
	ended    chan struct{} // closed when Run returns
	term     uint64        // the highest that a message came under

	registered bool
}

// New makes a worker; it starts nothing.
func New(c Config) *Worker {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Connectors == nil {
		c.Connectors = engine{}
	}
	if c.Tasks == nil {
		c.Tasks = func(int) {}
	}
	if c.Clock == nil {
		c.Clock = task.SystemClock{}
	}
	return &Worker{
		config: c, events: make(chan cluster.Message, 16), chunks: make(chan cluster.ModuleChunk, 1), ended: make(chan struct{}),
	}
}

// Run serves the coordinator until it says Shutdown, ctx ends or the transport is
// lost. Nothing of an attempt is left when it returns.
func (w *Worker) Run(ctx context.Context) error {
	inbox, err := w.config.Transport.Listen(w.config.Name)
	if err != nil {
		return err
	}
	defer w.drop()
	w.register()
	w.beat()
	again := time.NewTicker(registerEvery)
	defer again.Stop()
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			w.send(cluster.Leaving{Reason: context.Cause(ctx).Error()})
			return context.Cause(ctx)
		case <-w.config.Transport.Lost():
			return w.config.Transport.Err()
		case e := <-inbox:
			if e.Term < w.term {
				continue // from a coordinator that was deposed (C1)
			}
			w.term = e.Term
			switch m := e.Message.(type) {
			case cluster.Registered:
				w.registered = true
			case cluster.Shutdown:
				return nil
			default:
				w.receive(ctx, m)
			}
		case m := <-w.events:
			w.send(m)
		case <-again.C:
			if !w.registered {
				w.register()
			}
		case <-heartbeat.C:
			w.beat()
		}
	}
}

// register says that the worker is there, until Registered comes: in one process the
// coordinator may not listen yet.
func (w *Worker) register() {
	if err := w.config.Transport.Send(cluster.CoordinatorAddress, w.envelope(cluster.Register{})); err != nil {
		w.config.Logger.Debug("not registered yet", "worker", w.config.Name, "err", err)
	}
}

func (w *Worker) envelope(m cluster.Message) cluster.Envelope {
	return cluster.Envelope{From: w.config.Name, Message: m}
}

// send tells the coordinator. If it can't be told it will notice: heartbeats go the
// same way.
func (w *Worker) send(m cluster.Message) {
	if err := w.config.Transport.Send(cluster.CoordinatorAddress, w.envelope(m)); err != nil {
		level := slog.LevelWarn
		if !w.registered {
			level = slog.LevelDebug // nobody listens yet, and it is said again
		}
		w.config.Logger.Log(context.Background(), level, "message not sent", "worker", w.config.Name, "err", err)
	}
}

func (w *Worker) receive(ctx context.Context, m cluster.Message) {
	switch m := m.(type) {
	case cluster.Prepare:
		w.prepare(ctx, m)
	case cluster.Start:
		if w.runs(m.AttemptRef) {
			w.attempt.start(m.Started)
		}
	case cluster.TriggerCheckpoint:
		if w.runs(m.AttemptRef) {
			w.attempt.command(task.Command{Kind: task.Trigger, Checkpoint: m.Checkpoint})
		}
	case cluster.CheckpointAborted:
		if w.runs(m.AttemptRef) {
			w.attempt.giveUp(m.Checkpoint)
		}
	case cluster.Commit:
		if w.runs(m.AttemptRef) {
			w.attempt.complete(m.Checkpoint)
			w.attempt.commit(ctx, m)
		}
	case cluster.Cancel:
		if w.runs(m.AttemptRef) {
			w.stop(m.Drop, true)
		} else if w.stopping == nil || w.stopping.ref != m.AttemptRef {
			w.send(cluster.Stopped{AttemptRef: m.AttemptRef})
		}
	case cluster.ModuleChunk:
		select {
		case w.chunks <- m:
		default: // an answer to a question asked twice
		}
	}
}

var errCanceled = fmt.Errorf("canceled by the coordinator: %w", context.Canceled)

func (w *Worker) runs(ref cluster.AttemptRef) bool { return w.attempt != nil && w.attempt.ref == ref }

func (w *Worker) prepare(ctx context.Context, p cluster.Prepare) {
	if w.attempt != nil {
		if !w.attempt.ref.Attempt.Before(p.Attempt) {
			return // a repeated or an older one (C2)
		}
		w.stop(false, false)
	}
	w.attempt = newAttempt(w, p)
	ctx, w.attempt.cancel = context.WithCancelCause(ctx)
	w.attempt.over = ctx.Done()
	go w.attempt.run(ctx, w.stopping)
}

// stop ends the attempt in the background, since a guest may take its time. If the
// coordinator asked for it, it is told when nothing runs any more.
func (w *Worker) stop(drop, asked bool) {
	a := w.attempt
	w.attempt, w.stopping = nil, a
	go func() {
		a.stop(drop)
		if !asked {
			return
		}
		for _, m := range a.heartbeats(true) {
			w.tell(w.ended, m)
		}
		w.tell(w.ended, cluster.Stopped{AttemptRef: a.ref})
	}()
}

// drop ends what runs; what is staged stays for whoever goes on or begins anew.
func (w *Worker) drop() {
	if w.attempt != nil {
		w.stop(false, false)
	}
	close(w.ended)
	if w.stopping != nil {
		<-w.stopping.stopped
	}
}

func (w *Worker) beat() {
	if w.attempt == nil {
		w.send(cluster.Heartbeat{})
	} else {
		w.attempt.probe()
		for _, m := range w.attempt.heartbeats(false) {
			w.send(m)
		}
	}
	if w.config.Beat != nil {
		var stuck error
		if w.attempt != nil {
			stuck = w.attempt.stuck(time.Now())
		}
		w.config.Beat(stuck)
	}
}

// fetch asks the coordinator for a module, part by part.
func (w *Worker) fetch(ctx context.Context, sha256 string) ([]byte, error) {
	var wasm []byte
	for {
		w.tell(ctx.Done(), cluster.ModuleRequest{SHA256: sha256, Offset: len(wasm)})
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(fetchPatience):
			continue
		case c := <-w.chunks:
			switch {
			case c.SHA256 != sha256 || c.Offset != len(wasm):
				continue
			case c.Error != "":
				return nil, fault.Transientf("fetch module %s: %s", sha256, c.Error)
			}
			wasm = append(wasm, c.Data...)
			if len(wasm) >= c.Total {
				return wasm, nil
			}
		}
	}
}

// fetchPatience is how long an answer may take before the question is repeated.
const fetchPatience = 5 * time.Second

// tell hands a message to Run, which sends it, unless it is over.
func (w *Worker) tell(over <-chan struct{}, m cluster.Message) {
	select {
	case w.events <- m:
	case <-over:
	}
}
