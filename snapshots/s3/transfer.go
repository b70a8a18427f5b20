package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/wasmill/wasmill/snapshots"
)

// put uploads an object: in one request if it is small, in parts otherwise.
func (s *Store) put(ctx context.Context, key string, data io.Reader) error {
	var head bytes.Buffer
	n, err := io.CopyN(&head, data, single)
	if err != nil && err != io.EOF {
		return err
	}
	options := minio.PutObjectOptions{ServerSideEncryption: s.sse, ContentType: "application/octet-stream"}
	if n < single {
		_, err = s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(head.Bytes()), n, options)
		return err
	}
	options.PartSize, options.NumThreads, options.ConcurrentStreamParts = partSize, partThreads, true
	_, err = s.client.PutObject(ctx, s.bucket, key, io.MultiReader(&head, data), -1, options)
	return err
}

// conflicts is how often a conditional create is tried that another one disturbs.
const conflicts = 8

// PutIfAbsent implements snapshots.Store: the server decides.
func (s *Store) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	options := minio.PutObjectOptions{ServerSideEncryption: s.sse, ContentType: "application/json", DisableMultipart: true}
	options.SetMatchETagExcept("*")
	for try := range conflicts {
		_, err = s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(data), int64(len(data)), options)
		// Two at the same time: S3 may refuse both, and asks for another try.
		var response minio.ErrorResponse
		if !errors.As(err, &response) || response.StatusCode != 409 || pause(ctx, try) != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", name, s.classify(ctx, err))
	}
	return nil
}

// pause waits before another try, longer each time.
func pause(ctx context.Context, try int) error {
	most := min(100*time.Millisecond<<try, 2*time.Second)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// body is what is to be uploaded: it counts, and remembers its error.
type body struct {
	r       io.Reader
	left    int64
	counted bool
	err     error
}

func (b *body) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err = b.r.Read(p)
	b.left -= int64(n)
	switch {
	case b.counted && b.left < 0:
		err = errors.New("more bytes came than were announced")
	case b.counted && err == io.EOF && b.left > 0:
		err = fmt.Errorf("%d bytes fewer came than were announced: %w", b.left, io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// Get implements snapshots.Store.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	r := &reader{store: s, ctx: ctx, key: key, offset: offset, left: length}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, s.classify(ctx, err))
	}
	return r, nil
}

// resumes is how often reading goes on after errors without a byte in between.
const resumes = 5

// reader reads an object and goes on where a connection broke.
type reader struct {
	store  *Store
	ctx    context.Context // of the Get whose reader this is
	key    string
	etag   string // of the object when reading began
	offset int64
	left   int64 // −1: to the end
	body   io.ReadCloser
	failed int
}

func (r *reader) open() error {
	var options minio.GetObjectOptions
	var err error
	switch {
	case r.left >= 0:
		err = options.SetRange(r.offset, r.offset+max(r.left, 1)-1)
	case r.offset > 0:
		err = options.SetRange(r.offset, 0)
	}
	if err == nil && r.etag != "" {
		err = options.SetMatchETag(r.etag)
	}
	if err != nil {
		return err
	}
	core := minio.Core{Client: r.store.client}
	body, info, _, err := core.GetObject(r.ctx, r.store.bucket, r.key, options)
	if err != nil {
		var response minio.ErrorResponse
		if errors.As(err, &response) && (response.Code == "InvalidRange" || response.StatusCode == 416) {
			r.body = io.NopCloser(bytes.NewReader(nil)) // it is shorter
			return nil
		}
		return err
	}
	r.body, r.etag = body, info.ETag
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left >= 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	for {
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if r.left > 0 {
			r.left -= int64(n)
		}
		switch {
		case n > 0:
			r.failed = 0
			return n, nil
		case err == nil || err == io.EOF:
			return 0, err
		}
		if err = r.resume(err); err != nil {
			return 0, err
		}
	}
}

// resume opens the object again after an error.
func (r *reader) resume(cause error) error {
	for {
		r.failed++
		if r.failed > resumes || pause(r.ctx, r.failed) != nil {
			return fmt.Errorf("read %s at %d: %w", r.key, r.offset, r.store.classify(r.ctx, cause))
		}
		r.body.Close()
		err := r.open()
		if err == nil {
			return nil
		}
		r.body = io.NopCloser(bytes.NewReader(nil))
		if err = r.store.classify(r.ctx, err); errors.Is(err, snapshots.ErrNotFound) || errors.Is(err, snapshots.ErrExists) {
			return fmt.Errorf("read %s: it changed: %w", r.key, snapshots.ErrNotFound)
		}
		cause = err
	}
}

func (r *reader) Close() error { return r.body.Close() }
