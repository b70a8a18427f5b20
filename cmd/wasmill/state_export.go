package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wasmill/wasmill/snapshots"
)

func stateExportCommand() *cobra.Command {
	var f storeFlags
	encode := encodeAuto
	c := &cobra.Command{
		Use:   "export SNAPSHOT [OPERATOR [TABLE]]",
		Short: "Write all entries of a checkpoint, a line of JSON for each",
		Long: `Write all entries of a checkpoint, or of an operator, or of a table of it, a line of
JSON for each: operator, table, group (or subtask, in a table that has no keys), key,
subkey, value, version and, in a table with a time-to-live, stamp: when it was written.
Bytes that are no text are {"base64":…}.

Entries come in order of operator, key group, table and hash of the key. Memory does not
grow with the state.`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: f.complete("/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if encode == encodeRaw {
				return usagef("--encode raw: an export is JSON")
			}
			// On a terminal the lines show how far it is.
			f.quiet = f.quiet || term.IsTerminal(int(os.Stdout.Fd()))
			return f.withSnapshot(cmd, args[0], func(ctx context.Context, s *snapshot) error {
				return s.export(ctx, cmd.OutOrStdout(), args[1:], encode)
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().Var(&encode, "encode", "how to write keys, subkeys and values: auto, text, hex or base64")
	return c
}

// export writes the entries of the operator and table that are named, or of all. What
// it has read before an error is written.
func (s *snapshot) export(ctx context.Context, w io.Writer, names []string, encode encoding) (err error) {
	operators := s.manifest.Operators
	table := "" // all
	if len(names) > 0 {
		o, err := s.operator(names[0])
		if err != nil {
			return err
		}
		operators = []snapshots.Operator{*o}
		if len(names) > 1 {
			if _, err := s.table(ctx, o, names[1]); err != nil {
				return err
			}
			table = names[1]
		}
	}
	out := bufio.NewWriterSize(w, 64<<10)
	defer func() {
		if flushErr := out.Flush(); err == nil && flushErr != nil {
			err = fmt.Errorf("write export: %w", flushErr)
		}
	}()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for i := range operators {
		o := &operators[i]
		err := s.entries(ctx, o, func(e *entry) error {
			if table != "" && e.Table != table {
				return nil
			}
			line := e.show(encode)
			line.Operator, line.Table = o.Name, e.Table
			if err := lines.Encode(&line); err != nil {
				return fmt.Errorf("write export: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
