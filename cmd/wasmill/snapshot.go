package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

// storeFlags are the flags of verbs that read a store while no job runs for them.
type storeFlags struct {
	url       string
	namespace string
	quiet     bool
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "store", defaultStore(), "store of the job: a folder, or s3://BUCKET/PREFIX?endpoint=HOST:PORT")
	cmd.Flags().StringVar(&f.namespace, "namespace", defaultNamespace, "namespace of the job")
}

// addQuiet is for verbs that may read much.
func (f *storeFlags) addQuiet(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "show no progress")
}

// defaultNamespace is that of jobs that name none.
const defaultNamespace = "default"

// open opens a store that is there: looking into one does not make it.
func (f *storeFlags) open(ctx context.Context) (*jobStore, error) {
	if path, isFile := strings.CutPrefix(f.url, "file://"); isFile || !strings.Contains(path, "://") {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, notFoundf("store %s: there is no such folder (--store says where the job keeps its checkpoints)", path)
		}
	}
	return openStore(ctx, f.url)
}

// read opens the store for a verb, and ends it when it is interrupted.
func (f *storeFlags) read(cmd *cobra.Command, do func(context.Context, *jobStore) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	s, err := f.open(ctx)
	if err == nil {
		if err = do(ctx, s); errors.Is(err, fault.ErrTransient) {
			err = s.failure(err)
		}
	}
	if err != nil && errors.Is(context.Cause(ctx), errInterrupted) {
		return errInterrupted
	}
	return err
}

// job is a job that a command line names.
func (f *storeFlags) job(name string) (id.Job, error) {
	job := id.Job{Namespace: cmp.Or(f.namespace, defaultNamespace), Name: name}
	switch {
	case !id.ValidName(job.Namespace):
		return job, usagef("--namespace %q: must be of a–z, 0–9 and -, at most 63", job.Namespace)
	case !id.ValidName(name):
		return job, usagef("JOB %q: must be of a–z, 0–9 and -, at most 63", name)
	}
	return job, nil
}

// log reads the log of a job that is there.
func (s *jobStore) log(ctx context.Context, job id.Job) (*snapshots.Log, *snapshots.State, error) {
	log := &snapshots.Log{Store: s.store, Job: job}
	state, err := log.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if state.Next > 1 {
		return log, &state, nil
	}
	jobs, err := snapshots.Jobs(ctx, s.store, job.Namespace)
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.Name
	}
	return nil, nil, notFoundf("job %s is not in store %s (%s)", job, s.url, graph.Suggest(job.Name, names))
}

// snapshot is a checkpoint that is looked into.
type snapshot struct {
	job      id.Job
	folder   snapshots.Folder
	manifest *snapshots.Manifest
	former   bool // of an earlier life of the job
	meter    *meter
}

func (s *snapshot) String() string { return fmt.Sprintf("%s/%d", s.job.Name, s.manifest.Checkpoint) }

// snapshotName is checkpoint:JOB/N, JOB/N or JOB/latest.
type snapshotName struct {
	job    id.Job
	number uint64 // 0: the latest
}

func (f *storeFlags) parseSnapshot(text string) (n snapshotName, err error) {
	name, number, ok := strings.Cut(strings.TrimPrefix(text, "checkpoint:"), "/")
	if ok && number != "latest" {
		n.number, err = strconv.ParseUint(number, 10, 64)
		ok = err == nil && n.number > 0
	}
	if !ok || !id.ValidName(name) {
		return n, usagef("SNAPSHOT %q: must be JOB/NUMBER, JOB/latest or checkpoint:JOB/NUMBER", text)
	}
	n.job, err = f.job(name)
	return n, err
}

