package snapshots_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/snapshots"
)

var quakes = id.Job{Namespace: "default", Name: "quakes"}

func folderOf(s snapshots.Store) snapshots.Folder {
	return snapshots.Folder{Store: s, Path: snapshots.JobFolder(quakes)}
}

// takeCheckpoint writes the packs of a checkpoint of two subtasks, each with a base, or
// a delta on what it had in since, and returns its manifest.
func takeCheckpoint(ctx context.Context, s snapshots.Store, n uint64, attempt id.Attempt, since *snapshots.Checkpoint) (*snapshots.Manifest, error) {
	const parallelism, groups = 2, 8
	m := &snapshots.Manifest{Checkpoint: n, Attempt: attempt, Created: noon, MaxParallelism: groups}
	o := snapshots.Operator{Name: "count", Parallelism: parallelism, Tables: []snapshots.Table{{Name: "seen", Scope: "key"}}}
	for i := range parallelism {
		first, end := keygroup.Range(i, parallelism, groups)
		sub := snapshots.Subtask{Index: i, Groups: snapshots.Range{First: first, End: end}}
		run := snapshots.Run{Checkpoint: n, Header: 6}
		if since != nil {
			sub.Runs = slices.Clone(since.Operators[0].Subtasks[i].Runs)
			run.Since = since.Manifest.Checkpoint
		}
		_, err := folderOf(s).WritePack(ctx, snapshots.PackID{Checkpoint: n, Attempt: attempt, Subtask: i}, func(w *snapshots.PackWriter) error {
			var err error
			run.Section, err = w.Section("keyed", func(out io.Writer) error {
				if _, err := io.WriteString(out, "header"); err != nil {
					return err
				}
				at := int64(6)
				for g := first; g < end; g++ {
					data := fmt.Sprintf("group %d of checkpoint %d;", g, n)
					run.Groups = append(run.Groups, snapshots.GroupOffset{Group: g, Offset: at, Length: int64(len(data))})
					at += int64(len(data))
					if _, err := io.WriteString(out, data); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			tables, err := w.Section("tables", func(out io.Writer) error {
				_, err := out.Write(bytes.Repeat([]byte("t"), i*10))
				return err
			})
			sub.Tables = &tables
			return err
		})
		if err != nil {
			return nil, err
		}
		sub.Runs = append(sub.Runs, run)
		o.Subtasks = append(o.Subtasks, sub)
	}
	m.Operators = []snapshots.Operator{o}
	return m, nil
}

// complete takes a checkpoint and appends it, retaining count.
func complete(ctx context.Context, l *snapshots.Log, state snapshots.State, attempt id.Attempt, n uint64, since *snapshots.Checkpoint, count int) (snapshots.State, error) {
	m, err := takeCheckpoint(ctx, l.Store, n, attempt, since)
	if err != nil {
		return state, err
	}
	retain := snapshots.Retain(&state, n, count)
	return l.Append(ctx, snapshots.Entry{Checkpoint: m, Time: noon, Retain: &retain}, attempt.Term)
}

// begin takes the log over and makes sure that there is a job.
func begin(ctx context.Context, l *snapshots.Log) (snapshots.State, error) {
	state, err := l.Read(ctx)
	if err != nil {
		return state, err
	}
	if state, err = l.Fence(ctx, state.NextTerm(), noon); err != nil || state.Spec != nil {
		return state, err
	}
	return l.Append(ctx, snapshots.Entry{Spec: &snapshots.Spec{Plan: []byte(`{}`), Fresh: true}, Time: noon}, state.Term)
}

func mustBegin(t *testing.T, l *snapshots.Log) snapshots.State {
	t.Helper()
	state, err := begin(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func mustComplete(t *testing.T, l *snapshots.Log, state snapshots.State, since *snapshots.Checkpoint, count int) snapshots.State {
	t.Helper()
	state, err := complete(t.Context(), l, state, id.Attempt{Term: state.Term, Number: 1}, state.NextCheckpoint(), since, count)
	if err != nil {
		t.Fatal(err)
	}
	return state
}
