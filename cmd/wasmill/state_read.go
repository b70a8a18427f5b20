package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/snapshots"
)

// entry is an entry of a table of a snapshot.
type entry struct {
	state.Entry
	subtask int  // that wrote it
	own     bool // of an operator table: its key group has no meaning
}

// clone makes an entry that lasts.
func (e *entry) clone() entry {
	c := *e
	c.Key, c.Subkey, c.Value = bytes.Clone(e.Key), bytes.Clone(e.Subkey), bytes.Clone(e.Value)
	return c
}

// entries visits what the tables of an operator hold: keyed ones by key group, table and
// key hash, then the operator's own by subtask, table and key hash. A broadcast table is
// the same everywhere: it comes once. What visit gets may be read until it returns.
func (s *snapshot) entries(ctx context.Context, o *snapshots.Operator, visit func(*entry) error) error {
	for _, c := range []*chain{s.keyedChain(o), s.ownChain(o)} {
		defer c.close()
		for {
			e, err := c.next(ctx)
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
			if err := visit(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// chain gives the entries of an operator's subtasks, one subtask after the other.
type chain struct {
	open    func(context.Context, *snapshots.Operator, int) (*source, error)
	of      *snapshots.Operator // nil: there are no entries
	opened  int                 // subtasks
	current *source
	entry   entry
}

func (s *snapshot) keyedChain(o *snapshots.Operator) *chain { return &chain{open: s.keyed, of: o} }

func (s *snapshot) ownChain(o *snapshots.Operator) *chain {
	return &chain{open: s.own, of: o, entry: entry{own: true}}
}

// next gives the next entry, to be read until the next call; nil after the last.
func (c *chain) next(ctx context.Context) (*entry, error) {
	for {
		if c.current == nil {
			if c.of == nil || c.opened == len(c.of.Subtasks) {
				return nil, nil
			}
			from, err := c.open(ctx, c.of, c.opened)
			if err != nil {
				return nil, err
			}
			c.current, c.entry.subtask = from, c.opened
			c.opened++
		}
		e, err := c.current.Next()
		if err == nil {
			c.entry.Entry = e
			return &c.entry, nil
		}
		c.close()
		if err != io.EOF {
			return nil, err
		}
	}
}

func (c *chain) close() {
	if c.current != nil {
		c.current.Close()
		c.current = nil
	}
}

// source gives the entries of folded runs. Its memory does not grow with them.
type source struct {
	from     state.Source            // nil: there are none
	skip     func(*state.Entry) bool // nil: nothing
	sections []io.Closer
	place    string // for errors
}

// Next implements state.Source.
func (s *source) Next() (state.Entry, error) {
	for s.from != nil {
		e, err := s.from.Next()
		if err == nil && s.skip != nil && s.skip(&e) {
			continue
		}
		return e, s.explain(err)
	}
	return state.Entry{}, io.EOF
}

// Close ends reading.
func (s *source) Close() {
	for _, c := range s.sections {
		c.Close() // it was only read
	}
	s.sections, s.from = nil, nil
}

func (s *source) explain(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("read %s: %w", s.place, err)
}

// keyed opens the keyed tables of a subtask.
func (s *snapshot) keyed(ctx context.Context, o *snapshots.Operator, subtask int) (*source, error) {
	if len(o.Subtasks[subtask].Runs) == 0 {
		return &source{}, nil
	}
	share, err := s.manifest.Assign(o.Name, o.Parallelism, subtask)
	if err != nil {
		return nil, err
	}
	return s.fold(ctx, fmt.Sprintf("state of %s[%d]", o.Name, subtask), share)
}

// group opens the keyed tables of one key group, and reads nothing of others.
func (s *snapshot) group(ctx context.Context, o *snapshots.Operator, group int) (*source, error) {
	share, err := s.manifest.Assign(o.Name, s.manifest.MaxParallelism, group)
	if err != nil {
		return nil, err
	}
	return s.fold(ctx, fmt.Sprintf("key group %d of %s", group, o.Name), share)
}

func (s *snapshot) fold(ctx context.Context, place string, share *snapshots.Share) (*source, error) {
	from := &source{place: place}
	fail := func(err error) (*source, error) {
		from.Close()
		return nil, from.explain(err)
	}
	var runs []*state.RunReader
	for _, run := range share.Runs {
		section := s.folder.OpenRun(ctx, run)
		from.sections = append(from.sections, section)
		r, err := state.NewPartialReader(section)
		if err != nil {
			return fail(err)
		}
		runs = append(runs, r)
	}
	merged, err := state.Merge(runs, share.Groups.First, share.Groups.End)
	if err != nil {
		return fail(err)
	}
	from.from = merged
	return from, nil
}

// own opens the operator tables of a subtask, without broadcast tables that another one
// tells.
func (s *snapshot) own(ctx context.Context, o *snapshots.Operator, subtask int) (*source, error) {
	sub := &o.Subtasks[subtask]
	if sub.Finished || sub.Tables == nil {
		return &source{}, nil
	}
	from := &source{place: fmt.Sprintf("operator tables of %s[%d]", o.Name, subtask)}
	section := s.folder.OpenSection(ctx, *sub.Tables)
	from.sections = append(from.sections, section)
	r, err := state.NewRunReader(section)
	if err != nil {
		from.Close()
		return nil, from.explain(err)
	}
	var broadcast []string
	for _, t := range r.Tables {
		if t.Scope == state.ScopeBroadcast && subtask != teller(o) {
			broadcast = append(broadcast, t.Name)
		}
	}
	from.from, from.skip = r, func(e *state.Entry) bool { return e.Deleted || slices.Contains(broadcast, e.Table) }
	return from, nil
}

// teller is the first subtask that has operator tables.
func teller(o *snapshots.Operator) int {
	return slices.IndexFunc(o.Subtasks, func(s snapshots.Subtask) bool { return !s.Finished && s.Tables != nil })
}

// tables lists the tables of an operator by name: those that the manifest names, and
// the engine's, which stand in the headers of runs.
func (s *snapshot) tables(ctx context.Context, o *snapshots.Operator) ([]snapshots.Table, error) {
	tables := slices.Clone(o.Tables)
	add := func(section snapshots.Section, header int64) error {
		r := s.folder.OpenSection(ctx, section, snapshots.Span{Length: header})
		defer r.Close()
		run, err := state.NewPartialReader(r)
		if err != nil {
			return fmt.Errorf("read tables of %s: %w", o.Name, err)
		}
		for _, t := range run.Tables {
			if !slices.ContainsFunc(tables, func(known snapshots.Table) bool { return known.Name == t.Name }) {
				tables = append(tables, snapshots.Table{Name: t.Name, Scope: string(t.Scope)})
			}
		}
		return nil
	}
	// A table may be in the base alone: its operator has another version now.
	for _, sub := range o.Subtasks {
		for _, run := range sub.Runs {
			if run.Since == 0 || run.Checkpoint == s.manifest.Checkpoint {
				if err := add(run.Section, run.Header); err != nil {
					return nil, err
				}
			}
		}
	}
	if i := teller(o); i >= 0 {
		if err := add(*o.Subtasks[i].Tables, o.Subtasks[i].Tables.Length); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(tables, func(a, b snapshots.Table) int { return strings.Compare(a.Name, b.Name) })
	return tables, nil
}

// table finds a table of an operator.
func (s *snapshot) table(ctx context.Context, o *snapshots.Operator, name string) (snapshots.Table, error) {
	if i := slices.IndexFunc(o.Tables, func(t snapshots.Table) bool { return t.Name == name }); i >= 0 {
		return o.Tables[i], nil
	}
	tables, err := s.tables(ctx, o)
	if err != nil {
		return snapshots.Table{}, err
	}
	var names []string
	for _, t := range tables {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return snapshots.Table{}, notFoundf("operator %s of checkpoint %s has no table %q (%s)", o.Name, s, name, graph.Suggest(name, names))
}

// isEngines tells whether a table is the engine's. Those have keys of their own making,
// which don't say in which key group they lie.
func isEngines(table string) bool { return strings.HasPrefix(table, "$") }

// keyCounter counts the different keys among entries that come in order.
type keyCounter struct {
	last entry
	any  bool
}

// next tells whether an entry has another key than the one before.
func (c *keyCounter) next(e *entry) bool {
	l := &c.last
	if c.any && l.own == e.own && l.subtask == e.subtask && l.Group == e.Group && l.Table == e.Table && bytes.Equal(l.Key, e.Key) {
		return false
	}
	key := append(l.Key[:0], e.Key...)
	*l, c.any = entry{subtask: e.subtask, own: e.own}, true
	l.Group, l.Table, l.Key = e.Group, e.Table, key
	return true
}
