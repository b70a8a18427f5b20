package exchange

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/record"
)

// faults are the shares of frames that a network treats badly.
type faults struct {
	drop, double, corrupt, swap, stale float64
}

// network is NATS as seen by a simulation: it keeps frames until the simulation
// delivers them, and does harm to some.
type network struct {
	rand     *rand.Rand
	data     faults // to frames from senders to receivers
	credit   faults // to credits
	handlers map[string]func([]byte)
	frames   map[string][][]byte // under way, by subject
	harm     int                 // frames lost, doubled or damaged that must be noticed
}

func (n *network) join(*Hub) error                    { return nil }
func (n *network) leave(*Hub, int)                    {}
func (n *network) flush() error                       { return nil }
func (n *network) reserve(_, credit int) (int, error) { return credit, nil }
func (n *network) chance(p float64) bool              { return n.rand.Float64() < p }
func (n *network) put(subject string, frame []byte) {
	n.frames[subject] = append(n.frames[subject], frame)
}
func (n *network) subjects() (withFrames []string) { return slices.Sorted(maps.Keys(n.frames)) }
func (n *network) subscribe(subject string, _, _ int, handle func([]byte)) (func() error, error) {
	n.handlers[subject] = handle
	return func() error { return nil }, nil
}

func (n *network) publish(subject string, frame []byte) error {
	frame = slices.Clone(frame)
	f, counts := &n.data, Kind(frame[5]) != probe
	if Kind(frame[5]) == credit {
		f, counts = &n.credit, false
	}
	if n.chance(f.stale) {
		old := slices.Clone(frame)
		h, _, _ := openFrame(old)
		h.Attempt.Number--
		sealFrame(old, &h)
		n.put(subject, old)
	}
	switch {
	case n.chance(f.drop):
		n.harmed(counts)
		return nil
	case n.chance(f.double):
		n.harmed(counts)
		n.put(subject, frame)
	case n.chance(f.corrupt):
		n.harmed(true)
		frame = slices.Clone(frame)
		frame[n.rand.IntN(len(frame))] ^= 1 << n.rand.IntN(8)
	}
	n.put(subject, frame)
	if q := n.frames[subject]; n.chance(f.swap) {
		i := n.rand.IntN(len(q))
		q[i], q[len(q)-1] = q[len(q)-1], q[i]
	}
	return nil
}

func (n *network) harmed(counts bool) {
	if counts {
		n.harm++
	}
}

// deliver hands over the oldest frame of a subject picked at random.
func (n *network) deliver() bool {
	subjects := n.subjects()
	if len(subjects) == 0 {
		return false
	}
	subject := subjects[n.rand.IntN(len(subjects))]
	q := n.frames[subject]
	if len(q) == 1 {
		delete(n.frames, subject)
	} else {
		n.frames[subject] = q[1:]
	}
	n.handlers[subject](q[0])
	return true
}

// simulation drives writers and inboxes over a network, in one goroutine, by chance.
type simulation struct {
	t       *testing.T
	rand    *rand.Rand
	network *network
	hub     *Hub // of the receivers
	sender  *Hub
	writers []*Writer
	inboxes []*Inbox
	sent    map[Channel][]string
	came    map[Channel][]string
	holding []held
	counter int
}

type held struct {
	inbox   *Inbox
	element Element
}

