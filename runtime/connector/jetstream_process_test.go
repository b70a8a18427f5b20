package connector_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
)

func TestMain(m *testing.M) {
	natstest.Main()
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// shared is a server for all tests that leave it alone; they have streams of their own.
var shared sharedNATS

type sharedNATS struct {
	once    sync.Once
	server  *natstest.Server
	err     error
	folder  string
	streams int
	mu      sync.Mutex
}

func (s *sharedNATS) url(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.folder, s.err = os.MkdirTemp("", "wasmill-nats"); s.err == nil {
			s.server, s.err = natstest.Run(s.folder)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server.URL
}

// name is one that no other test has.
func (s *sharedNATS) name(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams++
	return fmt.Sprintf("%s%d", prefix, s.streams)
}

func (s *sharedNATS) stop() {
	if s.server != nil {
		s.server.Kill()
	}
	os.RemoveAll(s.folder)
}

// client is a connection of the test's own.
func client(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// makeStream makes one on file storage.
func makeStream(t testing.TB, js jetstream.JetStream, name string, subjects ...string) jetstream.Stream {
	t.Helper()
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: subjects, Storage: jetstream.FileStorage})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publish(t testing.TB, js jetstream.JetStream, subject string, values ...string) {
	t.Helper()
	for _, v := range values {
		if _, err := js.Publish(t.Context(), subject, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
}