// snapshot finds a retained checkpoint.
func (s *jobStore) snapshot(ctx context.Context, n snapshotName, m *meter) (*snapshot, error) {
	_, state, err := s.log(ctx, n.job)
	if err != nil {
		return nil, err
	}
	c := state.Newest()
	if n.number > 0 {
		c = state.Find(n.number)
	}
	if c == nil {
		what := "checkpoint"
		if n.number > 0 {
			what = fmt.Sprintf("checkpoint %d", n.number)
		}
		return nil, notFoundf("job %s has no %s (%s)", n.job, what, retained(state))
	}
	all, _ := c.Size()
	m.expect(all)
	folder := snapshots.Folder{Store: &meteredStore{s.store, m}, Path: snapshots.JobFolder(n.job)}
	return &snapshot{n.job, folder, &c.Manifest, c.Former, m}, nil
}

// retained says which checkpoints there are.
func retained(state *snapshots.State) string {
	if len(state.Checkpoints) == 0 {
		return "none is retained"
	}
	var numbers []string
	for _, c := range slices.Backward(state.Checkpoints) {
		text := strconv.FormatUint(c.Checkpoint, 10)
		if c.Former {
			text += " of an earlier life"
		}
		numbers = append(numbers, text)
	}
	return "retained: " + strings.Join(numbers, ", ")
}

// withSnapshot opens the snapshot that an argument names.
func (f *storeFlags) withSnapshot(cmd *cobra.Command, name string, do func(context.Context, *snapshot) error) error {
	return f.withSnapshots(cmd, []string{name}, func(ctx context.Context, found []*snapshot) error { return do(ctx, found[0]) })
}

// withSnapshots opens the snapshots that arguments name. They have one meter.
func (f *storeFlags) withSnapshots(cmd *cobra.Command, names []string, do func(context.Context, []*snapshot) error) error {
	var parsed []snapshotName
	for _, name := range names {
		n, err := f.parseSnapshot(name)
		if err != nil {
			return err
		}
		parsed = append(parsed, n)
	}
	return f.read(cmd, func(ctx context.Context, s *jobStore) error {
		m := newMeter(f.quiet)
		defer m.close()
		var found []*snapshot
		for _, n := range parsed {
			one, err := s.snapshot(ctx, n, m)
			if err != nil {
				return err
			}
			found = append(found, one)
		}
		err := do(ctx, found)
		if errors.Is(err, fault.ErrCorrupt) {
			return s.stillThere(ctx, found, err)
		}
		return err
	})
}

// stillThere tells damage from a checkpoint that its job has deleted meanwhile.
func (s *jobStore) stillThere(ctx context.Context, read []*snapshot, damage error) error {
	for _, r := range read {
		_, state, err := s.log(ctx, r.job)
		if err == nil && state.Find(r.manifest.Checkpoint) == nil {
			return lostRaceError{fmt.Errorf("checkpoint %s was deleted while it was read (%s)", r, retained(state))}
		}
	}
	return damage
}

// operator finds an operator of a snapshot.
func (s *snapshot) operator(name string) (*snapshots.Operator, error) {
	if o := s.manifest.Operator(name); o != nil {
		return o, nil
	}
	var names []string
	for _, o := range s.manifest.Operators {
		names = append(names, o.Name)
	}
	return nil, notFoundf("checkpoint %s has no operator %q (%s)", s, name, graph.Suggest(name, names))
}

// completionTime is how long a shell waits for names.
const completionTime = 2 * time.Second

// complete completes the first argument with names of jobs, and what follows them.
func (f *storeFlags) complete(suffix string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if len(args) > 0 || configure(cmd) != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		s, err := f.open(ctx)
		if err != nil {
			return nil, none
		}
		jobs, err := snapshots.Jobs(ctx, s.store, cmp.Or(f.namespace, defaultNamespace))
		if err != nil {
			return nil, none
		}
		var names []string
		for _, j := range jobs {
			names = append(names, j.Name+suffix)
		}
		return names, none
	}
}

// verbGroup is a verb that has verbs of its own.
func verbGroup(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, v := range verbs {
				names = append(names, v.Name())
			}
			return fmt.Errorf("no verb %q (%s)", args[0], graph.Suggest(args[0], names))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(verbs...)
	return c
}
