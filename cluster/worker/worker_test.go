package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
)

// house is a worker with a test for a coordinator.
type house struct {
	t         *testing.T
	transport *cluster.Local
	inbox     <-chan cluster.Envelope
	ended     chan error
	cancel    context.CancelCauseFunc
	tasks     chan int // told before they run
}

func startWorker(t *testing.T) *house {
	t.Helper()
	h, err := host.New(t.Context(), host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	s := &house{t: t, transport: cluster.NewLocal(), ended: make(chan error, 1), tasks: make(chan int, 16)}
	if s.inbox, err = s.transport.Listen(cluster.CoordinatorAddress); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	w := New(Config{Name: "w0", Transport: s.transport, Modules: NewModules(h), Tasks: func(n int) { s.tasks <- n }})
	go func() { s.ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel(nil)
		<-s.ended
	})
	expect[cluster.Register](s)
	s.send(cluster.Registered{})
	return s
}

func (s *house) send(m cluster.Message) {
	s.t.Helper()
	if err := s.transport.Send("w0", cluster.Envelope{From: cluster.CoordinatorAddress, Term: 1, Message: m}); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits for a message of a type, past heartbeats and registrations.
func expect[M cluster.Message](s *house) M {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e := <-s.inbox:
			if m, ok := e.Message.(M); ok {
				return m
			}
			switch m := e.Message.(type) {
			case cluster.Heartbeat, cluster.Register:
			default:
				var want M
				s.t.Fatalf("got %#v, want a %T", m, want)
			}
		case <-deadline:
			var want M
			s.t.Fatalf("no %T within 20s", want)
		}
	}
}

func ref(number uint32) cluster.AttemptRef {
	return cluster.AttemptRef{Job: id.Job{Namespace: "default", Name: "j"}, Attempt: id.Attempt{Term: 1, Number: number}}
}

