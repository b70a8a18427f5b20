package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// outputFlag is the -o of verbs that read something.
type outputFlag string

func (o *outputFlag) String() string { return string(*o) }
func (o *outputFlag) Type() string   { return "table|json|yaml" }

func (o *outputFlag) Set(s string) error {
	switch s {
	case "table", "json", "yaml":
		*o = outputFlag(s)
		return nil
	}
	return fmt.Errorf("must be table, json or yaml")
}

func (o *outputFlag) add(cmd *cobra.Command) {
	*o = "table"
	cmd.Flags().VarP(o, "output", "o", "how to print the result")
	// It fails only for a flag that is not there.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// print writes v as JSON or YAML, in the same order, or calls table.
func (o *outputFlag) print(w io.Writer, v any, table func(io.Writer) error) error {
	if *o == "table" {
		return table(w)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	out := text.String()
	if *o == "yaml" {
		// JSON is YAML: what is left to do is the style.
		var n yaml.Node
		if err := yaml.Unmarshal(text.Bytes(), &n); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
		plain(&n)
		var b strings.Builder
		y := yaml.NewEncoder(&b)
		y.SetIndent(2)
		if err := y.Encode(&n); err != nil {
			return fmt.Errorf("print result: %w", err)
		}
		out = b.String()
	}
	_, err := io.WriteString(w, out)
	return err
}

func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}