func newSimulation(t *testing.T, seed uint64, data, credits faults) *simulation {
	random := rand.New(rand.NewPCG(seed, 3))
	n := &network{rand: random, data: data, credit: credits, handlers: map[string]func([]byte){}, frames: map[string][][]byte{}}
	c := named(Config{FrameSize: MinFrameSize, Credit: maxCost + random.IntN(300<<10), Attempt: id.Attempt{Term: 1, Number: 5}})
	s := &simulation{t: t, rand: random, network: n, hub: newHub(c, n), sender: newHub(c, n), sent: map[Channel][]string{}, came: map[Channel][]string{}}
	const senders, receivers = 3, 2
	far := func(Channel) bool { return true }
	for r := range receivers {
		in, err := s.hub.Inbox("receiver", r, []Channel{{1, 0, r}, {1, 1, r}, {1, 2, r}}, far)
		if err != nil {
			t.Fatal(err)
		}
		s.inboxes = append(s.inboxes, in)
	}
	for from := range senders {
		w, err := s.sender.Writer(1, from, receivers, graph.Partitions, 128, func(int) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		s.writers = append(s.writers, w)
	}
	return s
}

func (s *simulation) step() {
	w := s.writers[s.rand.IntN(len(s.writers))]
	in := s.inboxes[s.rand.IntN(len(s.inboxes))]
	switch s.rand.IntN(16) {
	case 0, 1, 2:
		if w.backlog == 0 {
			s.write(w)
		}
	case 3:
		if w.backlog == 0 {
			s.control(w, Element{Kind: []Kind{Watermark, Barrier, Idle, Active}[s.rand.IntN(4)], Value: int64(s.counter)})
		}
	case 4:
		w.Flush()
	case 5, 6:
		w.Drain()
	case 7:
		s.network.deliver()
		if s.rand.IntN(8) == 0 {
			s.probe()
		}
	case 8:
		channel := s.rand.IntN(3)
		in.Pause(channel)
	case 9:
		in.Resume(s.rand.IntN(3))
	case 10, 11:
		s.release()
	case 12, 13:
		s.receive(in)
	default:
		s.network.deliver()
	}
}

// write gives a writer a few records for one receiver: mostly small, some that fill a
// frame, few that take many.
func (s *simulation) write(w *Writer) {
	to := s.rand.IntN(len(s.inboxes))
	channel := w.outlets[to].channel
	var b record.Builder
	for range 1 + s.rand.IntN(30) {
		size := 20 + s.rand.IntN(2000)
		if s.rand.IntN(200) == 0 {
			size = s.rand.IntN(100 << 10)
		}
		s.counter++
		value := fmt.Appendf(nil, "%d %s", s.counter, strings.Repeat("x", size))
		b.Append(record.Insert, 0, nil, value)
		s.sent[channel] = append(s.sent[channel], digest(value))
	}
	if err := w.WriteTo(to, b.Bytes()); err != nil {
		s.t.Fatal(err)
	}
}

func digest(value []byte) string {
	number, _, _ := strings.Cut(string(value[:min(20, len(value))]), " ")
	return fmt.Sprintf("%s (%d bytes)", number, len(value))
}

func (s *simulation) control(w *Writer, e Element) {
	s.counter++
	w.Control(e)
	for _, o := range w.outlets {
		s.sent[o.channel] = note(s.sent[o.channel], e)
	}
}

// note adds a control, in place of one that it supersedes.
func note(notes []string, e Element) []string {
	text := fmt.Sprintf("%s %d", e.Kind, e.Value)
	if n := len(notes); n > 0 {
		name, _, _ := strings.Cut(notes[n-1], " ")
		for kind, known := range kindNames {
			if known == name && supersedes(e.Kind, kind) {
				notes[n-1] = text
				return notes
			}
		}
	}
	return append(notes, text)
}

func (s *simulation) receive(in *Inbox) bool {
	index, e, ok := in.Next()
	if !ok {
		return false
	}
	p := in.ports[index]
	if p.paused {
		s.t.Fatalf("paused channel %s gave %s", p.channel, e.Kind)
	}
	if e.Kind != Data {
		s.came[p.channel] = note(s.came[p.channel], e)
		return true
	}
	for c := record.NewCursor(e.Batch); c.Next(); {
		s.came[p.channel] = append(s.came[p.channel], digest(c.Value))
	}
	s.holding = append(s.holding, held{in, e})
	return true
}

func (s *simulation) release() {
	if len(s.holding) > 0 {
		s.holding[0].inbox.Release(s.holding[0].element)
		s.holding = s.holding[1:]
	}
}

func (s *simulation) probe() {
	if err := s.sender.Probe(); err != nil {
		s.t.Fatal(err)
	}
}

// settle ends all channels and goes on until nothing moves any more.
func (s *simulation) settle() {
	for _, w := range s.writers {
		s.control(w, Element{Kind: End})
	}
	for still := 0; still < 20 && s.err() == nil; {
		moved := false
		for _, w := range s.writers {
			before := w.backlog
			w.Drain()
			moved = moved || w.backlog != before
		}
		for s.network.deliver() {
		}
		for _, in := range s.inboxes {
			for channel := range in.ports {
				in.Resume(channel)
			}
			for s.receive(in) {
				moved = true
			}
		}
		for len(s.holding) > 0 {
			s.release()
		}
		if still++; moved {
			still = 0
		}
		if !moved {
			s.probe()
		}
	}
}

func (s *simulation) err() error {
	if err := s.hub.Err(); err != nil {
		return err
	}
	return s.sender.Err()
}

// check holds what came against what was sent: all of it, or what came before the
// failure, and nothing else.
func (s *simulation) check(mustPass bool) {
	s.t.Helper()
	err := s.err()
	if err != nil && mustPass {
		s.t.Errorf("failed: %v", err)
	}
	if err == nil && s.network.harm > 0 {
		s.t.Errorf("%d frames were harmed and nobody noticed", s.network.harm)
	}
	for channel, sent := range s.sent {
		came := s.came[channel]
		if err == nil && !slices.Equal(came, sent) {
			s.t.Errorf("%s: %d elements came, %d were sent, or they differ", channel, len(came), len(sent))
		}
		// A superseded control may have come before what superseded it was sent.
		if records := onlyRecords(came); err != nil && !slices.Equal(records, onlyRecords(sent)[:len(records)]) {
			s.t.Errorf("%s: what came before the failure is not what was sent", channel)
		}
	}
}

func onlyRecords(notes []string) []string {
	return slices.DeleteFunc(slices.Clone(notes), func(s string) bool { return !strings.HasSuffix(s, " bytes)") })
}

func TestSimulatedNetworks(t *testing.T) {
	cases := []struct {
		name     string
		data     faults
		credit   faults
		mustPass bool
	}{
		{"delays only", faults{}, faults{}, true},
		{"frames of an earlier attempt", faults{stale: 0.1}, faults{stale: 0.1}, true},
		{"credits doubled and overtaken", faults{}, faults{double: 0.3, swap: 0.5}, true},
		{"credits lost", faults{}, faults{drop: 0.3}, true},
		{"credits damaged", faults{}, faults{corrupt: 0.05}, false},
		{"frames lost", faults{drop: 0.01}, faults{}, false},
		{"frames doubled", faults{double: 0.01}, faults{}, false},
		{"frames overtaken", faults{swap: 0.02}, faults{}, false},
		{"frames damaged", faults{corrupt: 0.01}, faults{}, false},
		{"everything", faults{drop: 0.002, double: 0.002, corrupt: 0.002, swap: 0.002, stale: 0.05}, faults{drop: 0.1, double: 0.1, swap: 0.1}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(15) {
				s := newSimulation(t, seed, c.data, c.credit)
				for range 2000 {
					s.step()
				}
				s.settle()
				if s.check(c.mustPass); t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// TestBitFlipsAreNoticed flips every bit of a frame.
func TestBitFlipsAreNoticed(t *testing.T) {
	frame := append(make([]byte, headerSize), batchOf(ownKey, "a", "b")...)
	sealFrame(frame, &header{Kind: Data, Attempt: id.Attempt{Term: 1, Number: 2}, Channel: Channel{3, 4, 5}, Sequence: 6})
	for bit := range len(frame) * 8 {
		frame[bit/8] ^= 1 << (bit % 8)
		if _, _, err := openFrame(frame); err == nil {
			t.Errorf("bit %d flipped, nobody noticed", bit)
		}
		frame[bit/8] ^= 1 << (bit % 8)
	}
	if got := binary.LittleEndian.Uint32(frame[48:]); int(got) != len(frame)-headerSize {
		t.Errorf("payload length is %d", got)
	}
}
