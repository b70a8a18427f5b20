package exchange

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/record"
)

var everyRemote = func(Channel) bool { return true }

// awaitFailure waits for a hub to fail.
func awaitFailure(t *testing.T, h *Hub) error {
	t.Helper()
	select {
	case <-h.Failed():
		return h.Err()
	case <-time.After(patience):
		t.Fatal("the hub does not fail")
		return nil
	}
}

// forge makes a frame for the only channel of a test, right but for what is changed.
func forge(change func(h *header, payload *[]byte)) []byte {
	h := header{Kind: Data, Attempt: id.Attempt{Term: 1, Number: 1}, Channel: Channel{Edge: 1}, Sequence: 1}
	payload := batchOf(ownKey, "forged")
	change(&h, &payload)
	frame := append(make([]byte, headerSize), payload...)
	sealFrame(frame, &h)
	return frame
}

func TestWrongFramesFailTheAttempt(t *testing.T) {
	at := func(sequence uint64) []byte {
		return forge(func(h *header, _ *[]byte) { h.Sequence = sequence })
	}
	full := func(sequence uint64) []byte {
		return forge(func(h *header, payload *[]byte) {
			h.Sequence, *payload = sequence, bytes.Repeat([]byte{1}, MaxFrameSize)
		})
	}
	fragment := func(sequence uint64, total int64, piece string) []byte {
		return forge(func(h *header, payload *[]byte) {
			h.Kind, h.Sequence, h.Value, *payload = Fragment, sequence, total, []byte(piece)
		})
	}
	damaged := at(1)
	damaged[headerSize+2] ^= 4
	cases := []struct {
		name   string
		frames [][]byte
		class  error
		reason string
	}{
		{"a frame is missing", [][]byte{at(1), at(3)}, fault.ErrTransient, "frame 3 came where 2 was due: 1 lost or overtaken"},
		{"a frame comes twice", [][]byte{at(1), at(1)}, fault.ErrTransient, "frame 1 came again or late, 2 was due"},
		{"frames change places", [][]byte{at(2), at(1)}, fault.ErrTransient, "frame 2 came where 1 was due"},
		{"the last frame is missing", [][]byte{at(1), forge(func(h *header, p *[]byte) { h.Kind, h.Sequence, *p = probe, 3, nil })}, fault.ErrTransient, "sender is at frame 3"},
		{"a frame is damaged", [][]byte{damaged}, fault.ErrCorrupt, "checksum"},
		{"no frame at all", [][]byte{[]byte("hello")}, fault.ErrCorrupt, "frame of 5 bytes"},
		{"a later attempt sends", [][]byte{forge(func(h *header, _ *[]byte) { h.Attempt.Number = 2 })}, fault.ErrFenced, "attempt 1.1 is over: a frame of attempt 1.2 came"},
		{"another channel", [][]byte{forge(func(h *header, _ *[]byte) { h.Channel.From = 9 })}, fault.ErrCorrupt, "not here: edge 1, subtask 9 to 0"},
		{"a credit", [][]byte{forge(func(h *header, p *[]byte) { h.Kind, *p = credit, nil })}, fault.ErrCorrupt, "credit came where data is due"},
		{"more than credit allows", [][]byte{full(1), full(2), full(3), full(4)}, fault.ErrCorrupt, "frame 4 passes its credit"},
		{"a record of impossible size", [][]byte{fragment(1, record.MaxSize+1, "a")}, fault.ErrCorrupt, "fragment of a record of 1073741825 bytes"},
		{"fragments of two records", [][]byte{fragment(1, 40, "a"), fragment(2, 41, "b")}, fault.ErrCorrupt, "does not continue"},
		{"a batch among fragments", [][]byte{fragment(1, 40, "a"), at(2)}, fault.ErrCorrupt, "data comes in the middle"},
		{"data that is no batch", [][]byte{forge(func(h *header, p *[]byte) { h.Kind, *p = Data, []byte("abc") })}, fault.ErrCorrupt, "3 bytes left"},
		{"fragments that are no record", [][]byte{fragment(1, 3, "abc")}, fault.ErrCorrupt, "3 bytes left"},
	}
	s := startServer(t)
	raw, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := natsHub(t, s, Config{Credit: 3 * maxCost})
			in, err := h.Inbox("receiver", 0, []Channel{{Edge: 1}}, everyRemote)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Ready(); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.name, "credit allows") {
				in.Pause(0) // whoever takes a frame allows another
			}
			for _, frame := range c.frames {
				if err := raw.Publish(h.dataSubject(1, 0), frame); err != nil {
					t.Fatal(err)
				}
			}
			err = receiveUntilFailure(t, in)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("failed with %v (%T), want %q of class %v", err, err, c.reason, c.class)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// receiveUntilFailure takes elements only after they waited, so that credit is used
