package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/wasmill/wasmill/runtime/exchange"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
	"github.com/wasmill/wasmill/runtime/state"
)

// A job of real tasks, two sources, two subtasks that count by key and window with timers,
// and a two-phase sink, is moved turn by turn in random order, with checkpoints that
// overlap, are given up and complete, and crashes after which it goes on from a completed
// one: the output is that of a run without faults.
func TestOutputSurvivesFaults(t *testing.T) {
	restores := 0
	for seed := range uint64(150) {
		restores += newFaulty(t, seed).run()
	}
	if restores < 200 {
		t.Errorf("%d restores: the simulation shows little", restores)
	}
}

const (
	faultyWindow = 20 // ms
	faultyBound  = 15 // ms that records are out of order
)

// faulty is the job and its coordinator.
type faulty struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	plan *graph.Plan
	in   [2][][]byte // what each source has, batch by batch

	tasks     []*faultyTask
	hub       *exchange.Hub
	next      uint64 // checkpoint
	pending   map[uint64]map[int]Checkpoint
	completed map[uint64]*faultyCut
	output    map[string]int // committed
	staged    []faultyStage  // by the sink, and not committed
}

// faultyStage is what the sink staged with a checkpoint.
type faultyStage struct {
	number uint64
	data   operator.Transaction
}

// faultyTask is a task of the job and what its subtask keeps.
type faultyTask struct {
	*Task
	index    int
	commands chan Command
	last     *Checkpoint
	chain    *state.Chain
	runs     map[uint64][]byte
	late     []Checkpoint // reported, and not written yet
}

// faultyCut is a completed checkpoint.
type faultyCut struct {
	restore []map[string]Restored
	infos   [][]state.RunInfo   // by task
	bytes   []map[uint64][]byte // of them
	output  map[string]int
}

func newFaulty(t *testing.T, seed uint64) *faulty {
	f := &faulty{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 3)), completed: map[uint64]*faultyCut{}, output: map[string]int{}, next: 1}
	for s := range f.in {
		at := int64(faultyBound)
		for range 40 + f.r.IntN(60) {
			var b record.Builder
			for range 1 + f.r.IntN(4) {
				at += int64(f.r.IntN(8))
				b.Append(record.Insert, at-int64(f.r.IntN(faultyBound+1)), fmt.Appendf(nil, "k%d", f.r.IntN(9)), nil)
			}
			f.in[s] = append(f.in[s], slices.Clone(b.Bytes()))
		}
	}
	process := &graph.Module{Shape: "process"}
	f.plan = &graph.Plan{
		Namespace: "default", Job: "j", MaxParallelism: 128, BufferTimeout: time.Hour,
		Operators: []graph.Operator{
			{Name: "in", Role: graph.RoleSource, Parallelism: 2, Outputs: []string{"out"}, Watermark: &graph.Watermark{OutOfOrder: faultyBound * time.Millisecond}},
			{Name: "count", Role: graph.RoleModule, Parallelism: 2, Inputs: []string{"in"}, Outputs: []string{"out"}, Module: process},
			{Name: "sink", Role: graph.RoleSink, Parallelism: 1, Inputs: []string{"in"}},
		},
		Edges: []graph.Edge{{ID: 0, From: 0, To: 1, Partition: graph.ByKey}, {ID: 1, From: 1, To: 2, Partition: graph.Rebalance}},
		Tasks: []graph.Task{{ID: 0, Operators: []int{0}, Parallelism: 2}, {ID: 1, Operators: []int{1}, Parallelism: 2}, {ID: 2, Operators: []int{2}, Parallelism: 1}},
	}
	return f
}

// want is the output without faults.
func (f *faulty) want() map[string]int {
	counts := map[string]int{}
	for _, batches := range f.in {
		for _, b := range batches {
			for c := record.NewCursor(b); c.Next(); {
				counts[fmt.Sprintf("%s until %d", c.Key, (c.Timestamp/faultyWindow+1)*faultyWindow)]++
			}
		}
	}
	lines := map[string]int{}
	for window, n := range counts {
		lines[fmt.Sprintf("%s: %d", window, n)]++
	}
	return lines
}

func (f *faulty) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("seed %d: %v", f.seed, err)
	}
}

