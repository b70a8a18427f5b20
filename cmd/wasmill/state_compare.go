package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/snapshots"
)

// join goes through two ordered lists of entries at once: differ gets what is in one of
// them only, and what is not the same in both.
func join(left, right func() (*entry, error), compare func(a, b *entry) int, differ func(before, after *entry)) error {
	a, err := left()
	if err != nil {
		return err
	}
	b, err := right()
	for err == nil && (a != nil || b != nil) {
		order := 0
		switch {
		case b == nil:
			order = -1
		case a == nil:
			order = 1
		default:
			order = compare(a, b)
		}
		switch {
		case order < 0:
			differ(a, nil)
		case order > 0:
			differ(nil, b)
		case a.Version != b.Version || !bytes.Equal(a.Value, b.Value):
			differ(a, b)
		}
		if order <= 0 {
			a, err = left()
		}
		if order >= 0 && err == nil {
			b, err = right()
		}
	}
	return err
}

// each gives the entries of a list one by one.
func each(list []entry) func() (*entry, error) {
	return func() (*entry, error) {
		if len(list) == 0 {
			return nil, nil
		}
		e := &list[0]
		list = list[1:]
		return e, nil
	}
}

// compareKeyed is the order of runs.
func compareKeyed(a, b *entry) int {
	if c := cmp.Or(cmp.Compare(a.Group, b.Group), strings.Compare(a.Table, b.Table)); c != 0 {
		return c
	}
	if !bytes.Equal(a.Key, b.Key) {
		return cmp.Or(cmp.Compare(keygroup.Hash(a.Key), keygroup.Hash(b.Key)), cmp.Compare(len(a.Key), len(b.Key)), bytes.Compare(a.Key, b.Key))
	}
	return bytes.Compare(a.Subkey, b.Subkey)
}

func compareOwn(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.subtask, b.subtask), strings.Compare(a.Table, b.Table), bytes.Compare(a.Key, b.Key), bytes.Compare(a.Subkey, b.Subkey))
}

// ownEntries are the entries of an operator's own tables, in order; with spread set, as
// one subtask would restore them.
func (s *snapshot) ownEntries(ctx context.Context, o *snapshots.Operator, spread bool) (all []entry, err error) {
	if o == nil {
		return nil, nil
	}
	if spread {
		all, err = s.spread(ctx, o)
	} else {
		c := s.ownChain(o)
		defer c.close()
		var e *entry
		for e, err = c.next(ctx); e != nil; e, err = c.next(ctx) {
			all = append(all, e.clone())
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return compareOwn(&a, &b) })
	return all, err
}

func (s *snapshot) spread(ctx context.Context, o *snapshots.Operator) (all []entry, err error) {
	tables, err := s.tables(ctx, o)
	if err != nil {
		return nil, err
	}
	var declared []state.Table
	for _, t := range tables {
		declared = append(declared, state.Table{Name: t.Name, Scope: state.Scope(t.Scope)})
	}
	var before []state.Source
	for i := range o.Subtasks {
		from, err := s.own(ctx, o, i)
		if err != nil {
			return nil, err
		}
		defer from.Close()
		if from.from != nil {
			before = append(before, from)
		}
	}
	from, err := state.Spread(before, declared, 0, 1)
	for err == nil {
		var e state.Entry
		if e, err = from.Next(); err == nil {
			all = append(all, entry{Entry: e, own: true})
		}
	}
	if err == io.EOF {
		err = nil
	}
	return all, err
}
