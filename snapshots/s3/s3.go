// Package s3 keeps objects in a bucket of Amazon S3, MinIO, or whatever speaks like
// them and creates conditionally (If-None-Match: *). It is not for folders
// (snapshots/dir), and nobody else imports the client.
//
// Start with Open. Requests are retried with growing, jittered pauses; reading goes on
// where a connection broke; memory is bounded by uploads × (partThreads + 1) × partSize.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

const (
	// uploads is how many objects a store uploads at the same time.
	uploads = 4
	// partSize is what an upload buffers per thread; an object has at most 10,000 parts.
	partSize    = 8 << 20
	partThreads = 2
	// single is up to which size an object of unknown size goes in one request.
	single = 4 << 20
	// maxCopy is what one copying request may copy.
	maxCopy = 5 << 30
	// staleAge is when an upload that nobody finished is taken for left behind.
	staleAge = 24 * time.Hour
)

// Store is a bucket, or what lies below a prefix in it. Its methods are those of
// snapshots.Store.
type Store struct {
	client *minio.Client
	bucket string
	prefix string // empty, or ending in a slash
	sse    encrypt.ServerSide
	slots  chan struct{} // one for each upload
}

func (s *Store) key(name string) (string, error) {
	if err := snapshots.CheckName(name); err != nil {
		return "", err
	}
	return s.prefix + name, nil
}

// reachTime is how long Reach waits: long enough for a server that is starting.
const reachTime = 10 * time.Second

// Reach asks for one name, to find out early that the server does not answer, that
// there is no such bucket or that the credentials are not for it (snapshots.ErrDenied).
func (s *Store) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	last := ""
	err := s.list(ctx, "", &last, func(snapshots.Object, error) bool { return false })
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", reachTime)
	}
	return s.classify(ctx, err)
}

// List implements snapshots.Store. It goes on where a connection broke.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[snapshots.Object, error] {
	return func(yield func(snapshots.Object, error) bool) {
		last := ""
		for try := 1; ; try++ {
			before := last
			err := s.list(ctx, prefix, &last, yield)
			if last != before {
				try = 1
			}
			if err == nil {
				return
			}
			err = s.classify(ctx, err)
			if try > resumes || !errors.Is(err, fault.ErrTransient) || pause(ctx, try) != nil {
				yield(snapshots.Object{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
		}
	}
}

// list gives what comes after a key, and moves the key on.
func (s *Store) list(ctx context.Context, prefix string, last *string, yield func(snapshots.Object, error) bool) error {
	options := minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true, StartAfter: *last}
	for o := range s.client.ListObjectsIter(ctx, s.bucket, options) {
		if o.Err != nil {
			return o.Err
		}
		*last = o.Key
		if strings.HasSuffix(o.Key, "/") {
			continue
		}
		if !yield(snapshots.Object{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size}, nil) {
			return nil
		}
	}
	return ctx.Err() // the iterator ends without a word when the context does
}

// Delete implements snapshots.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	err = s.classify(ctx, s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, snapshots.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// Copy implements snapshots.Store: the server copies.
func (s *Store) Copy(ctx context.Context, from, to string) error {
	source, err := s.key(from)
	if err != nil {
		return err
	}
	target, err := s.key(to)
	if err != nil {
		return err
	}
	info, err := s.client.StatObject(ctx, s.bucket, source, minio.StatObjectOptions{})
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, s.classify(ctx, err))
	}
	if source == target {
		return nil
	}
	dst := minio.CopyDestOptions{Bucket: s.bucket, Object: target, Encryption: s.sse}
	src := minio.CopySrcOptions{Bucket: s.bucket, Object: source, MatchETag: info.ETag}
	if info.Size <= maxCopy {
		_, err = s.client.CopyObject(ctx, dst, src)
	} else {
		_, err = s.client.ComposeObject(ctx, dst, src)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, s.classify(ctx, err))
	}
	return nil
}

// Sweep implements snapshots.Sweeper: it aborts uploads that were never completed.
func (s *Store) Sweep(ctx context.Context) error {
	core := minio.Core{Client: s.client}
	listing, stop := context.WithCancel(ctx)
	defer stop()
	for u := range s.client.ListIncompleteUploads(listing, s.bucket, s.prefix, true) {
		if u.Err != nil {
			return fmt.Errorf("sweep: %w", s.classify(ctx, u.Err))
		}
		if time.Since(u.Initiated) < staleAge {
			continue
		}
		err := s.classify(ctx, core.AbortMultipartUpload(ctx, s.bucket, u.Key, u.UploadID))
		if err != nil && !errors.Is(err, snapshots.ErrNotFound) {
			return fmt.Errorf("sweep %s: %w", u.Key, err)
		}
	}
	return nil
}

// classify gives errors of the client their meaning for a store.
func (s *Store) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var response minio.ErrorResponse
	if !errors.As(err, &response) {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			return err
		}
		return fault.As(fault.ErrTransient, err) // of the network
	}
	switch {
	case response.Code == "NoSuchBucket":
		return fmt.Errorf("%w: bucket %q does not exist (make it, or correct the store's URL)", snapshots.ErrNoBucket, s.bucket)
	case response.Code == "PreconditionFailed" || response.StatusCode == 412:
		return fmt.Errorf("%w: %w", snapshots.ErrExists, err)
	case response.Code == "NoSuchKey" || response.Code == "NoSuchUpload" || response.StatusCode == 404:
		return fmt.Errorf("%w: %w", snapshots.ErrNotFound, err)
	case response.StatusCode >= 500 || response.StatusCode == 429 || response.StatusCode == 408 || response.StatusCode == 409:
		return fault.As(fault.ErrTransient, err)
	case response.Code == "AccessDenied" || response.StatusCode == 403:
		return fmt.Errorf("%w: %w (are the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials, those of bucket %q?)", snapshots.ErrDenied, err, s.bucket)
	}
	return err
}

// Put implements snapshots.Store: in parts, if it is large.
func (s *Store) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	body := &body{r: data, left: size, counted: size >= 0}
	if err := s.put(ctx, key, body); err != nil {
		// An error of what is to be written comes back as it is.
		if body.err == nil {
			body.err = s.classify(ctx, err)
		}
		return fmt.Errorf("write %s: %w", name, body.err)
	}
	return nil
}
