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
	// Parts are the prepared files that belong into folders below.
	Parts []filePart `json:"parts,omitempty"`
}

// filePart is one prepared file, and the folder it will be seen in.
type filePart struct {
	Folder string `json:"folder"`
	Staged string `json:"staged"`
}

// all is every prepared file; the sink's own folder is "".
func (t fileTransaction) all() []filePart {
	if t.Staged == "" {
		return t.Parts
	}
	return append([]filePart{{Staged: t.Staged}}, t.Parts...)
}

// fileCommitter ends the transactions of a file sink.
type fileCommitter struct {
	dir  string
	acts acts
}

func openFileCommitter(op *graph.Operator) (operator.Committer, error) {
	var with fileSettings
	err := settings(op, &with)
	return fileCommitter{dir: with.Path}, err
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
	all := tx.all()
	for _, part := range all {
		if err := f.publish(part, visibleName(tx.Checkpoint, tx.Subtask), earlier); err != nil {
			return err
		}
	}
	if err := f.acts.next(); err != nil {
		return err
	}
	if err := f.syncFolders(all); err != nil {
		return err
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
		folder, name := splitFolder(file.Name)
		if part, ok := parsePart(name); !ok || part.stage != visible || !isFolder(folder) {
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
	if err := f.removeFolders(earlier); err != nil {
		return err
	}
	if err := f.remove(marker); err != nil {
		return f.failed("remove marker", err)
	}
	if err := syncFolder(f.dir); err != nil {
		return f.failed("sync folder", err)
	}
	return nil
}

// syncFolders makes it durable that files were renamed, and the folders made that they
// are in.
func (f fileCommitter) syncFolders(parts []filePart) error {
	synced := map[string]bool{}
	for _, part := range append(parts, filePart{}) {
		for folder := part.Folder; !synced[folder]; folder = parentFolder(folder) {
			if err := syncFolder(filepath.Join(f.dir, folder)); err != nil {
				return f.failed("sync folder", err)
			}
			synced[folder] = true
		}
	}
	return nil
}

// removeFolders removes the folders below that earlier results have left empty.
func (f fileCommitter) removeFolders(earlier []earlierFile) error {
	for _, file := range earlier {
		for folder, _ := splitFolder(file.Name); folder != ""; folder = parentFolder(folder) {
			if err := f.acts.next(); err != nil {
				return err
			}
			if os.Remove(filepath.Join(f.dir, folder)) != nil {
				break // something is in it
			}
		}
	}
	return nil
}

// publish looks for the visible file before it looks for the staged one: who renames
// at the same time makes the first appear and the second vanish in one step.
func (f fileCommitter) publish(part filePart, name string, earlier []earlierFile) error {
	staged, name := filepath.Join(f.dir, part.Staged), filepath.Join(part.Folder, name)
	taken := vacant(f.dir, name, earlier)
	if exists(staged) {
		if taken != nil {
			return taken
		}
		done, err := f.rename(staged, part.Folder, name)
		if done || err != nil {
			return err
		}
	}
	if vacant(f.dir, name, earlier) != nil {
		return nil // committed before, or by somebody else just now
	}
	return placed(staged, "somebody has removed it; the results of this checkpoint are lost", fault.Corruptf("commit file: what was prepared is gone"))
}

// rename makes the folder for a file, if it is not there, and moves the file into it;
// false if the file is gone. Whoever removes earlier results removes folders that are
// empty then, maybe this one.
func (f fileCommitter) rename(staged, folder, name string) (done bool, err error) {
	for attempt := 0; ; attempt++ {
		if folder != "" && !exists(filepath.Join(f.dir, folder)) {
			if err := f.acts.next(); err != nil {
				return false, err
			}
			err = os.MkdirAll(filepath.Join(f.dir, folder), 0o777)
		}
		if err == nil {
			if err := f.acts.next(); err != nil {
				return false, err
			}
			err = os.Rename(staged, filepath.Join(f.dir, name))
		}
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist) || attempt == 100:
			return false, f.failed("rename file", err)
		case !exists(staged):
			return false, nil
		}
	}
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
	for _, part := range append(tx.all(), filePart{Staged: tx.Marker}) {
		if part.Staged == "" {
			continue
		}
		if err := f.remove(part.Staged); err != nil {
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
	for _, p := range append(tx.all(), filePart{Staged: tx.Marker}) {
		if p.Staged == "" && p.Folder == "" {
			continue
		}
		if part, ok := parsePart(p.Staged); !ok || part.stage != prepared || part.subtask != tx.Subtask {
			return tx, fault.Corruptf("read transaction: %q is no prepared file of subtask %d", p.Staged, tx.Subtask)
		}
		if !isFolder(p.Folder) {
			return tx, fault.Corruptf("read transaction: %q is no folder of results", p.Folder)
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
