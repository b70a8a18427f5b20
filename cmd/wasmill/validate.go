package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/host"
)

func validateCommand() *cobra.Command {
	var flags jobFlags
	var output outputFlag
	c := &cobra.Command{
		Use:   "validate JOB.yaml",
		Short: "Check a job file with its modules: every problem at once, or the plan",
		Long: `Check a job file, the modules it names and what it says to connectors.

If something is wrong, every problem is a line of stderr with its place and a hint.
If nothing is, the plan goes to stdout: tasks, their subtasks, the channels between
them. Nothing of the job runs; modules are compiled and asked what they are.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFiles("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := host.New(cmd.Context(), hostConfig(cmd))
			if err != nil {
				return err
			}
			defer h.Close()
			load := func(wasm []byte) (*host.Module, error) { return h.Load(cmd.Context(), wasm) }
			plan, err := readJob(cmd, args[0], flags, load)
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), plan, func(w io.Writer) error { return plan.WriteText(w) })
		},
	}
	flags.add(c)
	output.add(c)
	return c
}
