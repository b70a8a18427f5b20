package connector_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// With natsFolder set, this test binary is a NATS server that keeps its streams there.
const (
	natsFolder = "WASMILL_TEST_NATS_FOLDER"
	natsPort   = "WASMILL_TEST_NATS_PORT"
)

func TestMain(m *testing.M) {
	if os.Getenv(natsFolder) != "" {
		serveNATS()
	}
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// serveNATS serves until it is killed or its input ends, and prints where.
func serveNATS() {
	port, err := strconv.Atoi(cmp.Or(os.Getenv(natsPort), strconv.Itoa(server.RANDOM_PORT)))
	var s *server.Server
	if err == nil {
		s, err = server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, JetStream: true, StoreDir: os.Getenv(natsFolder)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.Start()
	s.ReadyForConnections(10 * time.Second)
	fmt.Println(s.ClientURL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// natsServer is a process that can be killed and comes back with its files.
type natsServer struct {
	url, folder string
	cmd         *exec.Cmd
	stdin       io.Closer
}

func startNATS(folder, port string) (*natsServer, error) {
	n := &natsServer{folder: folder, cmd: exec.Command(os.Args[0])}
	n.cmd.Env = append(os.Environ(), natsFolder+"="+folder, natsPort+"="+port)
	n.cmd.Stderr = os.Stderr
	var err error
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	n.url, err = bufio.NewReader(out).ReadString('\n')
	n.url = strings.TrimSpace(n.url)
	return n, err
}

func (n *natsServer) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
	n.stdin.Close()
}

// again starts the server anew, where it was.
func (n *natsServer) again(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(n.url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := startNATS(n.folder, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.kill)
	n.cmd, n.stdin = next.cmd, next.stdin
}

// ownNATS is a server that only this test has.
func ownNATS(t *testing.T) *natsServer {
	t.Helper()
	n, err := startNATS(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	return n
}

// shared is a server for all tests that leave it alone; they have streams of their own.
var shared sharedNATS

type sharedNATS struct {
	once    sync.Once
	server  *natsServer
	err     error
	folder  string
	streams int
	mu      sync.Mutex
}

func (s *sharedNATS) url(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.folder, s.err = os.MkdirTemp("", "wasmill-nats"); s.err == nil {
			s.server, s.err = startNATS(s.folder, "")
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server.url
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
		s.server.kill()
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
