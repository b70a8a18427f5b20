// Package natstest gives tests a NATS server that can be killed: a process of its own,
// which is the test binary itself. It is not for tests that a server within the process
// would do for. Start with Main.
package natstest

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
)

// What the process is told: folderOf is set, empty for a server without JetStream.
const (
	folderOf = "WASMILL_TEST_NATS_FOLDER"
	portOf   = "WASMILL_TEST_NATS_PORT"
)

// Main makes a process that Run has started the server, until it is killed or its input
// ends; in all others it does nothing. A TestMain calls it first.
func Main() {
	folder, told := os.LookupEnv(folderOf)
	if !told {
		return
	}
	if err := serve(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(folder string) error {
	port, err := strconv.Atoi(cmp.Or(os.Getenv(portOf), strconv.Itoa(server.RANDOM_PORT)))
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, JetStream: folder != "", StoreDir: folder})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("start NATS server: no connection at port %d", port)
	}
	fmt.Println(s.ClientURL())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// Server is a process that can be killed and comes back where it was, with its files.
type Server struct {
	URL    string
	Folder string // where its streams are; "" without JetStream

	process *process
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	once  sync.Once
}

// Start starts a server that is killed when the test ends.
func Start(t testing.TB, folder string) *Server {
	t.Helper()
	s, err := Run(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// Run starts a server that somebody kills.
func Run(folder string) (*Server, error) {
	s := &Server{Folder: folder}
	return s, s.run("")
}

func (s *Server) run(port string) error {
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), folderOf+"="+s.Folder, portOf+"="+port)
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	p.stdin = stdin
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return err
	}
	s.process = p
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
		return fmt.Errorf("start NATS server: %w", err)
	}
	s.URL = strings.TrimSpace(url)
	return nil
}

// Kill kills the process, and returns when it is gone.
func (s *Server) Kill() { s.process.kill() }

func (p *process) kill() {
	p.once.Do(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.stdin.Close()
	})
}

// Again starts a killed server where it was.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "nats://"))
	if err == nil {
		err = s.run(port)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
}
