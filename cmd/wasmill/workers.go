package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/worker"
)

// workers are what runs a job's tasks, in this process or in others. Processes that
// end before the job does are replaced, under new names.
type workers struct {
	transport cluster.Transport
	count     int
	term      uint64 // that workers obey
	server    *server.Server
	start     func(name string) (*child, error)
	local     chan error // from the worker in this process

	mu       sync.Mutex
	named    int               // guarded by mu; names given out
	children map[string]*child // guarded by mu; those that run
	stopping bool              // guarded by mu
}

// inherited is the configuration of worker processes, which see no command line.
type inherited struct{ cacheDir, dataDir, logLevel, logFormat, store string }

func inheritedConfig(cmd *cobra.Command, dataDir string, store *jobStore) inherited {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	return inherited{cacheDir: flag("cache-dir"), dataDir: dataDir, logLevel: flag("log-level"), logFormat: flag("log-format"), store: store.url}
}

// child is a supervisor process; it ends when its leash is closed.
type child struct {
	cmd    *exec.Cmd
	leash  *os.File
	exited chan struct{} // closed when it is gone
}

// localName is the worker of this process.
const localName = "local"

func startWorkers(cmd *cobra.Command, o runOptions, modules *worker.Modules, store *jobStore, term uint64, equip func(*worker.Config)) (*workers, error) {
	if o.workers == 0 {
		return startLocal(cmd.Context(), o.dataDir, modules, store, term, equip)
	}
	return startProcesses(o, inheritedConfig(cmd, o.dataDir, store), term)
}

// startLocal starts the worker of this process. An interrupt ends it through the
// coordinator, so ctx must outlive that.
func startLocal(ctx context.Context, dataDir string, modules *worker.Modules, store *jobStore, term uint64, equip func(*worker.Config)) (*workers, error) {
	own, err := makeOwnFolder(dataDir)
	if err != nil {
		return nil, err
	}
	from, err := own.storeFor(store)
	if err != nil {
		return nil, err
	}
	w := &workers{transport: cluster.NewLocal(), count: 1, term: term, local: make(chan error, 1)}
	config := worker.Config{
		Name: localName, Transport: w.transport, Modules: modules, Store: from, Dir: own.path,
		Stdin: os.Stdin, Stdout: os.Stdout, Tasks: shareProcessors,
	}
	if equip != nil {
		equip(&config)
	}
	one := worker.New(config)
	go func() {
		err := one.Run(ctx)
		w.local <- errors.Join(err, own.remove())
	}()
	return w, nil
}

func startProcesses(o runOptions, config inherited, term uint64) (*workers, error) {
	w := &workers{count: o.workers, term: term, children: map[string]*child{}}
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
		w.stop()
		return nil, &unreachableError{err}
	}
	w.transport = transport
	w.start = func(name string) (*child, error) { return startChild(name, clusterName, address, config) }
	for range o.workers {
		if err := w.add(); err != nil {
			w.stop()
			return nil, err
		}
	}
	return w, nil
}

// add starts a worker process, unless the job is over.
func (w *workers) add() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return nil
	}
	name := fmt.Sprintf("w%d", w.named)
	w.named++
	c, err := w.start(name)
	if err != nil {
		return err
	}
	w.children[name] = c
	go w.reap(name, c)
	return nil
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
		envStore+"="+config.store, envDataDir+"="+config.dataDir,
		"WASMILL_LOG_LEVEL="+config.logLevel, "WASMILL_LOG_FORMAT="+config.logFormat)
	cmd.ExtraFiles = []*os.File{hold}
	if err := cmd.Start(); err != nil {
		leash.Close()
		return nil, fmt.Errorf("start worker %s: %w", name, err)
	}
	return &child{cmd: cmd, leash: leash, exited: make(chan struct{})}, nil
}

// reap waits for a child, tells the coordinator, which may not know yet (a killed
// supervisor takes its engine with it), and puts another in its place.
func (w *workers) reap(name string, c *child) {
	err := c.cmd.Wait()
	c.leash.Close()
	w.mu.Lock()
	delete(w.children, name)
	stopping := w.stopping
	w.mu.Unlock()
	close(c.exited)
	if stopping {
		return
	}
	leaving := cluster.Leaving{Reason: fmt.Sprintf("supervisor ended: %v", err)}
	if err := w.transport.Send(cluster.CoordinatorAddress, cluster.Envelope{From: name, Message: leaving}); err != nil {
		slog.Warn("worker ended, coordinator not told", "worker", name, "err", err)
	}
	if err := w.add(); err != nil {
		slog.Warn("worker not replaced", "worker", name, "err", err)
	}
}

// How long workers may take to end by themselves, and to do so when let go.
const (
	shutdownPatience = 2 * time.Second
	leashPatience    = time.Second
)

// stop ends every worker, returns when all are gone, and says what all processes used.
func (w *workers) stop() usage {
	w.mu.Lock()
	w.stopping = true
	left := maps.Clone(w.children)
	w.mu.Unlock()
	pids := []int{os.Getpid()}
	for _, c := range left {
		pids = append(append(pids, c.cmd.Process.Pid), childrenOf(c.cmd.Process.Pid)...)
	}
	peak := peakRSS(pids)
	for name := range left {
		// A worker that can't be told loses its leash below.
		_ = w.transport.Send(name, cluster.Envelope{From: cluster.CoordinatorAddress, Term: w.term, Message: cluster.Shutdown{}})
	}
	if w.local != nil {
		_ = w.transport.Send(localName, cluster.Envelope{From: cluster.CoordinatorAddress, Term: w.term, Message: cluster.Shutdown{}})
		select {
		case <-w.local:
		case <-time.After(shutdownPatience): // it ends with the process
		}
	}
	patience := time.After(shutdownPatience)
	for _, c := range left {
		select {
		case <-c.exited:
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
