package task

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/exchange"
)

// simTask is one of a house: sources feed middles, middles feed ends, all to all.
type simTask struct {
	merge   merge
	in, out []*simChannel
	source  bool
	time    int64
	ended   bool
	cuts    map[uint64]*simCut
	taken   uint64 // the newest of cuts

	overtakes bool
	trigger   uint64 // of a source: the newest checkpoint it has started
}

// simChannel has elements that wait at its sender and others that wait at its receiver.
type simChannel struct {
	pending, queue []simElement
	paused         bool
	sent, received int
	newest         uint64  // barrier that came
	recording      *simCut // of the receiver, while it records
	checkpoint     uint64  // that it records
}

type simElement struct {
	exchange.Element
	data bool
	time int64
	n    int // of a record in its channel, from 1
}

type simCut struct {
	sent, received []int                 // by channel
	caught         map[*simChannel][]int // records in flight, in order
	open           int                   // channels that are recorded still
}

func (t *simTask) send(e simElement) {
	for _, c := range t.out {
		if e.data {
			c.sent++
			e.n = c.sent
		}
		c.pending = append(c.pending, e)
	}
}

func (t *simTask) control(kind exchange.Kind, value int64) {
	t.send(simElement{Element: exchange.Element{Kind: kind, Value: value}})
}

func (t *simTask) cut(checkpoint uint64) {
	cut := &simCut{caught: map[*simChannel][]int{}}
	for _, c := range t.in {
		cut.received = append(cut.received, c.received)
		c.recording = nil // of an earlier one, which never will be complete
	}
	for _, c := range t.out {
		cut.sent = append(cut.sent, c.sent)
		if t.overtakes && c.barrier(t.taken) >= 0 {
			t.cuts[t.taken].open++ // what it overtakes will not be known
		}
	}
	t.cuts[checkpoint], t.taken = cut, checkpoint
	t.control(exchange.Barrier, int64(checkpoint))
}

// hasten puts the barrier of the last cut in front of what waits in the outputs.
func (t *simTask) hasten() {
	for _, c := range t.out {
		at := c.barrier(t.taken)
		if at < 0 {
			continue
		}
		cut := t.cuts[t.taken]
		for _, e := range c.pending[:at] {
			if e.data {
				cut.caught[c] = append(cut.caught[c], e.n)
			}
		}
		barrier := c.pending[at]
		c.pending = slices.Insert(slices.Delete(c.pending, at, at+1), 0, barrier)
	}
}

// barrier is where one waits at the sender, -1 if it does not.
func (c *simChannel) barrier(checkpoint uint64) int {
	return slices.IndexFunc(c.pending, func(e simElement) bool { return e.Kind == exchange.Barrier && uint64(e.Value) == checkpoint })
}

// record catches what a channel has, and will have, in front of its barrier.
func (t *simTask) record(c *simChannel) {
	cut := t.cuts[t.taken]
	cut.open++
	c.recording, c.checkpoint = cut, t.taken
	for _, e := range c.queue {
		c.note(e)
	}
}

func (c *simChannel) note(e simElement) {
	cut := c.recording
	switch {
	case cut == nil:
	case e.data:
		cut.caught[c] = append(cut.caught[c], e.n)
	case e.Kind == exchange.End, (e.Kind == exchange.Barrier || e.Kind == exchange.Abort) && uint64(e.Value) >= c.checkpoint:
		c.recording = nil
		cut.open--
	}
}

// carry takes one element from the sender to the receiver.
func (c *simChannel) carry() {
	if len(c.pending) == 0 {
		return
	}
	e := c.pending[0]
	c.pending = c.pending[1:]
	if e.Kind == exchange.Barrier {
		c.newest = max(c.newest, uint64(e.Value))
	}
	c.note(e)
	c.queue = append(c.queue, e)
}

// promise is what barriers do in a simulation.
type promise int

const (
	atLeastOnce promise = iota
	aligning
	overtaking
)

// Every checkpoint that all tasks take is a consistent cut, with what is in flight
// (D2), and no record comes below the watermark of the task that gets it, however
// deliveries, checkpoints, aborts, ends of input and barriers that overtake fall
// together. Every other seed has channels that fall idle: their records may come late.
func TestSimulatedCutsAreConsistent(t *testing.T) {
	inFlight := 0
	for seed := range uint64(600) {
		inFlight += simulate(t, seed, []promise{aligning, overtaking, aligning, overtaking, atLeastOnce}[seed%5])
	}
	if inFlight < 1000 {
		t.Errorf("%d records were in flight: the simulation shows little", inFlight)
	}
}

func simulate(t *testing.T, seed uint64, p promise) (inFlight int) {
	r := rand.New(rand.NewPCG(seed, 7))
	sources, middles, ends := simHouse(r, p != atLeastOnce)
	all := slices.Concat(sources, middles, ends)
	for _, task := range all {
		task.overtakes = p == overtaking
	}
	var checkpoint uint64
	for round := 0; ; round++ {
		task := all[r.IntN(len(all))]
		if len(task.out) > 0 {
			for range r.IntN(4) {
				task.out[r.IntN(len(task.out))].carry()
			}
		}
		switch {
		case r.IntN(60) == 0:
			checkpoint++
		case p == overtaking && r.IntN(10) == 0:
			simOvertake(t, r, task, seed)
		case task.source:
			simSource(r, task, checkpoint, round, seed%2 == 1)
		case !task.ended:
			simDeliver(t, r, task, seed)
		}
		if !slices.ContainsFunc(all, func(t *simTask) bool { return !t.ended }) {
			break
		}
	}
	complete := 0
	for n := uint64(1); n <= checkpoint; n++ {
		if caught, ok := simCheck(t, seed, n, p != atLeastOnce, sources, middles, ends); ok {
			inFlight += caught
			complete++
		}
	}
	if seed < 2 && complete == 0 {
		t.Error("no checkpoint completed: the simulation shows nothing")
	}
	return inFlight
}

