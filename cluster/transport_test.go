package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// transports opens two ends of each kind of transport.
var transports = map[string]func(t *testing.T) (a, b Transport){
	"local": func(t *testing.T) (a, b Transport) {
		l := NewLocal()
		return l, l
	},
	"nats": func(t *testing.T) (a, b Transport) {
		s := startServer(t)
		return connect(t, s.ClientURL(), "a"), connect(t, s.ClientURL(), "b")
	},
}

func startServer(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("server is not ready")
	}
	return s
}

func connect(t *testing.T, url, name string) *NATS {
	t.Helper()
	n, err := NewNATS(url, "test", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestTransportsKeepOrder(t *testing.T) {
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			a, b := open(t)
			inbox, err := b.Listen("b")
			if err != nil {
				t.Fatal(err)
			}
			const n = 1000
			large := strings.Repeat("x", 3<<20) // more than NATS takes at a time
			for i := range n {
				m := ModuleRequest{Offset: i}
				if i%500 == 7 {
					m.SHA256 = large
				}
				if err := a.Send("b", Envelope{From: "a", Term: 4, Message: m}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				select {
				case e := <-inbox:
					m := e.Message.(ModuleRequest)
					if len(m.SHA256) > 0 != (i%500 == 7) || len(m.SHA256) > 0 && m.SHA256 != large {
						t.Fatalf("message %d has %d bytes", i, len(m.SHA256))
					}
					if got := m.Offset; got != i || e.From != "a" || e.Term != 4 {
						t.Fatalf("message %d is %+v", i, e)
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("message %d did not come", i)
				}
			}
		})
	}
}

func TestLocalSendsFailWhenNobodyCanTakeThem(t *testing.T) {
	l := NewLocal()
	m := Envelope{Message: Registered{}}
	if err := l.Send("b", m); err == nil {
		t.Error("sent to nobody")
	}
	if _, err := l.Listen("b"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Listen("b"); err == nil {
		t.Error("listened twice at one address")
	}
	for range inboxSize {
		if err := l.Send("b", m); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Send("b", m); err == nil {
		t.Error("an inbox has no bound")
	}
	l.Close()
	select {
	case <-l.Lost():
	default:
		t.Error("closed, but not lost")
	}
}

func TestNATSSaysWhenTheServerIsGone(t *testing.T) {
	s := startServer(t)
	n := connect(t, s.ClientURL(), "a")
	s.Shutdown()
	select {
	case <-n.Lost():
		if n.Err() == nil {
			t.Error("lost without a reason")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not lost 10s after the server went")
	}
}

func TestNATSEndsAtForeignMessages(t *testing.T) {
	s := startServer(t)
	n := connect(t, s.ClientURL(), "a")
	if _, err := n.Listen("a"); err != nil {
		t.Fatal(err)
	}
	if err := n.conn.Publish("wasmill.test.control.a", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("a foreign message passed")
	}
}

func TestUnreachableServerIsNamed(t *testing.T) {
	s := startServer(t)
	url := s.ClientURL()
	s.Shutdown()
	s.WaitForShutdown()
	_, err := NewNATS(url, "test", "a")
	if err == nil {
		t.Fatal("connected to nobody")
	}
	if want := fmt.Sprintf("connect to NATS at %s", url); len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("got %q", err)
	}
}
