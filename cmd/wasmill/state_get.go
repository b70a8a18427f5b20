package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/snapshots"
)

func stateGetCommand() *cobra.Command {
	var f storeFlags
	var output outputFlag
	encode := encodeAuto
	c := &cobra.Command{
		Use:   "get SNAPSHOT OPERATOR TABLE KEY [SUBKEY]",
		Short: "Print what a table of a checkpoint holds under a key",
		Long: `Print what a table of a checkpoint holds under a key: all its subkeys, or the one
given, with the state version each was written under. Only the key's key group is read;
tables of the engine ($timers and others) are searched in all of them.

KEY and SUBKEY are text, hex:…, base64:… or text:…. Values are shown as text if they are
UTF-8 without control characters, else in base64. --encode raw writes the bytes of one value and nothing else.
What is not there ends with exit code 4.`,
		Args:              cobra.RangeArgs(4, 5),
		ValidArgsFunction: f.complete("/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if encode == encodeRaw && cmd.Flags().Changed("output") {
				return usagef("--encode raw writes bytes: it has no --output")
			}
			q := query{operator: args[1], table: args[2]}
			if err := q.parse(args[3:]); err != nil {
				return err
			}
			return f.withSnapshot(cmd, args[0], func(ctx context.Context, s *snapshot) error {
				found, err := s.get(ctx, &q)
				if err != nil {
					return err
				}
				s.meter.close()
				if encode == encodeRaw {
					return found.writeRaw(cmd.OutOrStdout())
				}
				found.encode = encode
				return output.print(cmd.OutOrStdout(), found.shown(), found.writeTable)
			})
		},
	}
	f.add(c)
	f.addQuiet(c)
	c.Flags().Var(&encode, "encode", "how to show values: auto, text, hex, base64 or raw")
	output.add(c)
	return c
}

// query names a key of a table, or one of its subkeys.
type query struct {
	operator, table string
	key             []byte
	subkey          []byte
	all             bool // subkeys
}

func (q *query) parse(args []string) (err error) {
	if q.key, err = parseBytes("KEY", args[0]); err != nil {
		return err
	}
	if q.all = len(args) < 2; q.all {
		return nil
	}
	q.subkey, err = parseBytes("SUBKEY", args[1])
	return err
}

func (q *query) matches(e *state.Entry) bool {
	return e.Table == q.table && bytes.Equal(e.Key, q.key) && (q.all || bytes.Equal(e.Subkey, q.subkey))
}

// answer is what was found.
type answer struct {
	snapshot string
	query    *query
	scope    string
	entries  []entry
	encode   encoding
}

