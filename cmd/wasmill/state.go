package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/state"
)

func stateCommand() *cobra.Command {
	return verbGroup("state", "Look into the state of a checkpoint, running no job",
		stateListCommand(), stateGetCommand(), stateDiffCommand(), stateExportCommand())
}

func stateListCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	var groups bool
	c := &cobra.Command{
		Use:   "list SNAPSHOT [OPERATOR]",
		Short: "List the tables of a checkpoint with their keys, entries and bytes",
		Long: `List the tables of a checkpoint with their keys, entries and bytes (of keys,
subkeys and values), those of the engine included: timers are the entries of $timers.
Heaps of operators are listed behind them: their memory, how much of it is kept since it
is neither zero nor as the module begins, how much of that is lent, as it is stored in
another place already, and, with --groups, what each checkpoint that it still consists of
wrote.

All state is read for it. SNAPSHOT is JOB/NUMBER or JOB/latest.`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: f.complete("/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withSnapshot(cmd, args[0], func(ctx context.Context, s *snapshot) error {
				list := stateList{Snapshot: s.String(), Tables: []*tableSize{}, groups: groups}
				if err := list.read(ctx, s, args[1:]); err != nil {
					return err
				}
				s.meter.close()
				return output.print(cmd.OutOrStdout(), &list, list.writeTable)
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().BoolVar(&groups, "groups", false, "list each key group of keyed tables, and each subtask of others")
	output.add(c)
	return c
}

// stateList is what state list prints.
type stateList struct {
	Snapshot string       `json:"snapshot"`
	Tables   []*tableSize `json:"tables"`
	Heaps    []*heapSize  `json:"heaps,omitempty"`
	groups   bool
}

// tableSize is how large a table is.
type tableSize struct {
	Operator string `json:"operator"`
	Table    string `json:"table"`
	Scope    string `json:"scope"`
	sizes
	Versions []uint32    `json:"versions"` // that entries were written under
	Parts    []*partSize `json:"parts,omitempty"`
}

// partSize is how large a key group of a table is, or a subtask's part of it.
type partSize struct {
	Group   *int `json:"group,omitempty"`
	Subtask *int `json:"subtask,omitempty"`
	sizes
}

type sizes struct {
	Keys    int64 `json:"keys"`
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // of keys, subkeys and values
}

func (s *sizes) add(e *entry, newKey bool) {
	if newKey {
		s.Keys++
	}
	s.Entries++
	s.Bytes += int64(len(e.Key) + len(e.Subkey) + len(e.Value))
}

func (l *stateList) read(ctx context.Context, s *snapshot, operators []string) error {
	for _, name := range operators {
		if _, err := s.operator(name); err != nil {
			return err
		}
	}
	for i := range s.manifest.Operators {
		o := &s.manifest.Operators[i]
		if len(operators) > 0 && !slices.Contains(operators, o.Name) {
			continue
		}
		tables, err := s.tables(ctx, o)
		if err != nil {
			return err
		}
		byName := map[string]*tableSize{}
		for _, t := range tables {
			byName[t.Name] = &tableSize{Operator: o.Name, Table: t.Name, Scope: t.Scope, Versions: []uint32{}}
		}
		var keys keyCounter
		err = s.entries(ctx, o, func(e *entry) error {
			t := byName[e.Table]
			if t == nil { // one that the module has no more
				t = &tableSize{Operator: o.Name, Table: e.Table, Scope: string(state.ScopeKey), Versions: []uint32{}}
				byName[e.Table] = t
			}
			t.add(e, keys.next(e), l.groups)
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			l.Tables = append(l.Tables, byName[name])
		}
		heaps, err := s.heaps(ctx, o)
		if err != nil {
			return err
		}
		l.Heaps = append(l.Heaps, heaps...)
	}
	return nil
}

func (t *tableSize) add(e *entry, newKey, parts bool) {
	t.sizes.add(e, newKey)
	if n := len(t.Versions); n == 0 || t.Versions[n-1] != e.Version {
		if i, known := slices.BinarySearch(t.Versions, e.Version); !known {
			t.Versions = slices.Insert(t.Versions, i, e.Version)
		}
	}
	if !parts {
		return
	}
	// Entries come in order of their part.
	if n := len(t.Parts); n == 0 || !t.Parts[n-1].has(e) {
		t.Parts = append(t.Parts, partOf(e))
	}
	t.Parts[len(t.Parts)-1].add(e, newKey)
}

func partOf(e *entry) *partSize {
	if e.own {
		subtask := e.subtask
		return &partSize{Subtask: &subtask}
	}
	group := e.Group
	return &partSize{Group: &group}
}

func (p *partSize) has(e *entry) bool {
	if e.own {
		return p.Subtask != nil && *p.Subtask == e.subtask
	}
	return p.Group != nil && *p.Group == e.Group
}

func (p *partSize) name() string {
	if p.Group != nil {
		return fmt.Sprintf("group %d", *p.Group)
	}
	return fmt.Sprintf("subtask %d", *p.Subtask)
}

func (l *stateList) writeTable(w io.Writer) error {
	if len(l.Heaps) == 0 {
		return l.writeTables(w)
	}
	if len(l.Tables) > 0 {
		if err := l.writeTables(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return l.writeHeaps(w)
}

func (l *stateList) writeTables(w io.Writer) error {
	head := "OPERATOR\tTABLE\tSCOPE\tKEYS\tENTRIES\tBYTES\tVERSIONS"
	if l.groups {
		head = "OPERATOR\tTABLE\tSCOPE\tPART\tKEYS\tENTRIES\tBYTES"
	}
	return writeRows(w, head, func(row func(...any)) {
		for _, t := range l.Tables {
			if !l.groups {
				row(t.Operator, t.Table, t.Scope, t.Keys, t.Entries, size(t.Bytes), cmp.Or(commas(t.Versions), "-"))
				continue
			}
			for _, p := range t.Parts {
				row(t.Operator, t.Table, t.Scope, p.name(), p.Keys, p.Entries, size(p.Bytes))
			}
		}
	})
}
