package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/sdk/scaffold"
)

func newCommand() *cobra.Command {
	var lang, shape string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a project for an operator of your own",
		Long: `Write a project for a new operator into the folder NAME: its source, a unit test, a
job file, and the SDK beside it, so that it builds offline. In that folder, make
builds, tests and runs it.`,
		Example: "  wasmill new hello --lang go && cd hello && make",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := filepath.Base(args[0])
			err := scaffold.Write(args[0], name, lang, shape)
			switch {
			case errors.Is(err, scaffold.ErrInvalid):
				return usageError{err}
			case errors.Is(err, fs.ErrExist):
				return refusedError{err}
			case err != nil:
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is there; cd %s && make builds, tests and runs it\n", args[0], args[0])
			return err
		},
	}
	c.Flags().StringVar(&lang, "lang", scaffold.Languages[0], "language: "+strings.Join(scaffold.Languages, ", "))
	c.Flags().StringVar(&shape, "shape", scaffold.Shapes[0], "shape: "+strings.Join(scaffold.Shapes, ", "))
	complete(c, "lang", scaffold.Languages)
	complete(c, "shape", scaffold.Shapes)
	return c
}

// complete completes a flag with fixed words.
func complete(c *cobra.Command, flag string, words []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined above
	}
}
