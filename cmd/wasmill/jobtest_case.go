package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
)

// rehearsal is one run of a job for a case. Between steps the job is at rest: a
// checkpoint that was asked for behind a step and is complete has everything in front of
// it that came of the step.
type rehearsal struct {
	test     *jobTest
	plan     *graph.Plan
	stage    *stage
	clock    *virtualClock
	requests chan coordinator.Request
	over     chan struct{} // closed when the job has ended
	result   coordinator.Result
	err      error // why it could not run
	stirred  bool  // something was done since it was at rest
	ordered  bool  // what comes has one order
	looked   map[string]bool
	diffs    []difference
}

// rehearse runs a case. The error is the job's failure, or why it could not run.
func (run *testRun) rehearse(ctx context.Context, cmd *cobra.Command, modules *worker.Modules) (_ []difference, err error) {
	folder, err := os.MkdirTemp("", "wasmill-test-*")
	if err != nil {
		return nil, fmt.Errorf("make folder for the test: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	place, err := dir.Open(filepath.Join(folder, "store"))
	if err != nil {
		return nil, err
	}
	store := &testStore{Store: place}
	defer store.close()
	plan, clock := run.plan, newVirtualClock(run.of.start)
	r := &rehearsal{
		test: run.test, plan: plan, clock: clock, stage: newStage(plan, clock),
		requests: make(chan coordinator.Request), over: make(chan struct{}), looked: map[string]bool{},
		ordered: !slices.ContainsFunc(plan.Operators, func(op graph.Operator) bool { return op.Parallelism > 1 }),
	}
	job := &jobRun{
		cmd: cmd, options: runOptions{dataDir: filepath.Join(folder, "data")}, modules: modules, plan: plan,
		store: &jobStore{url: folder, store: store}, requests: r.requests,
		equip: func(w *worker.Config) { w.Connectors, w.Clock, w.Stdin = r.stage, clock, nil },
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(r.over)
		var s *stint
		if s, r.err = job.carry(ctx); r.err == nil {
			r.result = s.result
		}
	}()
	err = r.play(ctx, run.of)
	cancel()
	<-r.over
	if err == nil {
		err = r.failure()
	}
	return r.diffs, run.of.judge(err)
}

// judge is what is wrong with how a case ended: some are to fail.
func (c *testCase) judge(err error) error {
	switch failed := (*jobError)(nil); {
	case c.fails == "":
		return err
	case err == nil:
		return fmt.Errorf("the job did not fail: %q was expected", c.fails)
	case errors.As(err, &failed) && strings.Contains(err.Error(), c.fails):
		return nil
	}
	return fmt.Errorf("%q was expected: %w", c.fails, err)
}

// testStore is a store that nothing is written to any more when the test is over: what
// is on its way then would bring a folder back that was removed.
type testStore struct {
	snapshots.Store
	mu   sync.RWMutex
	over bool // guarded by mu
}

func (s *testStore) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *testStore) write(do func() error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.over {
		return fault.Transientf("the test is over")
	}
	return do()
}

func (s *testStore) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	return s.write(func() error { return s.Store.Put(ctx, name, data, size) })
}

func (s *testStore) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return s.write(func() error { return s.Store.PutIfAbsent(ctx, name, data) })
}

func (s *testStore) Copy(ctx context.Context, from, to string) error {
	return s.write(func() error { return s.Store.Copy(ctx, from, to) })
}

// forTests is a plan without what would make its results depend on the machine: nothing
// is held back, and checkpoints are taken when the test wants one.
func forTests(plan *graph.Plan) {
	plan.BufferTimeout = 0
	plan.Restart = graph.Restart{Kind: graph.RestartNone}
	plan.Checkpoint = graph.Checkpointing{Mode: graph.ExactlyOnce, MaxConcurrent: 1, Retain: graph.Retain{Count: 1, OnCancel: graph.Delete, OnFailure: graph.Delete}}
}

