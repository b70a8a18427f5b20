package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
)

func writeJSON(path string, figures []figure) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// printTable prints every figure, then what falls short.
func printTable(out io.Writer, figures []figure) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tbar\tfigure\tfrom … to\truns\t")
	for _, f := range figures {
		if f.Runs == 0 {
			fmt.Fprintf(w, "%s\t%s\tnot measured\t\t\t\n", f.Name, f.barText())
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s\t%s … %s\t%d\t\n", f.Name, f.barText(), number(f.Figure), f.Unit, number(f.Min), number(f.Max), f.Runs)
	}
	w.Flush()
	fmt.Fprintln(out)
	short := 0
	for _, f := range figures {
		switch {
		case f.Bound == noBar || f.Met:
			continue
		case f.Runs == 0:
			fmt.Fprintf(out, "NOT MEASURED  %s: %s\n", f.Name, f.barText())
		default:
			fmt.Fprintf(out, "FALLS SHORT  %s: %s %s, %s\n", f.Name, number(f.Figure), f.Unit, f.barText())
		}
		short++
	}
	if short == 0 && len(figures) > 0 {
		fmt.Fprintln(out, "Every bar is met.")
	}
}

func (f *figure) barText() string {
	if f.Bound == noBar {
		return ""
	}
	return fmt.Sprintf("%s %s", f.Bound, number(f.Bar))
}

// number writes large figures with commas and small ones with three digits.
func number(v float64) string {
	if v >= 1000 {
		return humanize.Comma(int64(v))
	}
	return fmt.Sprintf("%.3g", v)
}