func (s *snapshot) get(ctx context.Context, q *query) (*answer, error) {
	o, err := s.operator(q.operator)
	if err != nil {
		return nil, err
	}
	t, err := s.table(ctx, o, q.table)
	if err != nil {
		return nil, err
	}
	found := &answer{snapshot: s.String(), query: q, scope: t.Scope}
	if t.Scope == string(state.ScopeKey) && !isEngines(q.table) {
		err = s.getKey(ctx, o, q, found)
	} else {
		err = s.entries(ctx, o, func(e *entry) error {
			if q.matches(&e.Entry) {
				found.add(e)
			}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	if len(found.entries) > 0 {
		return found, nil
	}
	what := "key " + encodeAuto.cell(q.key)
	if !q.all {
		what += ", subkey " + encodeAuto.cell(q.subkey)
	}
	return nil, notFoundf("table %s of %s in checkpoint %s has no %s", q.table, q.operator, s, what)
}

// getKey reads the key group of a key as far as needed.
func (s *snapshot) getKey(ctx context.Context, o *snapshots.Operator, q *query, found *answer) error {
	group := keygroup.Of(q.key, s.manifest.MaxParallelism)
	from, err := s.group(ctx, o, group)
	if err != nil {
		return err
	}
	defer from.Close()
	owner := keygroup.Subtask(group, o.Parallelism, s.manifest.MaxParallelism)
	for {
		e, err := from.Next()
		if err == io.EOF || err == nil && e.Table > q.table {
			return nil
		}
		if err != nil {
			return err
		}
		if q.matches(&e) {
			found.add(&entry{Entry: e, subtask: owner})
		} else if len(found.entries) > 0 {
			return nil
		}
	}
}

func (a *answer) add(e *entry) {
	a.entries = append(a.entries, e.clone())
}

// shownAnswer is what state get prints.
type shownAnswer struct {
	Snapshot string       `json:"snapshot"`
	Operator string       `json:"operator"`
	Table    string       `json:"table"`
	Scope    string       `json:"scope"`
	Entries  []shownEntry `json:"entries"`
}

// shownEntry is an entry as JSON has it. Bytes are strings if they are text.
type shownEntry struct {
	Operator string `json:"operator,omitempty"`
	Table    string `json:"table,omitempty"`
	Group    *int   `json:"group,omitempty"`   // of a keyed table
	Subtask  *int   `json:"subtask,omitempty"` // of others
	Key      any    `json:"key"`
	Subkey   any    `json:"subkey"`
	Value    any    `json:"value"`
	Version  uint32 `json:"version"`
	Stamp    int64  `json:"stamp,omitempty"` // last write, ms since 1970, in a table with a time-to-live
	Timer    *timer `json:"timer,omitempty"` // what key and subkey say in $timers
}

// show fills in an entry. The numbers it points to are the entry's.
func (e *entry) show(encode encoding) shownEntry {
	s := shownEntry{Key: encode.json(e.Key), Subkey: encode.json(e.Subkey), Value: encode.json(e.Value), Version: e.Version, Stamp: e.Stamp}
	if e.own {
		s.Subtask = &e.subtask
	} else {
		s.Group = &e.Group
	}
	if e.Table == state.TimersTable {
		s.Timer = readTimer(e, encode)
	}
	return s
}

// timer is an entry of $timers.
type timer struct {
	Domain string `json:"domain"` // event or processing
	Time   int64  `json:"time"`   // when it is due, ms since 1970
	Key    any    `json:"key"`
	Tag    any    `json:"tag"`
}

// readTimer reads what docs/formats.md says of timers; nil if it is none.
func readTimer(e *entry, encode encoding) *timer {
	const head = 8 + 2
	if len(e.Key) != 1 || e.Key[0] > 1 || len(e.Subkey) < head {
		return nil
	}
	name, n := e.Subkey[head:], int(binary.BigEndian.Uint16(e.Subkey[8:]))
	if n > len(name) {
		return nil
	}
	domain := []string{"event", "processing"}[e.Key[0]]
	return &timer{domain, int64(binary.BigEndian.Uint64(e.Subkey) ^ 1<<63), encode.json(name[:n]), encode.json(name[n:])}
}

func (a *answer) shown() *shownAnswer {
	s := &shownAnswer{Snapshot: a.snapshot, Operator: a.query.operator, Table: a.query.table, Scope: a.scope}
	for i := range a.entries {
		s.Entries = append(s.Entries, a.entries[i].show(a.encode))
	}
	return s
}

func (a *answer) writeTable(w io.Writer) error {
	return writeRows(w, "PART\tSUBKEY\tVALUE\tVERSION\tWRITTEN", func(row func(...any)) {
		for i := range a.entries {
			e := &a.entries[i]
			written := "-"
			if e.Stamp != 0 {
				written = instant(e.Stamp)
			}
			row(partOf(e).name(), encodeAuto.cell(e.Subkey), a.encode.cell(e.Value), e.Version, written)
		}
	})
}

func (a *answer) writeRaw(w io.Writer) error {
	if n := len(a.entries); n > 1 {
		return usagef("--encode raw writes one value, there are %d: name the SUBKEY", n)
	}
	if _, err := w.Write(a.entries[0].Value); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