// simOvertake lets barriers overtake that wait in the outputs of a task or in its inputs.
func simOvertake(t *testing.T, r *rand.Rand, task *simTask, seed uint64) {
	if r.IntN(2) == 0 {
		task.hasten()
		return
	}
	var newest uint64
	for _, c := range task.in {
		newest = max(newest, c.newest)
	}
	if newest > task.merge.done && !task.ended {
		simDo(task, task.merge.overtake(newest))
	}
}

func simHouse(r *rand.Rand, aligned bool) (sources, middles, ends []*simTask) {
	layer := func(n int) (tasks []*simTask) {
		for range n {
			tasks = append(tasks, &simTask{cuts: map[uint64]*simCut{}})
		}
		return tasks
	}
	sources, middles, ends = layer(1+r.IntN(3)), layer(1+r.IntN(3)), layer(1+r.IntN(2))
	wire := func(from, to []*simTask) {
		for _, a := range from {
			for _, b := range to {
				c := &simChannel{}
				a.out, b.in = append(a.out, c), append(b.in, c)
			}
		}
	}
	wire(sources, middles)
	wire(middles, ends)
	for _, s := range sources {
		s.source = true
	}
	for _, m := range slices.Concat(middles, ends) {
		m.merge = newMerge(make([]Input, len(m.in)), aligned)
	}
	return sources, middles, ends
}

func simSource(r *rand.Rand, s *simTask, checkpoint uint64, round int, idles bool) {
	switch {
	case s.ended:
	case s.trigger < checkpoint && r.IntN(5) == 0:
		if s.trigger = checkpoint; r.IntN(6) == 0 {
			s.control(exchange.Abort, int64(checkpoint)) // the coordinator gave it up meanwhile
			return
		}
		s.cut(checkpoint)
	case round > 1500 && r.IntN(40) == 0:
		s.ended = true
		s.control(exchange.End, 0)
	case r.IntN(3) == 0:
		s.time += int64(r.IntN(5))
		s.control(exchange.Watermark, s.time)
	case idles && r.IntN(30) == 0:
		s.control(exchange.Idle, 0)
		s.control(exchange.Active, 0)
	default:
		s.send(simElement{data: true, time: s.time + int64(r.IntN(10))})
	}
}

func simDeliver(t *testing.T, r *rand.Rand, task *simTask, seed uint64) {
	i := r.IntN(len(task.in))
	c := task.in[i]
	if c.paused || len(c.queue) == 0 {
		return
	}
	e := c.queue[0]
	c.queue = c.queue[1:]
	if e.data {
		c.received++
		if seed%2 == 0 && e.time < task.merge.watermark {
			t.Fatalf("seed %d: a record of time %d below the watermark %d", seed, e.time, task.merge.watermark)
		}
		task.send(e)
		return
	}
	steps, err := task.merge.control(i, e.Element)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	simDo(task, steps)
}

func simDo(task *simTask, steps []step) {
	for _, s := range steps {
		switch s.kind {
		case overtake:
			task.cut(uint64(s.value))
			task.hasten()
		case catch:
			task.record(task.in[s.value])
		case pause:
			task.in[s.value].paused = true
		case resume:
			task.in[s.value].paused = false
		case snapshot:
			task.cut(uint64(s.value))
		case giveUp:
			task.control(exchange.Abort, s.value)
		case advance:
			task.control(exchange.Watermark, s.value)
		case becomeIdle:
			task.control(exchange.Idle, 0)
		case becomeActive:
			task.control(exchange.Active, 0)
		case finish:
			task.ended = true
			task.control(exchange.End, 0)
		}
	}
}

// simCheck compares both ends of every channel, and what was caught in between; false
// if a task did not take the checkpoint although it had not ended, or did not get to
// record all that was in flight.
func simCheck(t *testing.T, seed, n uint64, exactlyOnce bool, layers ...[]*simTask) (inFlight int, ok bool) {
	for _, task := range slices.Concat(layers...) {
		if cut := task.cuts[n]; cut == nil || cut.open > 0 {
			return 0, false
		}
	}
	sent, left := map[*simChannel]int{}, map[*simChannel][]int{}
	for _, task := range slices.Concat(layers...) {
		for i, c := range task.out {
			sent[c], left[c] = task.cuts[n].sent[i], task.cuts[n].caught[c]
		}
	}
	for _, task := range slices.Concat(layers...) {
		for i, c := range task.in {
			received := task.cuts[n].received[i]
			caught := slices.Concat(task.cuts[n].caught[c], left[c])
			for at, number := range caught {
				if number != received+at+1 {
					t.Fatalf("seed %d, checkpoint %d: records %v in flight behind %d in the snapshot", seed, n, caught, received)
				}
			}
			inFlight += len(caught)
			if received += len(caught); exactlyOnce && received != sent[c] || received < sent[c] {
				t.Fatalf("seed %d, checkpoint %d: %d records in front of the barrier, %d in the snapshot", seed, n, sent[c], received)
			}
		}
	}
	return inFlight, true
}
