package exchange

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// told is what was caught, as one reads it.
func told(caught []Caught) string {
	var all []string
	for _, c := range caught {
		if c.Kind != Data {
			all = append(all, fmt.Sprintf("%d: %s %d", c.Channel.From, c.Kind, c.Value))
			continue
		}
		for r := record.NewCursor(c.Batch); r.Next(); {
			all = append(all, fmt.Sprintf("%d: %s", c.Channel.From, digest(r.Value)))
		}
	}
	return strings.Join(all, ", ")
}

// overtaking is one writer and one inbox, driven by words.
type overtaking struct {
	*edge
	recording *Recording
}

func (o *overtaking) do(t *testing.T, word string) (answer string) {
	w, in := o.writers[0], o.inboxes[0]
	switch kind, arg, _ := strings.Cut(word, " "); kind {
	case "large":
		w.Write(batchOf(ownKey, arg+" "+strings.Repeat("x", 3*MaxFrameSize)))
	case "write":
		w.Write(batchOf(ownKey, arg+" "))
	case "watermark", "barrier", "abort":
		var value int64
		fmt.Sscan(arg, &value)
		w.Control(Element{Kind: map[string]Kind{"watermark": Watermark, "barrier": Barrier, "abort": Abort}[kind], Value: value})
	case "idle", "active", "end":
		w.Control(Element{Kind: map[string]Kind{"idle": Idle, "active": Active, "end": End}[kind]})
	case "drain":
		drain(t, w)
		if last := w.outlets[0].sender.sequence; w.outlets[0].subject != "" {
			o.until(t, in, last)
		}
	case "overtake":
		return told(w.Overtake(1))
	case "record":
		o.recording = in.Record(1, []int{0})
	case "forget":
		in.Forget(1)
	case "recorded":
		select {
		case <-o.recording.Done():
		default:
			return "not yet"
		}
		caught, ok := o.recording.Caught()
		if !ok {
			return "never"
		}
		return told(caught)
	case "next":
		_, e, _ := next(t, in)
		defer in.Release(e)
		if e.Kind == Data {
			return told([]Caught{{Kind: Data, Batch: e.Batch}})[3:]
		}
		return fmt.Sprintf("%s %d", e.Kind, e.Value)
	default:
		t.Fatalf("what is %q?", word)
	}
	return ""
}

// until waits until a frame has come over NATS.
func (o *overtaking) until(t *testing.T, in *Inbox, sequence uint64) {
	for {
		in.mu.Lock()
		came := in.ports[0].receiver.sequence >= sequence
		in.mu.Unlock()
		if came {
			return
		}
		select {
		case <-in.Ready():
		case <-t.Context().Done():
			t.Fatal("a frame is lost")
		}
	}
}

