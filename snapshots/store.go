// Package snapshots is what a checkpoint is, where it lies, which one to restore and
// which to delete: manifests, packs, the log of a job, and the plans over them. It is
// not for what is inside a subtask's state (runtime/state) nor for when checkpoints are
// taken (cluster/coordinator).
//
// Start with Manifest and Log. Decisions are pure functions (Fold, Choose, Assign,
// Retain, Garbage); bytes go through a Store, of which there are a folder
// (snapshots/dir) and S3 (snapshots/s3).
package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Errors of stores, matched with errors.Is.
var (
	ErrNotFound = errors.New("object not found")
	ErrExists   = errors.New("object exists")
	// ErrDenied: whoever asks may not. ErrNoBucket: the store itself is not there.
	ErrDenied   = errors.New("access denied")
	ErrNoBucket = errors.New("no such bucket")
)

// Store keeps objects under names like "default/jobs/quakes/log/1.json", as CheckName
// wants them. An object is whole or not there. All methods may be called by several
// goroutines. Errors that may go away by themselves are of class fault.ErrTransient.
type Store interface {
	// Get reads an object; with length ≥ 0 only that part of it, less if the object is
	// shorter. ErrNotFound. The reader may fail with a transient error.
	Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// Put writes an object, replacing one of that name. It is durable on return. Size
	// −1 stands for as much as there is; otherwise fewer or more bytes are an error,
	// and nothing is written. An error of data comes back as it is.
	Put(ctx context.Context, name string, data io.Reader, size int64) error
	// PutIfAbsent writes an object unless one of that name is there: ErrExists, also if
	// it is there because a reply was lost. After any other error it may or may not be
	// there, or come to be.
	PutIfAbsent(ctx context.Context, name string, data []byte) error
	// List gives names and sizes of what begins with prefix, sorted by name.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Copy makes a second object of the same bytes, without moving them if it can,
	// replacing one of that name. ErrNotFound.
	Copy(ctx context.Context, from, to string) error
}

// Object is an entry of a listing.
type Object struct {
	Name string
	Size int64
}

// Sweeper is a Store that can hold remains of writes that were never finished, which no
// listing shows. Sweep removes those that are more than a day old.
type Sweeper interface {
	Sweep(ctx context.Context) error
}

// maxName is how long the name of an object may be, in bytes: S3 has 1,024, and a
// prefix comes before it.
const maxName = 900

// CheckName refuses what is no name of an object in every store: segments of a–z, A–Z,
// 0–9 and "._-=~+@", none of which begins with a dot, separated by single slashes.
func CheckName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("name object: %d bytes are too long", len(name))
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' || len(segment) > 200 || strings.ContainsFunc(segment, notInName) {
			return fmt.Errorf("name object: %q is no name", name)
		}
	}
	return nil
}

func notInName(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("._-=~+@", r)
}

// ReadAll reads a whole object into memory, at most limit bytes of it.
func ReadAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	r, err := s.Get(ctx, name, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	r.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("read %s: larger than %d bytes", name, limit)
	}
	return data, nil
}
