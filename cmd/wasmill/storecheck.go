package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

func storeCommand() *cobra.Command {
	return verbGroup("store", "Look after a store", storeCheckCommand(), storeGCCommand())
}

func storeCheckCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	var quick bool
	c := &cobra.Command{
		Use:   "check [JOB]",
		Short: "Read everything that retained checkpoints consist of, and say what is damaged",
		Long: `Read the log of a job, or of every job of the namespace, and all that its retained
checkpoints consist of, and say what is missing or damaged: exit code 1 if anything is.
Jobs may run meanwhile.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: f.complete(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.read(cmd, func(ctx context.Context, s *jobStore) error {
				jobs, err := f.jobs(ctx, s, args)
				if err != nil {
					return err
				}
				m := newMeter(f.quiet)
				defer m.close()
				metered := &jobStore{url: s.url, store: &meteredStore{s.store, m}}
				check := storeCheck{Jobs: []*jobCheck{}}
				for _, job := range jobs {
					c, err := metered.check(ctx, job, m, quick)
					if err != nil {
						return err
					}
					check.Jobs = append(check.Jobs, c)
				}
				m.close()
				if err := output.print(cmd.OutOrStdout(), &check, check.writeTable); err != nil {
					return err
				}
				return check.verdict()
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().BoolVar(&quick, "quick", false, "look for packs that are missing or cut off, but don't read them")
	output.add(c)
	return c
}

// jobs are the job that is named, or all of the namespace.
func (f *storeFlags) jobs(ctx context.Context, s *jobStore, args []string) ([]id.Job, error) {
	if len(args) == 0 {
		return snapshots.Jobs(ctx, s.store, cmp.Or(f.namespace, defaultNamespace))
	}
	job, err := f.job(args[0])
	return []id.Job{job}, err
}

// storeCheck is what store check prints.
type storeCheck struct {
	Jobs []*jobCheck `json:"jobs"`
}

type jobCheck struct {
	Job         string    `json:"job"`
	Namespace   string    `json:"namespace"`
	LogEntries  int       `json:"logEntries"`
	Checkpoints int       `json:"checkpoints"`
	Packs       int       `json:"packs"`
	Bytes       int64     `json:"bytes"`
	Problems    []problem `json:"problems"`
}

// problem is an object that is missing or damaged.
type problem struct {
	Object      string   `json:"object"`
	Problem     string   `json:"problem"`
	Checkpoints []uint64 `json:"checkpoints"` // that consist of it
}

func (p *problem) usedBy() string {
	switch len(p.Checkpoints) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" (of checkpoint %d)", p.Checkpoints[0])
	}
	return fmt.Sprintf(" (of checkpoints %s)", commas(p.Checkpoints))
}

// commas writes numbers with commas between them.
func commas[T any](list []T) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

func (s *jobStore) check(ctx context.Context, job id.Job, m *meter, quick bool) (*jobCheck, error) {
	c := &jobCheck{Job: job.Name, Namespace: job.Namespace, Problems: []problem{}}
	if err := s.checkLog(ctx, job, c); err != nil {
		return nil, err
	}
	_, state, err := s.log(ctx, job)
	if errors.Is(err, fault.ErrCorrupt) {
		// Without it, nobody knows what is retained.
		c.Problems = append(c.Problems, problem{snapshots.JobFolder(job) + "/log", err.Error(), []uint64{}})
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	all := snapshots.Manifest{}
	for _, checkpoint := range state.Checkpoints {
		all.Operators = append(all.Operators, checkpoint.Operators...)
	}
	c.Checkpoints, c.Packs = len(state.Checkpoints), len(all.Packs())
	c.Bytes, _ = all.Size()
	depth := snapshots.Full
	if quick {
		depth = snapshots.Quick
	} else {
		m.expect(c.Bytes)
	}
	damage := snapshots.Folder{Store: s.store, Path: snapshots.JobFolder(job)}.Check(ctx, &all, depth)
	if damage == nil {
		return c, nil
	}
	if !errors.Is(damage, fault.ErrCorrupt) {
		return nil, damage
	}
	// What the job has deleted meanwhile is not missing.
	if _, state, err = s.log(ctx, job); err != nil {
		return nil, err
	}
	c.addDamage(job, damage, state)
	return c, nil
}

// checkLog reads each entry of a log: what came before a trim counts, too, as long as
// it is there.
func (s *jobStore) checkLog(ctx context.Context, job id.Job, c *jobCheck) error {
	folder := snapshots.JobFolder(job) + "/log/"
	for o, err := range s.store.List(ctx, folder) {
		if err != nil {
			return fmt.Errorf("list log of %s: %w", job, err)
		}
		number, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(o.Name, folder), ".json"), 10, 64)
		if err != nil {
			continue // not an entry
		}
		data, err := snapshots.ReadAll(ctx, s.store, o.Name, o.Size)
		if errors.Is(err, snapshots.ErrNotFound) {
			continue // trimmed meanwhile
		}
		if err != nil {
			return err
		}
		c.LogEntries++
		if _, err := snapshots.DecodeEntry(number, data); err != nil {
			c.Problems = append(c.Problems, problem{o.Name, err.Error(), []uint64{}})
		}
	}
	return nil
}

// addDamage lists what Folder.Check found, if a checkpoint that is still retained
// consists of it. Each line of its error begins with the name of an object.
func (c *jobCheck) addDamage(job id.Job, damage error, state *snapshots.State) {
	for line := range strings.SplitSeq(damage.Error(), "\n") {
		object, what, _ := strings.Cut(line, ": ")
		pack := strings.TrimPrefix(object, snapshots.JobFolder(job)+"/")
		var damaged []uint64
		for _, checkpoint := range slices.Backward(state.Checkpoints) {
			if slices.Contains(checkpoint.Packs(), pack) {
				damaged = append(damaged, checkpoint.Checkpoint)
			}
		}
		if len(damaged) > 0 {
			c.Problems = append(c.Problems, problem{object, what, damaged})
		}
	}
}

// verdict is an error if anything is damaged.
func (s *storeCheck) verdict() error {
	n := 0
	for _, c := range s.Jobs {
		n += len(c.Problems)
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("store check: %s missing or damaged", objects(n))
}

func (s *storeCheck) writeTable(w io.Writer) error {
	err := writeRows(w, "JOB\tLOG ENTRIES\tCHECKPOINTS\tPACKS\tSIZE\tPROBLEMS", func(row func(...any)) {
		for _, c := range s.Jobs {
			row(c.Namespace+"/"+c.Job, c.LogEntries, c.Checkpoints, c.Packs, size(c.Bytes), len(c.Problems))
		}
	})
	for _, c := range s.Jobs {
		for _, p := range c.Problems {
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s: %s%s\n", p.Object, p.Problem, p.usedBy())
		}
	}
	return err
}
