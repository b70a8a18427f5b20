package exchange

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/record"
)

// inForce is a record and what the controls ahead of it said.
type inForce struct {
	record    string
	watermark int64
	idle      bool
}

// reader follows a channel.
type reader struct {
	records []inForce
	now     inForce
}

func (r *reader) control(kind Kind, value int64) {
	switch kind {
	case Watermark:
		r.now.watermark, r.now.idle = value, false
	case Idle, Active:
		r.now.idle = kind == Idle
	}
}

func (r *reader) data(batch []byte) {
	for c := record.NewCursor(batch); c.Next(); {
		r.now.record = digest(c.Value)
		r.records = append(r.records, r.now)
	}
}

func (r *reader) caught(c Caught) {
	if r.control(c.Kind, c.Value); c.Kind == Data {
		r.data(c.Batch)
	}
}

// cut is one checkpoint of the simulation.
type cut struct {
	sent     map[Channel]int // records in front of the barrier
	taken    map[*Inbox]bool // it has been taken
	received map[Channel]int // records that came before it was
	recorded map[*Inbox]bool
	caught   map[Channel]*reader // a channel's, in order: the inbox's and then the writer's
	left     map[Channel][]Caught
}

// Whenever a barrier overtakes, in the writers, in the inboxes or in both, what came
// before the snapshot and what was caught is what was sent before the barrier, in order,
// with the same controls in force; and the channels carry everything as if nothing had
// happened.
func TestSimulatedOvertaking(t *testing.T) {
	caught := 0
	for seed := range uint64(40) {
		s := newSimulation(t, seed, faults{}, faults{drop: 0.1, double: 0.1})
		s.network.rand = rand.New(rand.NewPCG(seed, 11))
		o := &overtakers{simulation: s, sent: map[Channel]*reader{}, received: map[Channel]int{}, noted: map[Channel]int{}, recordings: map[*Inbox]*Recording{}, passed: map[Channel]int64{}}
		for _, w := range s.writers {
			for _, out := range w.outlets {
				o.sent[out.channel] = &reader{}
			}
		}
		o.begin()
		for range 6000 {
			o.step()
		}
		if s.settle(); s.err() != nil {
			t.Fatalf("seed %d: %v", seed, s.err())
		}
		for channel, sent := range s.sent {
			if !slices.Equal(onlyRecords(s.came[channel]), onlyRecords(sent)) {
				t.Fatalf("seed %d, %s: what came is not what was sent", seed, channel)
			}
		}
		caught += o.caughtInAll
	}
	if caught < 1000 {
		t.Errorf("%d records were caught: the simulation shows nothing", caught)
	}
}

type overtakers struct {
	*simulation
	number      int64
	cut         cut
	sent        map[Channel]*reader
	received    map[Channel]int
	noted       map[Channel]int // of simulation.sent
	recordings  map[*Inbox]*Recording
	passed      map[Channel]int64 // the last barrier that Next gave
	caughtInAll int
}

func (o *overtakers) begin() {
	o.number++
	o.cut = cut{
		sent: map[Channel]int{}, taken: map[*Inbox]bool{}, received: map[Channel]int{}, recorded: map[*Inbox]bool{},
		caught: map[Channel]*reader{}, left: map[Channel][]Caught{},
	}
}

func (o *overtakers) step() {
	w := o.writers[o.rand.IntN(len(o.writers))]
	in := o.inboxes[o.rand.IntN(len(o.inboxes))]
	switch o.rand.IntN(20) {
	case 0, 1, 2, 3:
		if w.backlog < 20 {
			o.write(w)
			o.follow(w)
		}
	case 4:
		if w.backlog < 20 {
			e := Element{Kind: []Kind{Watermark, Idle, Active}[o.rand.IntN(3)], Value: int64(o.counter)}
			o.control(w, e)
			for _, out := range w.outlets {
				o.sent[out.channel].control(e.Kind, e.Value)
			}
		}
	case 5, 6:
		w.Drain()
	case 7, 8, 9:
		o.receive(in)
	case 10, 11, 12:
		o.release()
	case 13:
		o.barrier(w)
	case 14:
		o.overtake(w)
	case 15:
		o.take(in)
	case 16:
		o.gather(in)
	default:
		o.network.deliver()
		if o.rand.IntN(8) == 0 {
			o.probe()
		}
	}
}

