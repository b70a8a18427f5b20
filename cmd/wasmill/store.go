package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/dir"
	"github.com/wasmill/wasmill/snapshots/s3"
)

// jobStore is where jobs keep their logs and checkpoints.
type jobStore struct {
	url   string
	store snapshots.Store
}

// defaultStore is a folder of the user's, where state lasts through a restart of the
// machine.
func defaultStore() string {
	if base := os.Getenv("XDG_STATE_HOME"); base != "" {
		return filepath.Join(base, "wasmill")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "wasmill")
	}
	return filepath.Join(home, ".local", "state", "wasmill")
}

// openStore opens a folder, or a bucket by its URL. A server that does not answer and a
// bucket that is not there are found out here, not at the first checkpoint.
func openStore(ctx context.Context, url string) (*jobStore, error) {
	s, err := connectStore(url)
	if err != nil {
		return nil, err
	}
	return s, s.reach(ctx)
}

func (s *jobStore) reach(ctx context.Context) error {
	if remote, ok := s.store.(*s3.Store); ok {
		return s.failure(remote.Reach(ctx))
	}
	return nil
}

// connectStore is openStore without a question to the server: a worker process starts
// while the store is away for a moment, too.
func connectStore(url string) (s *jobStore, err error) {
	s = &jobStore{url: url}
	switch scheme, _, isURL := strings.Cut(url, "://"); {
	case !isURL || scheme == "file":
		s.store, err = dir.Open(url)
	case scheme == "s3":
		s.store, err = s3.Open(url)
	default:
		err = fmt.Errorf("open store: no scheme %q (write a folder, file:///FOLDER or s3://BUCKET/PREFIX)", scheme)
	}
	if err != nil {
		return nil, invalid(err)
	}
	return s, nil
}

// failure gives an error of a server its exit code.
func (s *jobStore) failure(err error) error {
	if _, remote := s.store.(*s3.Store); err == nil || !remote {
		return err
	}
	place, _, _ := strings.Cut(s.url, "?")
	switch {
	case errors.Is(err, snapshots.ErrDenied):
		return deniedError{fmt.Errorf("store %s: %w", place, err)}
	case errors.Is(err, fault.ErrTransient):
		return &unreachableError{fmt.Errorf("store %s: %w (does its server run, and is the endpoint right? tls=false in the URL is for servers without TLS)", place, err)}
	case errors.Is(err, snapshots.ErrNoBucket):
		return invalid(fmt.Errorf("store %s: %w", place, err))
	}
	return err
}

// storeOf opens the store of a job. A flag on the command line wins over the job file,
// which wins over what is configured.
func storeOf(ctx context.Context, cmd *cobra.Command, plan *graph.Plan, flag string) (*jobStore, error) {
	said := cmd.Flags().Changed("store")
	if plan.Checkpoint.Store != "" && !said {
		flag = plan.Checkpoint.Store
	}
	s, err := connectStore(flag)
	switch {
	case err != nil && said:
		return nil, usagef("--store: %w", err)
	case err != nil:
		return nil, err
	}
	return s, s.reach(ctx)
}
