package snapshots

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wasmill/wasmill/runtime/fault"
)

const (
	manifestName    = "manifest.json"
	manifestVersion = 1
)

// wireManifest is a manifest that lies beside its packs, checksummed as an entry of a
// log.
type wireManifest struct {
	Version  int      `json:"v"`
	Manifest Manifest `json:"manifest"`
}

// CopyTo makes a second, self-contained snapshot of a checkpoint in another folder, of
// this store or another: its packs, with modules also those, and last its manifest. In
// one store nothing is uploaded again. Where the folder already holds this snapshot,
// nothing changes; where it holds another: ErrExists.
func (f Folder) CopyTo(ctx context.Context, to Folder, m Manifest, modules bool) error {
	data, err := json.Marshal(wireManifest{manifestVersion, m})
	if err != nil {
		return fmt.Errorf("copy checkpoint %d: %w", m.Checkpoint, err)
	}
	data = sealJSON(data)
	there, err := ReadAll(ctx, to.Store, to.object(manifestName), maxEntry)
	switch {
	case err == nil && bytes.Equal(there, data):
		return nil
	case err == nil:
		return fmt.Errorf("copy checkpoint %d to %s: %w", m.Checkpoint, to.Path, ErrExists)
	case !errors.Is(err, ErrNotFound):
		return fmt.Errorf("copy checkpoint %d to %s: %w", m.Checkpoint, to.Path, err)
	}
	for _, name := range m.Packs() {
		if err := copyObject(ctx, f.Store, f.object(name), to.Store, to.object(name)); err != nil {
			return fmt.Errorf("copy checkpoint %d to %s: %w", m.Checkpoint, to.Path, err)
		}
	}
	for _, o := range m.Operators {
		if name := ModuleName(o.Module); modules && o.Module != "" {
			if err := copyObject(ctx, f.Store, name, to.Store, to.object(name)); err != nil {
				return fmt.Errorf("copy checkpoint %d to %s: %w", m.Checkpoint, to.Path, err)
			}
		}
	}
	if err := to.Check(ctx, &m, Quick); err != nil {
		return fmt.Errorf("check copy of checkpoint %d: %w", m.Checkpoint, err)
	}
	return to.putManifest(ctx, data, m.Checkpoint)
}

func (f Folder) putManifest(ctx context.Context, data []byte, checkpoint uint64) error {
	err := f.Store.PutIfAbsent(ctx, f.object(manifestName), data)
	if err == nil {
		return nil
	}
	// The reply may have been lost; or somebody else was faster.
	if there, readErr := ReadAll(ctx, f.Store, f.object(manifestName), maxEntry); readErr == nil && bytes.Equal(there, data) {
		return nil
	}
	return fmt.Errorf("copy checkpoint %d to %s: %w", checkpoint, f.Path, err)
}

func copyObject(ctx context.Context, from Store, name string, to Store, target string) error {
	if from == to {
		return from.Copy(ctx, name, target)
	}
	r, err := from.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	return to.Put(ctx, target, r, -1)
}

// ReadManifest reads the manifest of a self-contained snapshot. ErrNotFound: there is
// none.
func (f Folder) ReadManifest(ctx context.Context) (Manifest, error) {
	var w wireManifest
	data, err := ReadAll(ctx, f.Store, f.object(manifestName), maxEntry)
	if err != nil {
		return w.Manifest, err
	}
	data, err = openJSON(data)
	if err == nil {
		if jsonErr := json.Unmarshal(data, &w); jsonErr != nil {
			err = fault.As(fault.ErrCorrupt, jsonErr)
		}
	}
	if err == nil && w.Version != manifestVersion {
		err = fmt.Errorf("version %d, this program reads %d", w.Version, manifestVersion)
	}
	if err != nil {
		return w.Manifest, fmt.Errorf("read %s: %w", f.object(manifestName), err)
	}
	return w.Manifest, nil
}
