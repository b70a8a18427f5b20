package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
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
	Description abi.Description `json:"description"`
	host.Inspection
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
	i := &inspection{path, m.Description(), m.Inspect()}
	// For programs, none is an empty list.
	i.Imports, i.Exports = orEmpty(i.Imports), orEmpty(i.Exports)
	i.Features, i.Custom = orEmpty(i.Features), orEmpty(i.Custom)
	return i, nil
}

func orEmpty[T any](list []T) []T { return append([]T{}, list...) }

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
	row("size", "%s, %d functions", size(int64(i.Bytes)), i.Functions)
	row("shape", "%s", d.Shape)
	row("inputs", "%s", strings.Join(d.Inputs, ", "))
	row("outputs", "%s", strings.Join(d.Outputs, ", "))
	if d.KeepsKey {
		row("keys", "records leave under the key they came with")
	}
	row("tables", "%s", tables(d.Tables))
	if len(d.Tables) > 0 {
		row("state", "version %d", d.StateVersion)
	}
	memory := "starts with " + size(i.Memory.Min)
	if i.Memory.Max > 0 {
		memory += ", takes at most " + size(i.Memory.Max)
	}
	row("memory", "%s", memory)
	row("uses", "%s", strings.Join(i.Features, ", "))
	if i.NoImage == "" {
		row("image", "%s", i.imageText())
	} else {
		row("image", "can't be taken: %s", i.NoImage)
	}
	var sections []string
	for _, c := range i.Custom {
		sections = append(sections, fmt.Sprintf("%s (%s)", c.Name, size(int64(c.Bytes))))
	}
	row("sections", "%s", strings.Join(sections, ", "))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if err := errors.Join(writeFunctions(w, "imports", i.Imports), writeFunctions(w, "exports", i.Exports)); err != nil {
		return err
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

// imageText says what an image of the module holds, and how written pages are found here.
func (i *inspection) imageText() string {
	return fmt.Sprintf("can be taken: memory, clock, random numbers, %s; written pages are found by %s", english.Plural(i.Globals, "global", ""), pageFinder())
}

// pageFinder is how written pages are found on this machine.
func pageFinder() string {
	method, reason := host.HeapMethod()
	if reason != "" {
		method += ", since " + reason
	}
	return method
}

// tables lists tables with their scope and time-to-live: seen (key, ttl 24h).
func tables(declared []abi.Table) string {
	list := make([]string, len(declared))
	for i, t := range declared {
		list[i] = fmt.Sprintf("%s (%s)", t.Name, t.Scope)
		if t.TTL != "" {
			list[i] = fmt.Sprintf("%s (%s, ttl %s)", t.Name, t.Scope, t.TTL)
		}
	}
	return strings.Join(list, ", ")
}

func size(n int64) string { return humanize.IBytes(uint64(n)) }

func writeFunctions(w io.Writer, title string, functions []host.FunctionType) error {
	if len(functions) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", title)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range functions {
		name := f.Name
		if f.Module != "" {
			name = f.Module + "." + name
		}
		fmt.Fprintf(table, "  %s\t%s\n", name, f.Type)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
