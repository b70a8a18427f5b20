package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/exchange"
)

// The two processes of a worker are this binary under hidden verbs.
const (
	superviseVerb  = "supervise"
	engineVerb     = "engine"
	envClusterName = "WASMILL_CLUSTER_NAME"
	envNATS        = "WASMILL_NATS"
	envStore       = "WASMILL_STORE"
	envDataDir     = "WASMILL_DATA_DIR"
	leashFile      = 3
)

func superviseCommand() *cobra.Command {
	return &cobra.Command{
		Use: superviseVerb + " NAME", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return supervise(cmd.Context(), args[0]) },
	}
}

func engineCommand() *cobra.Command {
	return &cobra.Command{
		Use: engineVerb + " NAME", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return engine(cmd, args[0]) },
	}
}

// supervise runs an engine until it ends or whoever started the supervisor is gone,
// and tells the coordinator if it ended badly.
func supervise(ctx context.Context, name string) error {
	signal.Ignore(os.Interrupt, syscall.SIGPIPE) // the terminal's goes to all; the one who ends a job is the coordinator
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		// The leash carries nothing: its end is what is waited for.
		_, _ = io.Copy(io.Discard, os.NewFile(leashFile, "leash"))
		cancel(errReleased)
	}()
	cmd := exec.Command(self, engineVerb, name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = worker.Supervise(ctx, cmd)
	if err == nil || errors.Is(err, errReleased) {
		return nil
	}
	t, terr := cluster.NewNATS(os.Getenv(envNATS), os.Getenv(envClusterName), name+" supervisor")
	if terr != nil {
		return errors.Join(err, terr)
	}
	defer t.Close()
	return errors.Join(err, t.Send(cluster.CoordinatorAddress, cluster.Envelope{From: name, Message: cluster.Leaving{Reason: err.Error()}}))
}

var errReleased = errors.New("released")

// engine is the process that runs guests.
func engine(cmd *cobra.Command, name string) error {
	signal.Ignore(os.Interrupt, syscall.SIGPIPE)
	ctx, beat := worker.Supervised(cmd.Context())
	h, err := host.New(ctx, hostConfig(cmd))
	if err != nil {
		return err
	}
	defer h.Close()
	address, clusterName := os.Getenv(envNATS), os.Getenv(envClusterName)
	transport, err := cluster.NewNATS(address, clusterName, name)
	if err != nil {
		return err
	}
	defer transport.Close()
	data, err := exchange.Connect(address, nats.Name("wasmill "+name+" data"))
	if err != nil {
		return err
	}
	defer data.Close()
	store, err := connectStore(os.Getenv(envStore))
	if err != nil {
		return err
	}
	own, err := makeOwnFolder(os.Getenv(envDataDir))
	if err != nil {
		return err
	}
	from, err := own.storeFor(store)
	if err != nil {
		return err
	}
	err = worker.New(worker.Config{
		Name: name, Transport: transport, Modules: worker.NewModules(h), Data: data, Cluster: clusterName, Store: from, Dir: own.path,
		Stdin: os.Stdin, Stdout: os.Stdout, Beat: beat, Tasks: shareProcessors,
	}).Run(ctx)
	return errors.Join(err, own.remove())
}
