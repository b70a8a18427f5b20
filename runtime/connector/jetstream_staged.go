package connector

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// stagedReader gives the chunks of a transaction in their order, and reads ahead.
type stagedReader struct {
	chunks chan stagedChunk
	stop   context.CancelFunc
	first  []byte // given back
}

type stagedChunk struct {
	data []byte
	err  error
}

var errNotStaged = errors.New("nothing of it is staged")

// chunksAhead is how many chunks are read before they are asked for.
const chunksAhead = 4

func readStaged(ctx context.Context, js jetstream.JetStream, tx streamTransaction) *stagedReader {
	ctx, stop := context.WithCancel(ctx)
	r := &stagedReader{chunks: make(chan stagedChunk, chunksAhead), stop: stop}
	go func() {
		defer close(r.chunks)
		err := r.read(ctx, js, tx)
		if err != nil {
			select {
			case r.chunks <- stagedChunk{err: err}:
			case <-ctx.Done():
			}
		}
	}()
	return r
}

func (r *stagedReader) read(ctx context.Context, js jetstream.JetStream, tx streamTransaction) error {
	stream, err := js.Stream(ctx, stagedStream+tx.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return errNotStaged
	}
	if err != nil {
		return streamFailed(stagedStream+tx.Stream, "read what is staged", err)
	}
	behind := uint64(0)
	for range tx.Chunks {
		m, err := stream.GetMsg(ctx, behind+1, jetstream.WithGetMsgSubject(tx.Staged))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return errNotStaged
		}
		if err != nil {
			return streamFailed(stagedStream+tx.Stream, "read what is staged", err)
		}
		behind = m.Sequence
		select {
		case r.chunks <- stagedChunk{data: m.Data}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// startingWith puts the first chunk back.
func (r *stagedReader) startingWith(first []byte) *stagedReader {
	r.first = first
	return r
}

func (r *stagedReader) next() ([]byte, error) {
	if first := r.first; first != nil {
		r.first = nil
		return first, nil
	}
	c := <-r.chunks
	return c.data, c.err
}