func (f *faulty) run() (restores int) {
	f.start(0)
	crashes := 1 + f.r.IntN(4)
	for !f.over() {
		switch n := f.r.IntN(300); {
		case n < 6 && len(f.pending) < 3:
			f.tell(Command{Trigger, f.next}, f.tasks[:2])
			f.pending[f.next] = map[int]Checkpoint{}
			f.next++
		case n == 6 && len(f.pending) > 0:
			number := slices.Sorted(maps.Keys(f.pending))[f.r.IntN(len(f.pending))]
			delete(f.pending, number)
			f.tell(Command{Abort, number}, f.tasks)
		case n == 7 && crashes > 0 && len(f.completed) > 0:
			crashes--
			restores++
			all := slices.Sorted(maps.Keys(f.completed))
			f.stop()
			f.start(all[f.r.IntN(len(all))])
		default:
			f.turn(f.tasks[f.r.IntN(len(f.tasks))])
		}
		f.settle()
	}
	f.stop()
	f.commit(math.MaxUint64) // the final checkpoint
	if want := f.want(); !maps.Equal(f.output, want) {
		for _, line := range slices.Sorted(maps.Keys(want)) {
			if f.output[line] != want[line] {
				f.t.Logf("%q: %d times, want %d", line, f.output[line], want[line])
			}
		}
		f.t.Fatalf("seed %d: %d lines, want %d", f.seed, len(f.output), len(want))
	}
	return restores
}

func (f *faulty) over() bool {
	return !slices.ContainsFunc(f.tasks, func(t *faultyTask) bool { return t.last == nil })
}

func (f *faulty) tell(c Command, tasks []*faultyTask) {
	for _, t := range tasks {
		t.commands <- c
	}
}

// turn moves one task.
func (f *faulty) turn(t *faultyTask) {
	ctx := f.t.Context()
	if len(t.late) > 0 && f.r.IntN(3) == 0 {
		f.write(t)
	}
	if t.last != nil {
		for len(t.commands) > 0 {
			<-t.commands
		}
		return
	}
	_, err := t.obey(ctx)
	f.must(err)
	p, err := t.Task.turn(ctx)
	f.must(err)
	f.must(t.makeRoom(ctx))
	switch {
	case p == ended:
		for len(t.late) > 0 {
			f.write(t)
		}
		last, err := t.finish(ctx)
		f.must(err)
		t.last = &last
		f.stage(math.MaxUint64, last)
	case p == nothing || f.r.IntN(4) == 0:
		f.must(t.flush(ctx))
		f.must(t.makeRoom(ctx))
	}
}

// write writes the oldest snapshot of a task, some time after it was taken.
func (f *faulty) write(t *faultyTask) {
	c := t.late[0]
	t.late = t.late[1:]
	defer c.Close()
	if s := c.Parts[0].Keyed; s != nil {
		var b bytes.Buffer
		info, err := s.Write(&b)
		f.must(err)
		if _, ok := t.chain.Written(info); !ok {
			f.t.Fatalf("seed %d: checkpoint %d builds on %d, which is not known", f.seed, c.Number, info.Since)
		}
		t.runs[c.Number] = b.Bytes()
	}
	if acks := f.pending[c.Number]; acks != nil {
		acks[t.index] = c
	}
}

func (f *faulty) stage(number uint64, c Checkpoint) {
	if staged := c.Parts[0].Transaction; staged != nil {
		f.staged = append(f.staged, faultyStage{number, staged})
	}
}

// commit makes visible what was staged up to a checkpoint.
func (f *faulty) commit(upTo uint64) {
	f.staged = slices.DeleteFunc(f.staged, func(s faultyStage) bool {
		if s.number > upTo {
			return false
		}
		var lines []string
		f.must(json.Unmarshal(s.data, &lines))
		for _, line := range lines {
			f.output[line]++
		}
		return true
	})
}

// settle completes the checkpoints that have all their parts.
func (f *faulty) settle() {
	for _, n := range slices.Sorted(maps.Keys(f.pending)) {
		acks := f.pending[n]
		missing := slices.ContainsFunc(f.tasks, func(t *faultyTask) bool { _, ok := acks[t.index]; return !ok && t.last == nil })
		if missing {
			continue
		}
		for _, older := range slices.Sorted(maps.Keys(f.pending)) {
			if older < n {
				delete(f.pending, older)
				f.tell(Command{Abort, older}, f.tasks)
			}
		}
		delete(f.pending, n)
		f.complete(n, acks)
	}
}