// up before any is given back.
func receiveUntilFailure(t *testing.T, in *Inbox) error {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case <-in.hub.Failed():
			return in.hub.Err()
		case <-in.Ready():
			for {
				_, e, ok := in.Next()
				if !ok {
					break
				}
				defer in.Release(e)
			}
		case <-timeout:
			t.Fatal("the hub does not fail")
		}
	}
}

func TestFramesOfAnEarlierAttemptAreIgnored(t *testing.T) {
	e := openEdge(t, medium{"nats", openNATS}, Config{Attempt: id.Attempt{Term: 2, Number: 1}}, 1, 1, graph.Forward)
	old := forge(func(h *header, _ *[]byte) { h.Attempt, h.Channel.Edge = id.Attempt{Term: 1, Number: 9}, 7 })
	oldCredit := forge(func(h *header, p *[]byte) { h.Attempt, h.Kind, h.Value, *p = id.Attempt{Term: 1}, credit, 1<<40, nil })
	e.inboxes[0].receive(old)
	e.writers[0].receive(oldCredit)
	if _, el, ok := e.inboxes[0].Next(); ok {
		t.Errorf("an old %s frame was taken", el.Kind)
	}
	if granted := e.writers[0].outlets[0].granted.Load(); granted != 0 {
		t.Errorf("an old credit granted %d", granted)
	}
	e.close()
}