// follow notes what was written.
func (o *overtakers) follow(w *Writer) {
	for _, out := range w.outlets {
		all := o.simulation.sent[out.channel]
		to := o.sent[out.channel]
		for _, r := range onlyRecords(all[o.noted[out.channel]:]) {
			to.now.record = r
			to.records = append(to.records, to.now)
		}
		o.noted[out.channel] = len(all)
	}
}

func (o *overtakers) barrier(w *Writer) {
	if _, ok := o.cut.sent[w.outlets[0].channel]; ok {
		return
	}
	for _, out := range w.outlets {
		o.cut.sent[out.channel] = len(o.sent[out.channel].records)
	}
	w.Control(Element{Kind: Barrier, Value: o.number})
}

func (o *overtakers) overtake(w *Writer) {
	for _, c := range w.Overtake(uint64(o.number)) {
		o.cut.left[c.Channel] = append(o.cut.left[c.Channel], c)
	}
}

func (o *overtakers) receive(in *Inbox) {
	index, e, ok := in.Next()
	if !ok {
		return
	}
	channel := in.ports[index].channel
	switch e.Kind {
	case Barrier:
		// A task would align; here the channel goes on, so the cut is made now.
		if o.passed[channel] = e.Value; !o.cut.taken[in] {
			o.take(in)
		}
		return
	case Data:
		o.received[channel] += record.Count(e.Batch)
		for c := record.NewCursor(e.Batch); c.Next(); {
			o.came[channel] = append(o.came[channel], digest(c.Value))
		}
		o.holding = append(o.holding, held{in, e})
	default:
		o.came[channel] = note(o.came[channel], e)
	}
}

// take takes the snapshot of a task, if any barrier has come.
func (o *overtakers) take(in *Inbox) {
	if n, _, ok := in.Newest(uint64(o.number - 1)); !ok || n != uint64(o.number) || o.cut.taken[in] {
		return
	}
	o.cut.taken[in] = true
	var open []int
	for i, p := range in.ports {
		o.cut.received[p.channel] = o.received[p.channel]
		if o.passed[p.channel] < o.number {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		o.gathered(in, nil)
		return
	}
	o.recordings[in] = in.Record(uint64(o.number), open)
}

// gather takes what an inbox has recorded.
func (o *overtakers) gather(in *Inbox) {
	r := o.recordings[in]
	if r == nil {
		return
	}
	select {
	case <-r.Done():
		delete(o.recordings, in)
		all, ok := r.Caught()
		if !ok {
			o.t.Fatal("a recording was forgotten")
		}
		o.gathered(in, all)
	default:
	}
}

// gathered holds the cut against what was sent, when all inboxes have recorded.
func (o *overtakers) gathered(in *Inbox, all []Caught) {
	for _, p := range in.ports {
		o.cut.caught[p.channel] = &reader{}
	}
	for _, c := range all {
		o.cut.caught[c.Channel].caught(c)
	}
	if o.cut.recorded[in] = true; len(o.cut.recorded) < len(o.inboxes) {
		return
	}
	for channel, caught := range o.cut.caught {
		for _, c := range o.cut.left[channel] {
			caught.caught(c)
		}
		o.caughtInAll += len(caught.records)
		want := o.sent[channel].records[o.cut.received[channel]:o.cut.sent[channel]]
		if !slices.Equal(caught.records, want) {
			o.t.Fatalf("%s, checkpoint %d: caught\n%v\nwant\n%v", channel, o.number, caught.records, want)
		}
	}
	o.begin()
}
