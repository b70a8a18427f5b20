package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/sdk/abi"
)

func inspectCommand() *cobra.Command {
	var output outputFlag
	c := &cobra.Command{
		Use:   "inspect MODULE.wasm",
		Short: "Show what a module describes, imports and needs",
		Long: `Show what a module describes, imports and needs: the names of its inputs and outputs
that a job file refers to, the schema of its config, the functions it calls.

A module that can't be run is refused with the reason, and exit code 3.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFiles("wasm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := inspect(cmd, args[0])
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), i, i.writeText)
		},
	}
	output.add(c)
	return c
}

// inspection is what there is to know of a module.
type inspection struct {
	Path        string          `json:"path"`
	SHA256      string          `json:"sha256"`
	Bytes       int             `json:"bytes"`
	Description abi.Description `json:"description"`
}

func inspect(cmd *cobra.Command, path string) (*inspection, error) {
	wasm, err := readModule(path)
	if err != nil {
		return nil, invalid(err)
	}
	h, err := host.New(cmd.Context(), hostConfig(cmd))
	if err != nil {
		return nil, err
	}
	defer h.Close()
	m, err := h.Load(cmd.Context(), wasm)
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: %w", path, err))
	}
	defer m.Close()
	return &inspection{Path: path, SHA256: m.SHA256(), Bytes: len(wasm), Description: m.Description()}, nil
}

func (i *inspection) writeText(w io.Writer) error {
	d := i.Description
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, text)
		}
	}
	row("module", "%s", strings.TrimSpace(d.Name+" "+d.Version))
	row("sha256", "%s", i.SHA256)
	row("size", "%s", humanize.IBytes(uint64(i.Bytes)))
	row("shape", "%s", d.Shape)
	row("inputs", "%s", strings.Join(d.Inputs, ", "))
	row("outputs", "%s", strings.Join(d.Outputs, ", "))
	if d.KeepsKey {
		row("keys", "records leave under the key they came with")
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if len(d.Config) == 0 {
		return nil
	}
	var schema bytes.Buffer
	if err := json.Indent(&schema, d.Config, "", "  "); err != nil {
		return fmt.Errorf("print config schema: %w", err)
	}
	_, err := fmt.Fprintf(w, "\nconfig schema\n%s\n", schema.String())
	return err
}