func TestLostServerFailsBothEnds(t *testing.T) {
	s := startServer(t)
	sender, receiver := natsHub(t, s, Config{}), natsHub(t, s, Config{})
	if _, err := receiver.Inbox("receiver", 0, []Channel{{}}, everyRemote); err != nil {
		t.Fatal(err)
	}
	w, err := sender.Writer(0, 0, 1, graph.Forward, 128, func(int) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	for _, h := range []*Hub{sender, receiver} {
		if err := awaitFailure(t, h); !errors.Is(err, fault.ErrTransient) || !strings.Contains(err.Error(), "lost the NATS connection") {
			t.Errorf("failed with %v", err)
		}
	}
	w.Write(batchOf(ownKey, "too late"))
	w.Flush()
	if done, err := w.Drain(); done || err == nil {
		t.Errorf("drain says %v, %v", done, err)
	}
	for _, h := range []*Hub{sender, receiver} {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDroppedMessagesFailTheirJobAlone(t *testing.T) {
	s := startServer(t)
	conn := connect(t, s)
	c := named(Config{Conn: conn, Credit: maxCost})
	h := NewHub(c)
	c.Job.Name = "other"
	other := NewHub(c)
	in, err := h.Inbox("receiver", 0, []Channel{{}}, everyRemote)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Ready(); err != nil {
		t.Fatal(err)
	}
	raw := connect(t, s)
	// A receiver that does not even take frames off the client.
	in.mu.Lock()
	frame := forge(func(h *header, p *[]byte) { h.Channel.Edge, *p = 0, bytes.Repeat([]byte{1}, MaxFrameSize) })
	for range 100 {
		if err := raw.publish(h.dataSubject(0, 0), frame); err != nil {
			t.Fatal(err)
		}
	}
	err = awaitFailure(t, h)
	in.mu.Unlock()
	if !errors.Is(err, nats.ErrSlowConsumer) || !errors.Is(err, fault.ErrTransient) {
		t.Errorf("failed with %v", err)
	}
	if err := other.Err(); err != nil {
		t.Errorf("the other job failed with %v", err)
	}
}

func TestStalledJobLeavesOthersOnTheConnectionAlone(t *testing.T) {
	s := startServer(t)
	from, to := connect(t, s), connect(t, s)
	open := func(job string) (*Writer, *Inbox) {
		c := named(Config{})
		c.Job.Name = job
		c.Conn = to
		receiver := NewHub(c)
		in, err := receiver.Inbox("receiver", 0, []Channel{{}}, everyRemote)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Ready(); err != nil {
			t.Fatal(err)
		}
		c.Conn = from
		w, err := NewHub(c).Writer(0, 0, 1, graph.Forward, 128, func(int) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return w, in
	}
	stalled, slow := open("stalled")
	batch := batchOf(ownKey, strings.Repeat("x", 30<<10))
	written := 0
	for stalled.outlets[0].sender.limit < DefaultCredit || stalled.backlog == 0 {
		stalled.Write(batch)
		written++
		drainUntil(t, stalled, func() bool { return stalled.backlog == 0 || stalled.outlets[0].sender.limit >= DefaultCredit })
	}
	if sent := stalled.outlets[0].sender.sent; sent > DefaultCredit {
		t.Errorf("%d bytes are under way, credit is %d", sent, DefaultCredit)
	}

	w, in := open("flowing")
	go func() {
		for range 1000 {
			w.Write(batch)
			drain(t, w)
		}
		w.Control(Element{Kind: End})
		drain(t, w)
	}()
	if came := receiveAll(t, in)[0]; len(came) != 1001 {
		t.Errorf("%d of 1000 records came past the stalled job", len(came)-1)
	}

	finished := make(chan struct{})
	go func() {
		defer close(finished)
		stalled.Control(Element{Kind: End})
		drain(t, stalled)
	}()
	if came := receiveAll(t, slow)[0]; len(came) != written+1 {
		t.Errorf("%d of %d records came after the stall", len(came)-1, written)
	}
	<-finished
}

func TestCreditOfAConnectionIsBounded(t *testing.T) {
	conn := &Conn{hubs: map[*Hub]struct{}{}}
	sum := 0
	for inbox := 0; ; inbox++ {
		each, err := conn.reserve(16, DefaultCredit)
		if err != nil {
			if inbox < 20 || !strings.Contains(err.Error(), "lower the parallelism") {
				t.Errorf("after %d inboxes: %v", inbox, err)
			}
			break
		}
		if each < maxCost || each > DefaultCredit {
			t.Fatalf("inbox %d has %d bytes a channel", inbox, each)
		}
		if sum += 16 * each; sum > server.MAX_PENDING_SIZE/2 {
			t.Fatalf("%d bytes are granted after %d inboxes", sum, inbox)
		}
	}
	conn.leave(nil, sum)
	if each, err := conn.reserve(1, DefaultCredit); err != nil || each != DefaultCredit {
		t.Errorf("when all left, a channel gets %d, %v", each, err)
	}
}

func TestConnectNamesWhatIsWrong(t *testing.T) {
	o := serverOptions()
	o.MaxPayload = 1 << 10
	small, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	small.Start()
	defer small.Shutdown()
	if !small.ReadyForConnections(patience) {
		t.Fatal("NATS server does not start")
	}
	cases := []struct{ name, url, reason string }{
		{"small messages only", small.ClientURL(), "its max_payload is 1024 bytes, frames take up to 49208"},
		{"nobody there", "nats://127.0.0.1:1", "connect to NATS for data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Connect(c.url); err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("connect says %v, want %q", err, c.reason)
			}
		})
	}
}

func TestWrongSetupsAreRefused(t *testing.T) {
	here := func(Channel) bool { return false }
	local, remote := func(int) bool { return false }, func(int) bool { return true }
	cases := []struct {
		name   string
		config Config
		make   func(h *Hub) error
		reason string
	}{
		{"frames too small", Config{FrameSize: 1}, func(h *Hub) error { _, err := h.Inbox("a", 0, nil, here); return err }, "frame size 1"},
		{"too little credit", Config{Credit: 1}, func(h *Hub) error { _, err := h.Writer(0, 0, 1, graph.ByKey, 128, local); return err }, "credit of 1 bytes"},
		{"remote inbox without a connection", Config{}, func(h *Hub) error { _, err := h.Inbox("a", 0, []Channel{{}}, everyRemote); return err }, "need a connection"},
		{"remote writer without a connection", Config{}, func(h *Hub) error { _, err := h.Writer(0, 0, 1, graph.ByKey, 128, remote); return err }, "need a connection"},
		{"no inbox", Config{}, func(h *Hub) error { _, err := h.Writer(0, 0, 1, graph.ByKey, 128, local); return err }, "no local inbox"},
		{"no receivers", Config{}, func(h *Hub) error { _, err := h.Writer(0, 0, 0, graph.ByKey, 128, local); return err }, "no receivers"},
		{"forward past the last", Config{}, func(h *Hub) error { _, err := h.Writer(0, 2, 2, graph.Forward, 128, local); return err }, "forward to 2"},
		{"more receivers than groups", Config{}, func(h *Hub) error { _, err := h.Writer(0, 0, 9, graph.ByKey, 8, local); return err }, "9 receivers of 8 key groups"},
		{"unknown partitioning", Config{}, func(h *Hub) error { _, err := h.Writer(0, 0, 1, "odd", 8, local); return err }, `"odd"`},
		{"two inboxes of a channel", Config{}, func(h *Hub) error { _, err := h.Inbox("a", 0, []Channel{{}, {}}, here); return err }, "exists"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.make(NewHub(named(c.config))); err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error is %v, want %q", err, c.reason)
			}
		})
	}
}
