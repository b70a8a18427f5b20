package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/wasmill/wasmill/host/internal/rewrite"
)

// A cache entry is a directory that is built aside, sealed with the checksums of its
// files, and renamed into place: it is whole or not there. What does not match its
// seal is thrown away, for compiled code that was changed would run as it is.
const (
	sealFile      = "seal.json"
	rewrittenFile = "rewritten.wasm"
	buildPrefix   = "building-"
	buildLife     = time.Hour // after which an unfinished entry is an orphan
)

// entry is a module in the cache, found or being built.
type entry struct {
	root, name string
	dir        string // where its files are; "" without a cache
	built      bool   // not in the cache yet
	seal       seal
}

// seal is the last file written into an entry.
type seal struct {
	Info  rewrite.Info      `json:"info"`
	Files map[string]uint64 `json:"files"` // path → xxhash64
}

// openEntry finds an intact entry, or starts to build it. Failures of the file system
// mean that there is no cache; running goes on without.
func openEntry(root, name string) (*entry, error) {
	e := &entry{root: root, name: name}
	if root == "" {
		return e, nil
	}
	e.dir = filepath.Join(root, name)
	err := e.verify()
	if err == nil {
		return e, nil
	}
	_, missing := os.Lstat(e.dir)
	damaged := missing == nil
	if damaged {
		_ = os.RemoveAll(e.dir)
	}
	removeOrphans(root)
	e.seal, e.built = seal{}, true
	dir, mkErr := os.MkdirTemp(root, buildPrefix)
	if mkErr != nil {
		e.dir = ""
		return e, fmt.Errorf("make cache entry: %w", mkErr)
	}
	e.dir = dir
	if damaged {
		return e, fmt.Errorf("read cache entry %s: %w", name, err)
	}
	return e, nil
}

// verify reads the seal and checks each file against it.
func (e *entry) verify() error {
	text, err := os.ReadFile(filepath.Join(e.dir, sealFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &e.seal); err != nil {
		return fmt.Errorf("read seal: %w", err)
	}
	sums, err := checksums(e.dir)
	if err != nil {
		return err
	}
	if len(sums) != len(e.seal.Files) {
		return errors.New("files are missing or were added")
	}
	for path, sum := range e.seal.Files {
		if sums[path] != sum {
			return fmt.Errorf("%s was changed", path)
		}
	}
	return nil
}

// checksums of all files of an entry but the seal.
func checksums(dir string) (map[string]uint64, error) {
	sums := map[string]uint64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == sealFile {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		sums[relative] = xxhash.Sum64(b)
		return err
	})
	return sums, err
}

// publish seals an entry that was built and moves it into place.
func (e *entry) publish(info rewrite.Info) (err error) {
	if e.dir == "" || !e.built {
		return nil
	}
	defer os.RemoveAll(e.dir) // nothing is there any more if it was moved
	e.seal.Info = info
	if e.seal.Files, err = checksums(e.dir); err != nil {
		return fmt.Errorf("seal cache entry: %w", err)
	}
	text, err := json.Marshal(e.seal)
	if err != nil {
		return fmt.Errorf("seal cache entry: %w", err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, sealFile), text, 0o600); err != nil {
		return fmt.Errorf("seal cache entry: %w", err)
	}
	// Whoever was faster has built the same.
	if err := os.Rename(e.dir, filepath.Join(e.root, e.name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("publish cache entry: %w", err)
	}
	return nil
}

// drop removes an entry that was not published; there is no cache then.
func (e *entry) drop() {
	if e.built && e.dir != "" {
		_ = os.RemoveAll(e.dir)
		e.dir = ""
	}
}

// removeOrphans removes what processes that died left behind.
func removeOrphans(root string) {
	found, _ := filepath.Glob(filepath.Join(root, buildPrefix+"*"))
	for _, dir := range found {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > buildLife {
			_ = os.RemoveAll(dir)
		}
	}
}