func (f *faulty) complete(n uint64, acks map[int]Checkpoint) {
	cut := &faultyCut{}
	for _, t := range f.tasks {
		c, taken := acks[t.index]
		if !taken {
			c = *t.last
		}
		part := c.Parts[0]
		r := Restored{Finished: c.Finished, Splits: part.Splits, Watermark: part.Watermark}
		if part.Assigned != nil {
			r.Assigned = [][]byte{part.Assigned}
		}
		if c.Finished {
			r.Watermark = NoWatermark
		}
		cut.restore = append(cut.restore, map[string]Restored{part.Operator: r})
		var runs []state.RunInfo
		if taken && part.Keyed != nil {
			runs = chainOf(t.runs, n)
		}
		cut.infos = append(cut.infos, runs)
		cut.bytes = append(cut.bytes, maps.Clone(t.runs))
		if part.Operator == "sink" {
			upTo := n
			if !taken {
				upTo = math.MaxUint64 // it has come to its end
			}
			f.commit(upTo)
		}
	}
	cut.output = maps.Clone(f.output)
	f.completed[n] = cut
	f.tell(Command{Confirm, n}, f.tasks)
}

// chainOf finds the runs that a checkpoint consists of, oldest first.
func chainOf(runs map[uint64][]byte, n uint64) (chain []state.RunInfo) {
	for n > 0 {
		r, err := state.NewRunReader(bytes.NewReader(runs[n]))
		if err != nil {
			panic(err)
		}
		chain = append(chain, state.RunInfo{Checkpoint: n, Since: r.Since, Bytes: int64(len(runs[n]))})
		n = r.Since
	}
	slices.Reverse(chain)
	return chain
}

// start begins an attempt, from a completed checkpoint if it is not 0.
func (f *faulty) start(from uint64) {
	f.t.Helper()
	cut := f.completed[from]
	f.output, f.staged, f.pending = map[string]int{}, nil, map[uint64]map[int]Checkpoint{}
	if cut != nil {
		f.output = maps.Clone(cut.output)
	}
	maps.DeleteFunc(f.completed, func(n uint64, _ *faultyCut) bool { return n > from })
	f.hub = exchange.NewHub(exchange.Config{Job: id.Job{Namespace: "default", Name: "j"}, Subject: "t"})
	f.tasks = nil
	for _, gt := range []struct{ task, subtask int }{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}} {
		t := &faultyTask{index: len(f.tasks), commands: make(chan Command, 1<<10), runs: map[uint64][]byte{}, chain: &state.Chain{}}
		f.tasks = append(f.tasks, t)
		config := Config{
			Plan: f.plan, Task: f.plan.Tasks[gt.task], Subtask: gt.subtask, Failed: f.hub.Failed(), Cause: f.hub.Err, Commands: t.commands,
			Outputs: map[int]*exchange.Writer{}, Opener: &faultyOpener{f, t, cut},
			Report: func(c Checkpoint) {
				t.late = append(t.late, c)
				f.stage(c.Number, c)
			},
		}
		if cut != nil {
			config.Restore = cut.restore[t.index]
		}
		local := func(exchange.Channel) bool { return false }
		if gt.task > 0 {
			var channels []exchange.Channel
			for from := range 2 {
				channels = append(channels, exchange.Channel{Edge: gt.task - 1, From: from, To: gt.subtask})
				config.Inputs = append(config.Inputs, Input{Edge: gt.task - 1, From: from})
			}
			var err error
			config.Inbox, err = f.hub.Inbox(f.plan.Operators[gt.task].Name, gt.subtask, channels, local)
			f.must(err)
		}
		t.Task = New(config)
	}
	// Writers need the inboxes of their receivers.
	for i, receivers := range []int{2, 2, 1, 1} {
		t := f.tasks[i]
		edge := f.plan.Edges[i/2]
		w, err := f.hub.Writer(edge.ID, i%2, receivers, edge.Partition, 128, func(int) bool { return false })
		f.must(err)
		t.config.Outputs[edge.ID] = w
		t.Task = New(t.config)
	}
	for _, t := range f.tasks {
		f.begin(t)
	}
}

// begin does what Run does in front of its loop.
func (f *faulty) begin(t *faultyTask) {
	ctx := f.t.Context()
	f.must(t.Open(ctx))
	if t.Task.ended() {
		last, err := t.finish(ctx)
		f.must(err)
		t.last = &last
		return
	}
	if t.head.isSource() {
		f.must(t.head.openSource(ctx, time.Now()))
	}
	f.must(t.Task.begin(ctx))
}

func (f *faulty) stop() {
	for _, t := range f.tasks {
		for i := range t.late {
			t.late[i].Close()
		}
		f.must(t.Close())
	}
	f.must(f.hub.Close())
}
