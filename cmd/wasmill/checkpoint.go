package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/snapshots"
)

func checkpointCommand() *cobra.Command {
	return verbGroup("checkpoint", "Look at the checkpoints of a job",
		checkpointListCommand(), checkpointShowCommand())
}

func checkpointListCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	c := &cobra.Command{
		Use:               "list JOB",
		Short:             "List the checkpoints of a job that are retained",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.complete(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := f.job(args[0])
			if err != nil {
				return err
			}
			return f.read(cmd, func(ctx context.Context, s *jobStore) error {
				_, state, err := s.log(ctx, job)
				if err != nil {
					return err
				}
				list := checkpointList{Job: job.Name, Namespace: job.Namespace, Checkpoints: []checkpointSummary{}}
				for _, c := range slices.Backward(state.Checkpoints) {
					list.Checkpoints = append(list.Checkpoints, summarize(&c))
				}
				for _, u := range state.Unreadable {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: log entry %d can't be read and may have been a checkpoint: %v\n", u.Entry, u.Err)
				}
				return output.print(cmd.OutOrStdout(), &list, list.writeTable)
			})
		},
	}
	f.add(c)
	output.add(c)
	return c
}

// checkpointList is what checkpoint list prints, oldest first.
type checkpointList struct {
	Job         string              `json:"job"`
	Namespace   string              `json:"namespace"`
	Checkpoints []checkpointSummary `json:"checkpoints"`
}

// checkpointSummary is a checkpoint in a line.
type checkpointSummary struct {
	Checkpoint uint64    `json:"checkpoint"`
	Completed  time.Time `json:"completed"`
	Seconds    float64   `json:"seconds"`  // from the first barrier to the last ack
	Bytes      int64     `json:"bytes"`    // of packs
	OwnBytes   int64     `json:"ownBytes"` // of these, not shared with earlier ones
	Alignment  string    `json:"alignment"`
	Final      bool      `json:"final"`  // all subtasks had come to their end
	Former     bool      `json:"former"` // of an earlier life of the job
	Operators  int       `json:"operators"`
	Subtasks   int       `json:"subtasks"`
}

func summarize(c *snapshots.Checkpoint) checkpointSummary {
	s := checkpointSummary{
		Checkpoint: c.Checkpoint, Completed: c.Created.Add(c.Duration).UTC(), Seconds: c.Duration.Seconds(),
		Alignment: "aligned", Former: c.Former, Operators: len(c.Operators),
	}
	if c.Unaligned {
		s.Alignment = "unaligned"
	}
	s.Bytes, s.OwnBytes = c.Size()
	finished := 0
	for _, o := range c.Operators {
		s.Subtasks += len(o.Subtasks)
		for _, sub := range o.Subtasks {
			if sub.Finished {
				finished++
			}
		}
	}
	s.Final = finished > 0 && finished == s.Subtasks
	return s
}

// mode says in a word or two what kind of a checkpoint it is.
func (s *checkpointSummary) mode() string {
	words := []string{s.Alignment}
	if s.Final {
		words = append(words, "final")
	}
	if s.Former {
		words = append(words, "of an earlier life")
	}
	return strings.Join(words, ", ")
}

func (l *checkpointList) writeTable(w io.Writer) error {
	return writeRows(w, "CHECKPOINT\tCOMPLETED\tDURATION\tSIZE\tOWN\tMODE\tOPERATORS\tSUBTASKS", func(row func(...any)) {
		for _, c := range l.Checkpoints {
			row(c.Checkpoint, clock(c.Completed), seconds(c.Seconds), size(c.Bytes), size(c.OwnBytes), c.mode(), c.Operators, c.Subtasks)
		}
	})
}

func checkpointShowCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	var entries bool
	c := &cobra.Command{
		Use:   "show SNAPSHOT",
		Short: "Show what a checkpoint consists of, operator by operator and subtask by subtask",
		Long: `Show what a checkpoint consists of: of each subtask its key groups, bytes, times,
splits, transactions and watermarks. SNAPSHOT is JOB/NUMBER or JOB/latest.

All of that stands in the job's log. --entries counts what tables hold, too, for which
all state is read.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.complete("/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withSnapshot(cmd, args[0], func(ctx context.Context, s *snapshot) error {
				shown, err := showCheckpoint(ctx, s, entries)
				if err != nil {
					return err
				}
				s.meter.close()
				return output.print(cmd.OutOrStdout(), shown, shown.writeTable)
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().BoolVar(&entries, "entries", false, "count the entries of each subtask's tables; reads all state")
	output.add(c)
	return c
}

// writeRows prints a table: its head and the rows that fill adds.
func writeRows(w io.Writer, head string, fill func(row func(cells ...any))) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, head)
	fill(func(cells ...any) {
		text := make([]string, len(cells))
		for i, c := range cells {
			text[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(table, strings.Join(text, "\t"))
	})
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// clock writes a time the way tables do.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// seconds writes a duration with three digits.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	unit := time.Duration(1)
	for unit*1000 <= d.Abs() {
		unit *= 10
	}
	return d.Round(unit).String()
}
