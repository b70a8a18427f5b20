package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/snapshots"
)

func stateDiffCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	var limit int
	var modules []string
	c := &cobra.Command{
		Use:   "diff SNAPSHOT SNAPSHOT [OPERATOR]",
		Short: "Compare the state of two checkpoints",
		Long: `Compare the state of two checkpoints, of one job or of two: how many entries of each
table were added, changed and removed from the first to the second, and which. An entry
is changed if its value is, or the state version it was written under.

The entries of operator tables are compared subtask by subtask; between checkpoints at
different parallelism, as they are after a restore at parallelism 1.

Heaps are compared page by page (4 KiB), subtask by subtask. --module FILE, of the module
that was running, tells in which region of its memory the pages lie: its data by the names
that it has for it, before and behind it, and what it did not begin with. Languages keep
their stack and their heap where they like: wasm does not say it.`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: f.complete("/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit %d: must be 0 or more", limit)
			}
			regions, err := readRegions(modules)
			if err != nil {
				return err
			}
			return f.withSnapshots(cmd, args[:2], func(ctx context.Context, read []*snapshot) error {
				d := diff{Before: read[0].String(), After: read[1].String(), Tables: []*tableDiff{}, Entries: []shownChange{}, limit: limit, modules: regions, tables: map[[2]string]*tableDiff{}}
				if err := d.read(ctx, read[0], read[1], args[2:]); err != nil {
					return err
				}
				read[0].meter.close()
				return output.print(cmd.OutOrStdout(), &d, d.writeTable)
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().IntVar(&limit, "limit", 100, "how many entries to list; 0: counts only")
	c.Flags().StringArrayVar(&modules, "module", nil, "a module, to name the regions of its memory")
	output.add(c)
	return c
}

// diff is what state diff prints.
type diff struct {
	Before  string        `json:"before"`
	After   string        `json:"after"`
	Tables  []*tableDiff  `json:"tables"`  // that differ
	Entries []shownChange `json:"entries"` // at most as many as wanted
	Heaps   []*heapDiff   `json:"heaps,omitempty"`
	modules moduleRegions
	limit   int
	differ  int64                    // entries
	tables  map[[2]string]*tableDiff // by operator and table
}

type tableDiff struct {
	Operator string `json:"operator"`
	Table    string `json:"table"`
	Added    int64  `json:"added"`
	Changed  int64  `json:"changed"`
	Removed  int64  `json:"removed"`
}

// shownChange is an entry that differs. Before is absent of one that was added, after
// of one that was removed.
type shownChange struct {
	Change   string      `json:"change"` // added, changed or removed
	Operator string      `json:"operator"`
	Table    string      `json:"table"`
	Group    *int        `json:"group,omitempty"`
	Subtask  *int        `json:"subtask,omitempty"`
	Key      any         `json:"key"`
	Subkey   any         `json:"subkey"`
	Before   *shownValue `json:"before,omitempty"`
	After    *shownValue `json:"after,omitempty"`
	cells    []any       // as a row of a table
}

type shownValue struct {
	Value   any    `json:"value"`
	Version uint32 `json:"version"`
}

func (d *diff) read(ctx context.Context, a, b *snapshot, operators []string) error {
	if a.manifest.MaxParallelism != b.manifest.MaxParallelism {
		return refusedError{fmt.Errorf("checkpoints %s and %s can't be compared: %d key groups and %d (export both)",
			a, b, a.manifest.MaxParallelism, b.manifest.MaxParallelism)}
	}
	var names []string
	for _, m := range []*snapshots.Manifest{a.manifest, b.manifest} {
		for _, o := range m.Operators {
			if len(operators) == 0 || o.Name == operators[0] {
				names = append(names, o.Name)
			}
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 && len(operators) > 0 {
		_, err := b.operator(operators[0])
		return err
	}
	for _, name := range names {
		if err := d.operator(ctx, name, a, b); err != nil {
			return err
		}
	}
	slices.SortFunc(d.Tables, func(a, b *tableDiff) int {
		return cmp.Or(strings.Compare(a.Operator, b.Operator), strings.Compare(a.Table, b.Table))
	})
	return nil
}

// operator compares one operator, which one of the snapshots may not know.
func (d *diff) operator(ctx context.Context, name string, a, b *snapshot) error {
	before, after := a.manifest.Operator(name), b.manifest.Operator(name)
	keyed := [2]*chain{a.keyedChain(before), b.keyedChain(after)}
	defer keyed[0].close()
	defer keyed[1].close()
	add := func(before, after *entry) { d.add(name, before, after) }
	next := func(c *chain) func() (*entry, error) { return func() (*entry, error) { return c.next(ctx) } }
	if err := join(next(keyed[0]), next(keyed[1]), compareKeyed, add); err != nil {
		return err
	}
	spread := before != nil && after != nil && before.Parallelism != after.Parallelism
	left, err := a.ownEntries(ctx, before, spread)
	if err != nil {
		return err
	}
	right, err := b.ownEntries(ctx, after, spread)
	if err != nil {
		return err
	}
	if err := join(each(left), each(right), compareOwn, add); err != nil {
		return err
	}
	return d.heaps(ctx, name, a, b)
}

// add takes an entry that is not the same before and after; nil is one that is not there.
func (d *diff) add(operator string, before, after *entry) {
	e := cmp.Or(after, before)
	t := d.tables[[2]string{operator, e.Table}]
	if t == nil {
		t = &tableDiff{Operator: operator, Table: e.Table}
		d.tables[[2]string{operator, e.Table}] = t
		d.Tables = append(d.Tables, t)
	}
	change := "changed"
	switch {
	case before == nil:
		change = "added"
		t.Added++
	case after == nil:
		change = "removed"
		t.Removed++
	default:
		t.Changed++
	}
	if d.differ++; d.differ <= int64(d.limit) {
		d.Entries = append(d.Entries, showChange(change, operator, before, after))
	}
}

func showChange(change, operator string, before, after *entry) shownChange {
	last := cmp.Or(after, before).clone()
	shown := last.show(encodeAuto)
	c := shownChange{
		Change: change, Operator: operator, Table: last.Table, Group: shown.Group, Subtask: shown.Subtask,
		Key: shown.Key, Subkey: shown.Subkey, Before: valueOf(before), After: valueOf(after),
	}
	old, now := "", ""
	if before != nil {
		old = cut(encodeAuto.cell(before.Value), widest)
	}
	if after != nil {
		now = cut(encodeAuto.cell(after.Value), widest)
	}
	if before != nil && after != nil && before.Version != after.Version {
		old, now = fmt.Sprintf("%s (v%d)", old, before.Version), fmt.Sprintf("%s (v%d)", now, after.Version)
	}
	name := func(b []byte) string { return cut(encodeAuto.cell(b), widest) }
	c.cells = []any{change, operator, last.Table, name(last.Key), name(last.Subkey), cmp.Or(old, "-"), cmp.Or(now, "-")}
	return c
}

// widest is how many characters of a key or a value a table shows.
const widest = 40

func valueOf(e *entry) *shownValue {
	if e == nil {
		return nil
	}
	return &shownValue{encodeAuto.json(e.Value), e.Version}
}

func (d *diff) writeTable(w io.Writer) error {
	if d.differ == 0 && len(d.Heaps) == 0 {
		_, err := fmt.Fprintf(w, "%s and %s hold the same\n", d.Before, d.After)
		return err
	}
	if d.differ > 0 {
		if err := d.writeEntries(w); err != nil || len(d.Heaps) == 0 {
			return err
		}
		fmt.Fprintln(w)
	}
	return d.writeHeaps(w)
}

func (d *diff) writeEntries(w io.Writer) error {
	err := writeRows(w, "OPERATOR\tTABLE\tADDED\tCHANGED\tREMOVED", func(row func(...any)) {
		for _, t := range d.Tables {
			row(t.Operator, t.Table, t.Added, t.Changed, t.Removed)
		}
	})
	if err != nil || d.limit == 0 {
		return err
	}
	err = writeRows(w, "\nCHANGE\tOPERATOR\tTABLE\tKEY\tSUBKEY\tBEFORE\tAFTER", func(row func(...any)) {
		for _, c := range d.Entries {
			row(c.cells...)
		}
	})
	if more := d.differ - int64(len(d.Entries)); err == nil && more > 0 {
		_, err = fmt.Fprintf(w, "and %d more (--limit)\n", more)
	}
	return err
}