// linesJob is a job of three values into a file sink at parallelism 1.
func linesJob(t *testing.T, out string) *graph.Plan {
	t.Helper()
	with := func(v any) json.RawMessage {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	return &graph.Plan{
		Namespace: "default", Job: "j", MaxParallelism: 128, BufferTimeout: time.Millisecond,
		Operators: []graph.Operator{
			{Name: "in", Role: graph.RoleSource, Parallelism: 1, Connector: "values", Outputs: []string{"out"}, With: with(map[string]any{"records": []string{"a", "b", "c"}})},
			{Name: "out", Role: graph.RoleSink, Parallelism: 1, Connector: "file", Inputs: []string{"in"}, With: with(map[string]any{"path": out}), Format: graph.Format{Encode: "lines"}},
		},
		Edges: []graph.Edge{{From: 0, To: 1, Partition: graph.ByKey}},
		Tasks: []graph.Task{{ID: 0, Operators: []int{0}, Parallelism: 1}, {ID: 1, Operators: []int{1}, Parallelism: 1}},
	}
}

func visible(t *testing.T, dir string) string {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, "part-*"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, p := range parts {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	return text.String()
}

// runToEnd takes an attempt to where all its tasks have finished.
func (s *house) runToEnd(plan *graph.Plan, number uint32) []cluster.Transaction {
	s.t.Helper()
	s.send(cluster.Prepare{AttemptRef: ref(number), Plan: plan, Workers: []string{"w0"}})
	expect[cluster.Prepared](s)
	s.send(cluster.Start{AttemptRef: ref(number), Started: time.Now()})
	var transactions []cluster.Transaction
	for range plan.Tasks {
		for _, left := range expect[cluster.TaskFinished](s).Snapshots {
			for _, data := range left.Transactions {
				transactions = append(transactions, cluster.Transaction{Operator: left.Operator, Subtask: left.Index, Data: data})
			}
		}
	}
	return transactions
}

func TestOutputIsVisibleAfterTheCommit(t *testing.T) {
	s, out := startWorker(t), t.TempDir()
	transactions := s.runToEnd(linesJob(t, out), 1)
	if n := <-s.tasks; n != 2 {
		t.Errorf("told of %d tasks", n)
	}
	if len(transactions) != 1 || transactions[0].Operator != "out" {
		t.Fatalf("prepared %+v", transactions)
	}
	if got := visible(t, out); got != "" {
		t.Errorf("visible before the commit: %q", got)
	}
	for range 2 { // a commit that is repeated has no further effect (D5)
		s.send(cluster.Commit{AttemptRef: ref(1), Transactions: transactions})
		if c := expect[cluster.Committed](s); c.Transactions != 1 {
			t.Errorf("committed %d", c.Transactions)
		}
		if got := visible(t, out); got != "a\nb\nc\n" {
			t.Errorf("visible after the commit: %q", got)
		}
	}
	s.send(cluster.Cancel{AttemptRef: ref(1)})
	var last []cluster.Stats
	for done := false; !done; {
		switch m := (<-s.inbox).Message.(type) {
		case cluster.Heartbeat:
			last = m.Stats
		case cluster.Stopped:
			done = true
		}
	}
	if len(last) != 2 || last[1].RecordsIn != 3 {
		t.Errorf("stats at the end: %+v", last)
	}
	s.send(cluster.Shutdown{})
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
}

// Tasks that have ended are part of each checkpoint while others run, for as long as it
// takes.
func TestEndedTasksDeclineNothing(t *testing.T) {
	s := startWorker(t)
	s.runToEnd(linesJob(t, t.TempDir()), 1)
	for n := range uint64(2 * maxCommands) {
		s.send(cluster.TriggerCheckpoint{AttemptRef: ref(1), Checkpoint: n + 1})
		s.send(cluster.CheckpointAborted{AttemptRef: ref(1), Checkpoint: n + 1})
	}
	s.send(cluster.Cancel{AttemptRef: ref(1)})
	expect[cluster.Stopped](s) // nothing else
}

func TestACanceledAttemptLeavesNothing(t *testing.T) {
	s, out := startWorker(t), t.TempDir()
	s.runToEnd(linesJob(t, out), 1)
	s.send(cluster.Cancel{AttemptRef: ref(1), Drop: true})
	expect[cluster.Stopped](s)
	left, err := os.ReadDir(out)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Messages of another attempt have no effect (C2).
func TestOnlyTheLatestAttemptIsObeyed(t *testing.T) {
	s, out := startWorker(t), t.TempDir()
	plan := linesJob(t, out)
	s.send(cluster.Prepare{AttemptRef: ref(2), Plan: plan, Workers: []string{"w0"}})
	expect[cluster.Prepared](s)
	s.send(cluster.Prepare{AttemptRef: ref(1), Plan: plan, Workers: []string{"w0"}})
	s.send(cluster.Start{AttemptRef: ref(1)})
	s.send(cluster.Commit{AttemptRef: ref(1)})
	s.send(cluster.Cancel{AttemptRef: ref(1)})
	if stopped := expect[cluster.Stopped](s); stopped.AttemptRef != ref(1) {
		t.Errorf("stopped %+v", stopped)
	}
	s.send(cluster.Start{AttemptRef: ref(2), Started: time.Now()})
	expect[cluster.TaskFinished](s)
	expect[cluster.TaskFinished](s)
	transactions := s.runToEnd(plan, 3)
	s.send(cluster.Commit{AttemptRef: ref(3), Transactions: transactions})
	expect[cluster.Committed](s)
	if got := visible(t, out); got != "a\nb\nc\n" {
		t.Errorf("visible: %q", got)
	}
}

func TestFailuresAreToldWithTheirPlace(t *testing.T) {
	s := startWorker(t)
	plan := linesJob(t, t.TempDir())
	plan.Operators[0].Connector = "file"
	plan.Operators[0].With = json.RawMessage(`{"path":"/nowhere/at/all"}`)
	plan.Operators[0].Format.Decode = "lines"
	s.send(cluster.Prepare{AttemptRef: ref(1), Plan: plan, Workers: []string{"w0"}})
	expect[cluster.Prepared](s)
	s.send(cluster.Start{AttemptRef: ref(1), Started: time.Now()})
	failed := expect[cluster.Failed](s)
	if failed.Cause.Operator != "in" || !strings.Contains(failed.Cause.Text, "/nowhere/at/all") {
		t.Errorf("cause %+v", failed.Cause)
	}
}

func TestModulesAreFetchedOnce(t *testing.T) {
	s := startWorker(t)
	plan := linesJob(t, t.TempDir())
	plan.Operators[1] = graph.Operator{Name: "f", Role: graph.RoleModule, Parallelism: 1, Module: &graph.Module{SHA256: strings.Repeat("0", 64), Shape: "process"}}
	s.send(cluster.Prepare{AttemptRef: ref(1), Plan: plan, Workers: []string{"w0"}})
	request := expect[cluster.ModuleRequest](s)
	if request.SHA256 != plan.Operators[1].Module.SHA256 || request.Offset != 0 {
		t.Fatalf("request %+v", request)
	}
	s.send(cluster.ModuleChunk{SHA256: request.SHA256, Total: 8, Data: []byte("\x00asm")})
	if again := expect[cluster.ModuleRequest](s); again.Offset != 4 {
		t.Fatalf("second request %+v", again)
	}
	s.send(cluster.ModuleChunk{SHA256: request.SHA256, Offset: 4, Total: 8, Data: []byte("\x01\x00\x00\x00")})
	if failed := expect[cluster.Failed](s); !strings.Contains(failed.Cause.Text, "load module of f") {
		t.Errorf("cause %+v", failed.Cause)
	}
}

func TestAWorkerSaysWhyItLeaves(t *testing.T) {
	s := startWorker(t)
	s.cancel(errors.New("supervisor is gone"))
	if l := expect[cluster.Leaving](s); l.Reason != "supervisor is gone" {
		t.Errorf("reason %q", l.Reason)
	}
}

func TestGuestMetricsAreBounded(t *testing.T) {
	var g guestMetrics
	g.record(0, "n", 2)
	g.record(0, "n", 3)
	for i := range 2 * maxGuestMetrics {
		g.record(1, strings.Repeat("x", i+2), 1)
	}
	all := g.snapshot()
	if len(all) != maxGuestMetrics {
		t.Errorf("%d names are kept", len(all))
	}
	if m := all[0]; m.Name != "n" || m.Kind != "counter" || m.Count != 2 || m.Sum != 5 || m.Last != 3 {
		t.Errorf("got %+v", m)
	}
}

// unheard is a transport that tells when a message was sent to nobody.
type unheard struct {
	*cluster.Local
	failed chan error
}

func (u unheard) Send(to string, e cluster.Envelope) error {
	err := u.Local.Send(to, e)
	if err != nil {
		select {
		case u.failed <- err:
		default:
		}
	}
	return err
}

// A worker may be there before its coordinator listens.
func TestWorkerRegistersUntilItIsHeard(t *testing.T) {
	s := &house{t: t, transport: cluster.NewLocal(), ended: make(chan error, 1)}
	transport := unheard{s.transport, make(chan error, 1)}
	w := New(Config{Name: "w0", Transport: transport, Modules: NewModules(nil)})
	go func() { s.ended <- w.Run(t.Context()) }()
	select {
	case <-transport.failed:
	case err := <-s.ended:
		t.Fatalf("worker ended: %v", err)
	}
	var err error
	if s.inbox, err = s.transport.Listen(cluster.CoordinatorAddress); err != nil {
		t.Fatal(err)
	}
	expect[cluster.Register](s)
	s.send(cluster.Registered{})
	s.send(cluster.Shutdown{})
	if err := <-s.ended; err != nil {
		t.Errorf("worker ended: %v", err)
	}
}

// Guests that use all the names they may have don't keep their worker from being heard.
func TestHeartbeatsFitIntoMessages(t *testing.T) {
	var g guestMetrics
	for i := range maxGuestMetrics {
		g.record(2, fmt.Sprintf("%0255d", i), 1e300)
	}
	stats := make([]cluster.Stats, statsPerHeartbeat)
	for i := range stats {
		stats[i] = cluster.Stats{Operator: strings.Repeat("o", 63), Subtask: i, RecordsIn: 1 << 63, Metrics: g.snapshot()}
	}
	if _, err := cluster.Encode(cluster.Envelope{From: "w0", Message: cluster.Heartbeat{Attempt: &cluster.AttemptRef{}, Stats: stats}}); err != nil {
		t.Error(err)
	}
}