func TestWhatABarrierOvertakes(t *testing.T) {
	for name, script := range map[string][]string{
		"in the inbox, up to the barrier": {
			"write 1", "watermark 5", "write 2", "barrier 1", "write 3", "drain", "record", "recorded => 0: 1 (2 bytes), 0: watermark 5, 0: 2 (2 bytes)",
			"next => 1 (2 bytes)", "next => watermark 5", "next => 2 (2 bytes)", "next => barrier 1", "next => 3 (2 bytes)",
		},
		"and what comes before it": {
			"write 1", "drain", "record", "recorded => not yet", "next => 1 (2 bytes)", "write 2", "drain", "recorded => not yet", "write 3", "barrier 1", "write 4", "drain",
			"recorded => 0: 1 (2 bytes), 0: 2 (2 bytes), 0: 3 (2 bytes)",
		},
		"what controls said before goes ahead": {
			"watermark 5", "idle", "drain", "next => watermark 5", "next => idle 0", "active", "write 1", "barrier 1", "drain", "record",
			"recorded => 0: watermark 5, 0: idle 0, 0: active 0, 0: 1 (2 bytes)",
		},
		"controls alone are none":           {"watermark 5", "idle", "barrier 1", "drain", "record", "recorded => "},
		"an end comes without a barrier":    {"write 1", "end", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"so does an abort":                  {"write 1", "abort 1", "write 2", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"barriers of others are none":       {"barrier 0", "write 1", "barrier 2", "write 2", "drain", "record", "recorded => 0: 1 (2 bytes)"},
		"a forgotten recording gives none":  {"write 1", "drain", "record", "recorded => not yet", "forget", "recorded => never", "barrier 1", "drain", "recorded => never"},
		"a later recording takes its place": {"write 1", "drain", "record", "barrier 1", "drain", "record", "forget", "recorded => 0: 1 (2 bytes)"},
		"a large record is caught in whole": {"large 1", "record", "drain", "barrier 1", "drain", "recorded => 0: 1 (147458 bytes)", "next => 1 (147458 bytes)"},
		"in the writer, in front of it": {
			"watermark 5", "drain", "write 1", "watermark 6", "write 2", "barrier 1", "write 3", "overtake => 0: watermark 5, 0: 1 (2 bytes), 0: watermark 6, 0: 2 (2 bytes)", "overtake => ",
			"drain", "next => watermark 5", "next => barrier 1", "next => 1 (2 bytes)", "next => watermark 6", "next => 2 (2 bytes)", "next => 3 (2 bytes)",
		},
		"a large record in the writer":             {"large 1", "barrier 1", "overtake => 0: 1 (147458 bytes)", "drain", "next => barrier 1", "next => 1 (147458 bytes)"},
		"a barrier that is gone overtakes nothing": {"write 1", "barrier 1", "drain", "write 2", "overtake => ", "next => 1 (2 bytes)", "next => barrier 1"},
		"idleness ends with what was caught":       {"idle", "write 1", "barrier 1", "overtake => 0: idle 0, 0: 1 (2 bytes), 0: active 0"},
	} {
		t.Run(name, func(t *testing.T) {
			forMedia(t, func(t *testing.T, m medium) {
				o := &overtaking{edge: openEdge(t, m, Config{FrameSize: MinFrameSize}, 1, 1, graph.Forward)}
				for _, line := range script {
					word, want, _ := strings.Cut(line, " =>")
					if got := o.do(t, word); got != strings.TrimPrefix(want, " ") {
						t.Fatalf("%s: %q, want %q", word, got, want)
					}
				}
				for _, h := range o.hubs {
					if err := h.Err(); err != nil {
						t.Error(err)
					}
					if err := h.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// What was caught comes first after a restore, over another medium as well.
func TestCaughtIsRestored(t *testing.T) {
	channel := Channel{Edge: 7}
	large := "2 " + strings.Repeat("x", 3*MaxFrameSize)
	forMedia(t, func(t *testing.T, m medium) {
		from, to := m.open(t, Config{FrameSize: MinFrameSize})
		far := from != to
		in, err := to.Inbox("receiver", 0, []Channel{channel}, func(Channel) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Restore([]Caught{{Channel: channel, Kind: Watermark, Value: 3}, {Channel: channel, Kind: Data, Batch: batchOf(ownKey, "1 ", large)}}); err != nil {
			t.Fatal(err)
		}
		if err := to.Ready(); err != nil {
			t.Fatal(err)
		}
		w, err := from.Writer(7, 0, 1, graph.Forward, 128, func(int) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Restore([]Caught{{Channel: channel, Kind: Data, Batch: batchOf(ownKey, large, "3 ")}, {Channel: channel, Kind: Watermark, Value: 4}}); err != nil {
			t.Fatal(err)
		}
		w.Control(Element{Kind: End})
		var came [][]string
		received := make(chan struct{})
		go func() { came = receiveAll(t, in); close(received) }()
		drain(t, w)
		<-received
		if want := []string{"watermark 3", "1 ", large, large, "3 ", "watermark 4", "end"}; len(came) == 0 || !slices.Equal(came[0], want) {
			t.Errorf("%d elements came, or they differ", len(came[0]))
		}
		for _, restore := range []func([]Caught) error{in.Restore, w.Restore} {
			if err := restore([]Caught{{Channel: Channel{Edge: 7, From: 1}}}); err == nil {
				t.Error("restored into a channel that is not there")
			}
		}
		for _, h := range []*Hub{from, to} {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

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
