package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/worker"
)

// workers are what runs a job's tasks, in this process or in others.
type workers struct {
	transport cluster.Transport
	names     []string

	local    chan error // from the worker in this process
	children []*child
	server   *server.Server
}

// inherited is the configuration of worker processes, which see no command line.
type inherited struct{ cacheDir, logLevel, logFormat string }

func inheritedConfig(cmd *cobra.Command) inherited {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	return inherited{cacheDir: flag("cache-dir"), logLevel: flag("log-level"), logFormat: flag("log-format")}
}

// child is a supervisor process; it ends when its leash is closed.
type child struct {
	cmd    *exec.Cmd
	leash  *os.File
	exited chan struct{} // closed when it is gone
}

func startWorkers(cmd *cobra.Command, o runOptions, modules *worker.Modules) (*workers, error) {
	if o.workers == 0 {
		return startLocal(cmd.Context(), modules), nil
	}
	return startProcesses(o, inheritedConfig(cmd))
}

// startLocal starts the worker of this process. An interrupt ends it through the
// coordinator, so ctx must outlive that.
func startLocal(ctx context.Context, modules *worker.Modules) *workers {
	w := &workers{transport: cluster.NewLocal(), names: []string{"local"}, local: make(chan error, 1)}
	one := worker.New(worker.Config{
		Name: "local", Transport: w.transport, Modules: modules, Stdin: os.Stdin, Stdout: os.Stdout,
	})
	go func() { w.local <- one.Run(ctx) }()
	return w
}

func startProcesses(o runOptions, config inherited) (*workers, error) {
	w := &workers{}
	address := o.nats
	if address == "" {
		var err error
		if w.server, address, err = startNATS(); err != nil {
			return nil, err
		}
	}
	// Jobs that share a server are told apart by a name that nobody else has.
	clusterName := "run-" + rand.Text()
	transport, err := cluster.NewNATS(address, clusterName, "coordinator")
	if err != nil {
		w.stop(nil)
		return nil, &unreachableError{err}
	}
	w.transport = transport
	for i := range o.workers {
		name := fmt.Sprintf("w%d", i)
		c, err := startChild(name, clusterName, address, config)
		if err != nil {
			w.stop(nil)
			return nil, err
		}
		w.names = append(w.names, name)
		w.children = append(w.children, c)
		go w.reap(name, c)
	}
	return w, nil
}

// startNATS embeds a server on loopback, at a free port, with a token of its own.
func startNATS() (*server.Server, string, error) {
	token := rand.Text()
	s, err := server.NewServer(&server.Options{
		ServerName: "wasmill-run", Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token,
		NoLog: true, NoSigs: true, MaxPayload: 1 << 20, MaxPending: 64 << 20,
		// Credit keeps a receiver that stands still from being sent more than it may hold;
		// the server need not cut it off.
		WriteDeadline: 2 * time.Minute,
	})
	if err != nil {
		return nil, "", fmt.Errorf("start embedded NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, "", errors.New("start embedded NATS: not ready within 10s")
	}
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		s.Shutdown()
		return nil, "", fmt.Errorf("start embedded NATS: %w", err)
	}
	u.User = url.User(token)
	return s, u.String(), nil
}

// startChild starts a supervisor. What it needs to know is in its environment, not in
// its arguments, which everybody on the machine can read.
func startChild(name, clusterName, address string, config inherited) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start worker %s: %w", name, err)
	}
	hold, leash, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start worker %s: %w", name, err)
	}
	defer hold.Close()
	cmd := exec.Command(self, superviseVerb, name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envClusterName+"="+clusterName, envNATS+"="+address, "WASMILL_CACHE_DIR="+config.cacheDir,
		"WASMILL_LOG_LEVEL="+config.logLevel, "WASMILL_LOG_FORMAT="+config.logFormat)
	cmd.ExtraFiles = []*os.File{hold}
	if err := cmd.Start(); err != nil {
		leash.Close()
		return nil, fmt.Errorf("start worker %s: %w", name, err)
	}
	return &child{cmd: cmd, leash: leash, exited: make(chan struct{})}, nil
}

// reap waits for a child and tells the coordinator, which may not know yet: a killed
// supervisor takes its engine with it, and nobody is left to say so.
func (w *workers) reap(name string, c *child) {
	err := c.cmd.Wait()
	close(c.exited)
	if err == nil {
		return
	}
	leaving := cluster.Leaving{Reason: fmt.Sprintf("supervisor ended: %v", err)}
	// After the job's end nobody listens.
	_ = w.transport.Send(cluster.CoordinatorAddress, cluster.Envelope{From: name, Term: 1, Message: leaving})
}

// How long workers may take to end by themselves, and to do so when let go.
const (
	shutdownPatience = 2 * time.Second
	leashPatience    = time.Second
)

// stop ends every worker, returns when all are gone, and says what all processes used.
func (w *workers) stop(engines []int) usage {
	pids := append([]int{os.Getpid()}, engines...)
	for _, c := range w.children {
		pids = append(pids, c.cmd.Process.Pid)
	}
	peak := peakRSS(pids)
	for _, name := range w.names {
		// A worker that can't be told loses its leash below.
		_ = w.transport.Send(name, cluster.Envelope{From: cluster.CoordinatorAddress, Term: 1, Message: cluster.Shutdown{}})
	}
	if w.local != nil {
		<-w.local
	}
	patience := time.After(shutdownPatience)
	for _, c := range w.children {
		select {
		case <-c.exited:
			c.leash.Close()
			continue
		case <-patience:
			patience = time.After(0)
		}
		c.leash.Close()
		select {
		case <-c.exited:
		case <-time.After(leashPatience):
			c.cmd.Process.Kill() // a stopped supervisor does not see its leash
			<-c.exited
		}
	}
	if w.transport != nil {
		w.transport.Close()
	}
	if w.server != nil {
		w.server.Shutdown()
		w.server.WaitForShutdown()
	}
	return usage{cpuSeconds: cpuSeconds(), peakRSSBytes: peak}
}
