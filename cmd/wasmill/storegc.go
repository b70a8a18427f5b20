package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
)

func storeGCCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	var dry bool
	c := &cobra.Command{
		Use:   "gc [JOB]",
		Short: "Delete packs that no retained checkpoint consists of",
		Long: `Delete the packs of a job, or of every job of the namespace, that no retained
checkpoint consists of and no running job is writing. Jobs may run meanwhile: they do the
same by themselves, and this is for what one left behind that ended.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: f.complete(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.read(cmd, func(ctx context.Context, s *jobStore) error {
				jobs, err := f.jobs(ctx, s, args)
				if err != nil {
					return err
				}
				g := garbage{DryRun: dry, Objects: []shownObject{}}
				var problems []error
				for _, job := range jobs {
					if err := g.collect(ctx, s, job); err != nil {
						problems = append(problems, err)
					}
				}
				return errors.Join(append([]error{output.print(cmd.OutOrStdout(), &g, g.writeTable)}, problems...)...)
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "delete nothing: say what would be deleted")
	output.add(c)
	return c
}

// garbage is what store gc prints.
type garbage struct {
	DryRun  bool          `json:"dryRun"`
	Objects []shownObject `json:"objects"` // deleted, or to be
	Bytes   int64         `json:"bytes"`
}

type shownObject struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// collect collects the garbage of a job. What is in flight under the present term is
// kept, whatever its attempt; if another takes the job over meanwhile, it ends (C1).
func (g *garbage) collect(ctx context.Context, s *jobStore, job id.Job) error {
	log, state, err := s.log(ctx, job)
	if err != nil {
		return err
	}
	if len(state.Unreadable) > 0 {
		u := state.Unreadable[0]
		return refusedError{fmt.Errorf("nothing of %s is deleted: log entry %d may name it, and can't be read (it is done with once the job has run on and trimmed its log): %w", job, u.Entry, u.Err)}
	}
	objects, err := snapshots.Collect(ctx, log, id.Attempt{Term: state.Term}, g.DryRun)
	for _, o := range objects {
		g.Objects = append(g.Objects, shownObject{snapshots.JobFolder(job) + "/" + o.Name, o.Size})
		g.Bytes += o.Size
	}
	return err
}

func (g *garbage) writeTable(w io.Writer) error {
	done := "deleted"
	if g.DryRun {
		done = "to be deleted"
	}
	for _, o := range g.Objects {
		if _, err := fmt.Fprintf(w, "%s  %s\n", o.Name, size(o.Bytes)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s, %s\n", objects(len(g.Objects)), size(g.Bytes), done)
	return err
}

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}
