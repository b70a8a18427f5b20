// Package snapshots is what a checkpoint is, where it lies, which one to restore and
// which to delete: manifests, packs, the log of a job, and the plans over them. It is
// not for what is inside a subtask's state (runtime/state) nor for when checkpoints are
// taken (cluster/coordinator).
//
// Start with Manifest and Log. Decisions are pure functions; bytes go through a Store,
// of which there are a folder (snapshots/dir) and S3 (snapshots/s3).
package snapshots

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Errors of stores, matched with errors.Is.
var (
	ErrNotFound = errors.New("object not found")
	ErrExists   = errors.New("object exists")
)

// Store keeps objects under names like "default/jobs/quakes/log/1.json". An object is
// whole or not there. All methods may be called by several goroutines.
type Store interface {
	// Get reads an object; with length ≥ 0 only that part of it. ErrNotFound.
	Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// Put writes an object, replacing one of that name. It is durable on return.
	Put(ctx context.Context, name string, data io.Reader, size int64) error
	// PutIfAbsent writes an object unless one of that name is there: ErrExists. After
	// any other error it may or may not be there.
	PutIfAbsent(ctx context.Context, name string, data []byte) error
	// List gives names and sizes below a prefix, sorted by name.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Copy makes a second object of the same bytes, without moving them if it can.
	Copy(ctx context.Context, from, to string) error
}

// Object is an entry of a listing.
type Object struct {
	Name string
	Size int64
}
