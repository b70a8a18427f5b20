package exchange

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/record"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// medium is a way to connect senders with receivers; the suite runs over each.
type medium struct {
	name string
	open func(t testing.TB, c Config) (senders, receivers *Hub)
}

func media() []medium {
	return []medium{{"local", openLocal}, {"nats", openNATS}}
}

func openLocal(t testing.TB, c Config) (*Hub, *Hub) {
	c = named(c)
	h := NewHub(c)
	return h, h
}

func openNATS(t testing.TB, c Config) (*Hub, *Hub) {
	s := startServer(t)
	return natsHub(t, s, c), natsHub(t, s, c)
}

func named(c Config) Config {
	c.Job = id.Job{Namespace: id.DefaultNamespace, Name: "test"}
	c.Subject = "wasmill.test"
	if c.Attempt == (id.Attempt{}) {
		c.Attempt = id.Attempt{Term: 1, Number: 1}
	}
	return c
}

func natsHub(t testing.TB, s *server.Server, c Config) *Hub {
	c = named(c)
	c.Conn = connect(t, s)
	return NewHub(c)
}

func connect(t testing.TB, s *server.Server) *Conn {
	t.Helper()
	conn, err := Connect(s.ClientURL(), nats.Name(t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func startServer(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(serverOptions())
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS server does not start")
	}
	return s
}

func serverOptions() *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoLog: true, NoSigs: true,
		MaxPayload: 1 << 20, MaxPending: 64 << 20, WriteDeadline: 2 * time.Minute,
	}
}

// edge is an edge between senders and receivers under test, all in this process.
type edge struct {
	t       testing.TB
	hubs    [2]*Hub
	writers []*Writer
	inboxes []*Inbox
	sending sync.WaitGroup // goroutines of the writers
}

func openEdge(t testing.TB, m medium, c Config, senders, receivers int, partition graph.Partition) *edge {
	t.Helper()
	from, to := m.open(t, c)
	e := &edge{t: t, hubs: [2]*Hub{from, to}}
	far := from != to
	for r := range receivers {
		var channels []Channel
		for s := range senders {
			if partition != graph.Forward || s == r {
				channels = append(channels, Channel{Edge: 7, From: s, To: r})
			}
		}
		in, err := to.Inbox("receiver", r, channels, func(Channel) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		e.inboxes = append(e.inboxes, in)
	}
	if err := to.Ready(); err != nil {
		t.Fatal(err)
	}
	for s := range senders {
		w, err := from.Writer(7, s, receivers, partition, 128, func(int) bool { return far })
		if err != nil {
			t.Fatal(err)
		}
		e.writers = append(e.writers, w)
	}
	return e
}

func (e *edge) close() {
	e.t.Helper()
	e.sending.Wait()
	for _, h := range e.hubs {
		if err := h.Err(); err != nil {
			e.t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			e.t.Fatal(err)
		}
	}
}

// drain sends all that was written, waiting for room.
func drain(t testing.TB, w *Writer) {
	t.Helper()
	w.Flush()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		done, err := w.Drain()
		if err != nil {
			t.Error(err)
			return
		}
		if done {
			return
		}
		select {
		case <-w.Room():
		case <-w.hub.Failed():
		case <-timeout.C:
			t.Error("no room for what was written")
			return
		}
	}
}

// next waits for an element.
func next(t testing.TB, in *Inbox) (int, Element, bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		if channel, e, ok := in.Next(); ok {
			return channel, e, true
		}
		select {
		case <-in.Ready():
		case <-in.hub.Failed():
			t.Error(in.hub.Err())
			return 0, Element{}, false
		case <-timeout.C:
			t.Error("nothing came")
			return 0, Element{}, false
		}
	}
}

// receiveAll reads an inbox until all its channels ended and tells per channel what
// came: the values of the records and the controls, in order.
func receiveAll(t testing.TB, in *Inbox) [][]string {
	t.Helper()
	came := make([][]string, len(in.ports))
	for ended := 0; ended < len(in.ports); {
		channel, e, ok := next(t, in)
		if !ok {
			return came
		}
		switch e.Kind {
		case Data:
			for c := record.NewCursor(e.Batch); c.Next(); {
				came[channel] = append(came[channel], string(c.Value))
			}
			in.Release(e)
		case End:
			ended++
			came[channel] = append(came[channel], "end")
		default:
			came[channel] = append(came[channel], fmt.Sprintf("%s %d", e.Kind, e.Value))
		}
	}
	return came
}

// batchOf makes a batch of records with these values and a key each.
func batchOf(key func(i int) string, values ...string) []byte {
	var b record.Builder
	for i, v := range values {
		b.Append(record.Insert, int64(i), []byte(key(i)), []byte(v))
	}
	return b.Bytes()
}

func numbered(from, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("record %d", from+i)
	}
	return values
}

func ownKey(i int) string { return fmt.Sprintf("key %d", i) }
