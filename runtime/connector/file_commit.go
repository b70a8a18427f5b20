package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// fileTransaction is what a file sink prepared, as it is stored.
type fileTransaction struct {
	Checkpoint uint64 `json:"checkpoint"`
	Subtask    int    `json:"subtask"`
	Staged     string `json:"staged,omitempty"` // name of the prepared file; none if nothing was written
	Marker     string `json:"marker,omitempty"` // name of the list of files to replace; none if there are none
}

// fileCommitter ends the transactions of a file sink.
type fileCommitter struct {
	dir  string
	acts acts
}

func openFileCommitter(op *graph.Operator) (operator.Committer, error) {
	dir, err := sinkFolder(op)
	return fileCommitter{dir: dir}, err
}

// Commit makes a transaction visible. The first of a run from nothing then removes
// what earlier runs left. The list of it goes last, so that a crash in between is made
// up for when the commit is repeated; and a file is only removed, or replaced, while it
// is the one that was listed, so that a commit repeated late takes nothing from a newer
// one. Two may commit the same transaction at once: both succeed.
func (f fileCommitter) Commit(_ context.Context, t operator.Transaction) error {
	tx, err := readTransaction(t)
	if err != nil {
		return err
	}
	earlier, err := f.readMarker(tx.Marker)
	if err != nil {
		return err
	}
	if tx.Staged != "" {
		if err := f.publish(tx, earlier); err != nil {
			return err
		}
	}
	if err := f.acts.next(); err != nil {
		return err
	}
	if err := syncFolder(f.dir); err != nil {
		return f.failed("sync folder", err)
	}
	if tx.Marker == "" {
		return nil
	}
	return f.removeEarlier(tx.Marker, earlier)
}

// readMarker gives the files to replace: none if there is no marker, or none any more.
func (f fileCommitter) readMarker(marker string) ([]earlierFile, error) {
	if marker == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(f.dir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // done before
	}
	if err != nil {
		return nil, f.failed("read marker", err)
	}
	var earlier []earlierFile
	if err := json.Unmarshal(text, &earlier); err != nil {
		return nil, placed(filepath.Join(f.dir, marker), "", fault.As(fault.ErrCorrupt, fmt.Errorf("read marker: %w", err)))
	}
	for _, file := range earlier {
		if part, ok := parsePart(file.Name); !ok || part.stage != visible {
			return nil, placed(filepath.Join(f.dir, marker), "", fault.Corruptf("read marker: %q is no result file", file.Name))
		}
	}
	return earlier, nil
}

func (f fileCommitter) removeEarlier(marker string, earlier []earlierFile) error {
	for _, file := range stillThere(f.dir, earlier) {
		if err := f.remove(file.Name); err != nil {
			return f.failed("remove earlier result", err)
		}
	}
	if err := syncFolder(f.dir); err != nil {
		return f.failed("sync folder", err)
	}
	if err := f.remove(marker); err != nil {
		return f.failed("remove marker", err)
	}
	if err := syncFolder(f.dir); err != nil {
		return f.failed("sync folder", err)
	}
	return nil
}

// publish looks for the visible file before it looks for the staged one: who renames
// at the same time makes the first appear and the second vanish in one step.
func (f fileCommitter) publish(tx fileTransaction, earlier []earlierFile) error {
	staged, name := filepath.Join(f.dir, tx.Staged), visibleName(tx.Checkpoint, tx.Subtask)
	taken := vacant(f.dir, name, earlier)
	if exists(staged) {
		if taken != nil {
			return taken
		}
		if err := f.acts.next(); err != nil {
			return err
		}
		err := os.Rename(staged, filepath.Join(f.dir, name))
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return f.failed("rename file", err)
		}
	}
	if vacant(f.dir, name, earlier) != nil {
		return nil // committed before, or by somebody else just now
	}
	return placed(staged, "somebody has removed it; the results of this checkpoint are lost", fault.Corruptf("commit file: what was prepared is gone"))
}

// vacant is nil if a visible file may take a name: nothing has it but, perhaps, a
// result of an earlier run.
func vacant(dir, name string, earlier []earlierFile) error {
	path := filepath.Join(dir, name)
	if !exists(path) {
		return nil
	}
	if now, ok := identify(dir, name); ok && slices.Contains(earlier, now) {
		return nil
	}
	return placed(path, "give every sink and job a folder of its own", errors.New("commit file: a file of this name is there and was not when the job began"))
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
	return tx, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (f fileCommitter) remove(name string) error {
	if err := f.acts.next(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(f.dir, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f fileCommitter) failed(what string, err error) error {
	return placed(f.dir, writeHint(err), fmt.Errorf("%s: %w", what, cause(err)))
}