// play does the steps of a case, then looks at what is left in sinks that it looked at.
func (r *rehearsal) play(ctx context.Context, c *testCase) error {
	left := r.lastFeedings(c)
	for _, name := range r.first() {
		if left[name] == 0 {
			r.stage.sources[name].give(nil, true)
		}
	}
	if err := r.taken(ctx); err != nil { // from here on the clock may move
		return err
	}
	for i := range c.steps {
		if err := r.step(ctx, &c.steps[i], left); err != nil {
			return err
		}
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	for _, sink := range slices.Sorted(maps.Keys(r.looked)) {
		r.compare(&expectation{sink: sink, unordered: true, place: r.test.file + ": behind the last step"})
	}
	return nil
}

// lastFeedings counts how often each source is fed.
func (r *rehearsal) lastFeedings(c *testCase) map[string]int {
	left := map[string]int{}
	for _, s := range c.steps {
		for _, f := range s.in {
			left[f.source]++
		}
	}
	return left
}

// first are the sources that are read to their end before others flow. They end behind
// their last record, since nothing is at rest before.
func (r *rehearsal) first() (names []string) {
	leads := map[int]bool{}
	for e := len(r.plan.Edges) - 1; e >= 0; e-- { // operators are in topological order
		for _, edge := range r.plan.Edges {
			if edge.First || leads[edge.To] {
				leads[edge.From] = true
			}
		}
	}
	for i := range r.plan.Operators {
		if op := &r.plan.Operators[i]; leads[i] && op.Role == graph.RoleSource {
			names = append(names, op.Name)
		}
	}
	return names
}

func (r *rehearsal) step(ctx context.Context, s *testStep, left map[string]int) error {
	switch {
	case s.in != nil:
		first := r.first()
		feedings := slices.Clone(s.in)
		slices.SortStableFunc(feedings, func(a, b feeding) int {
			switch x, y := slices.Contains(first, a.source), slices.Contains(first, b.source); {
			case x == y:
				return 0
			case x:
				return -1
			}
			return 1
		})
		for _, f := range feedings {
			left[f.source]--
			if err := r.feed(ctx, f, left[f.source] == 0 && slices.Contains(first, f.source)); err != nil {
				return err
			}
		}
	case s.clock > 0:
		return r.pass(ctx, s.clock)
	case s.end != nil:
		return r.finish(ctx, s.end)
	}
	if len(s.out) == 0 {
		return nil
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	for i := range s.out {
		r.looked[s.out[i].sink] = true
		r.compare(&s.out[i])
	}
	return nil
}

// feed has one source give records, and waits until all that came of those before is
// done: several sources have one order, that of the file.
func (r *rehearsal) feed(ctx context.Context, f feeding, over bool) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	h := r.stage.sources[f.source]
	if h.ended() {
		return fmt.Errorf("%w", graph.Problems{r.test.problem(f.node, "", "%s has ended", f.source)})
	}
	h.give(f.items, over)
	// A source that is read first lets nothing come to rest while it is open.
	r.stirred = true
	return nil
}

// pass moves the clock from one thing that waits for it to the next.
func (r *rehearsal) pass(ctx context.Context, d time.Duration) error {
	for until := r.clock.Now().Add(d); r.clock.Now().Before(until); {
		if err := r.rest(ctx); err != nil {
			return err
		}
		r.clock.Set(r.clock.Next(until))
		r.stirred = true
	}
	return r.rest(ctx)
}

// finish ends sources. When all have, the job comes to its end.
func (r *rehearsal) finish(ctx context.Context, e *ending) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	if e.sources == nil {
		for _, h := range r.stage.sources {
			h.give(nil, true)
		}
	}
	for _, n := range e.sources {
		r.stage.sources[n.Value].give(nil, true)
	}
	r.stirred = true
	for _, h := range r.stage.sources {
		if !h.ended() {
			return nil
		}
	}
	select {
	case <-r.over:
		r.stirred = false
		return r.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rest waits until the job has done everything that came of what was done.
func (r *rehearsal) rest(ctx context.Context) error {
	if !r.stirred {
		return nil
	}
	// A source that is asked for a checkpoint takes it, whatever it could still give.
	if err := r.taken(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case r.requests <- coordinator.Request{Done: func(err error) { done <- err }}:
	case <-r.over:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("wait until the job is at rest: %w", err)
		}
	case <-r.over:
		if err := r.failure(); err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.stirred = false
	return nil
}

// taken waits until the sources have given out what they were given.
func (r *rehearsal) taken(ctx context.Context) error {
	for _, h := range r.stage.sources {
		select {
		case <-h.taken():
		case <-r.over:
			return r.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// failure is why the job has failed, once it is over.
func (r *rehearsal) failure() error {
	switch {
	case r.err != nil:
		return r.err
	case r.result.State == coordinator.Failed:
		return &jobError{job: r.plan.Job, err: r.result.Err}
	}
	return nil
}
