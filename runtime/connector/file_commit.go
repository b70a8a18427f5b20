package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// fileTransaction is what a file sink prepared, as it is stored.
type fileTransaction struct {
	Checkpoint uint64 `json:"checkpoint"`
	Subtask    int    `json:"subtask"`
	Staged     string `json:"staged,omitempty"`  // name of the prepared file; none if nothing was written
	Marker     string `json:"marker,omitempty"`  // there until earlier runs' files are removed
	Replace    int    `json:"replace,omitempty"` // parallelism of a run from nothing
}

// fileCommitter ends the transactions of a file sink.
type fileCommitter struct{ dir string }

func openFileCommitter(op *graph.Operator) (operator.Committer, error) {
	dir, err := sinkFolder(op)
	return fileCommitter{dir}, err
}

// Commit makes a transaction visible. A first transaction of a run from nothing
// replaces what earlier runs left: of p subtasks, subtask i removes the result files
// whose subtask number leaves the remainder i when divided by p, but not its own, so
// that no two subtasks meet. A marker, removed last, keeps a commit that is repeated
// later from removing what newer checkpoints made visible.
func (f fileCommitter) Commit(_ context.Context, t operator.Transaction) error {
	tx, err := readTransaction(t)
	if err != nil {
		return err
	}
	if tx.Replace > 0 && f.exists(tx.Marker) {
		if err := f.removeEarlier(tx); err != nil {
			return f.failed("remove earlier result", err)
		}
	}
	if tx.Staged != "" {
		if err := f.publish(tx); err != nil {
			return err
		}
	}
	if tx.Marker != "" {
		// What is visible is so for good before the marker goes.
		if err := syncFolder(f.dir); err != nil {
			return f.failed("sync folder", err)
		}
		if err := f.remove(tx.Marker); err != nil {
			return f.failed("remove file", err)
		}
	}
	if err := syncFolder(f.dir); err != nil {
		return f.failed("sync folder", err)
	}
	return nil
}

func (f fileCommitter) publish(tx fileTransaction) error {
	name := visibleName(tx.Checkpoint, tx.Subtask)
	err := os.Rename(filepath.Join(f.dir, tx.Staged), filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if f.exists(name) {
			return nil // committed before
		}
		return placed(filepath.Join(f.dir, tx.Staged), "somebody has removed it; the results of this checkpoint are lost",
			fault.Corruptf("commit file: what was prepared is gone"))
	}
	if err != nil {
		return f.failed("rename file", err)
	}
	return nil
}

func (f fileCommitter) removeEarlier(tx fileTransaction) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		part, ok := parsePart(entry.Name())
		if !ok || part.stage != visible || part.subtask%tx.Replace != tx.Subtask {
			continue
		}
		// When the staged file is gone, its place is taken by what it became.
		if entry.Name() == visibleName(tx.Checkpoint, tx.Subtask) && tx.Staged != "" && !f.exists(tx.Staged) {
			continue
		}
		if err := f.remove(entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Abort drops a transaction that was not committed.
func (f fileCommitter) Abort(_ context.Context, t operator.Transaction) error {
	tx, err := readTransaction(t)
	if err != nil {
		return err
	}
	for _, name := range []string{tx.Staged, tx.Marker} {
		if name == "" {
			continue
		}
		if err := f.remove(name); err != nil {
			return f.failed("remove file", err)
		}
	}
	return nil
}

// readTransaction trusts no name: what is renamed or removed is a prepared file of
// the folder itself.
func readTransaction(t operator.Transaction) (fileTransaction, error) {
	var tx fileTransaction
	if err := json.Unmarshal(t, &tx); err != nil {
		return tx, fault.As(fault.ErrCorrupt, fmt.Errorf("read transaction: %w", err))
	}
	for _, name := range []string{tx.Staged, tx.Marker} {
		if name == "" {
			continue
		}
		if part, ok := parsePart(name); !ok || part.stage != prepared || part.subtask != tx.Subtask {
			return tx, fault.Corruptf("read transaction: %q is no prepared file of subtask %d", name, tx.Subtask)
		}
	}
	if tx.Subtask < 0 || tx.Replace < 0 || tx.Replace > 0 && tx.Marker == "" {
		return tx, fault.Corruptf("read transaction: fields don't go together")
	}
	return tx, nil
}

func (f fileCommitter) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(f.dir, name))
	return err == nil
}

func (f fileCommitter) remove(name string) error {
	if err := os.Remove(filepath.Join(f.dir, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f fileCommitter) failed(what string, err error) error {
	return placed(f.dir, writeHint(err), fmt.Errorf("%s: %w", what, cause(err)))
}
