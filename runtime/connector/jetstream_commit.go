package connector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

// jetStreamCommitter ends the transactions of a JetStream sink.
type jetStreamCommitter struct {
	with streamSinkSettings
	acts acts
}

// commitPatience is how long a commit tries to get through an outage by itself. The
// attempt that fails then leaves it to the next.
const commitPatience = 30 * time.Second

func openJetStreamCommitter(op *graph.Operator) (operator.Committer, error) {
	c := jetStreamCommitter{}
	err := settings(op, &c.with)
	return c, err
}

// Commit publishes what a transaction has staged, and is done when the marker says so.
// It may be repeated, by anybody and at any time: what was published before is not
// again. The staged records go before any other transaction's marker takes the place of
// this one's; so who finds neither marker nor staged records knows that it is over.
func (c jetStreamCommitter) Commit(ctx context.Context, t operator.Transaction) error {
	tx, err := readStreamTransaction(t)
	if err != nil {
		return err
	}
	return c.through(ctx, func(l *link, js jetstream.JetStream) error { return c.commit(ctx, l, js, tx) })
}

// Abort drops a transaction that was not committed.
func (c jetStreamCommitter) Abort(ctx context.Context, t operator.Transaction) error {
	tx, err := readStreamTransaction(t)
	if err != nil {
		return err
	}
	return c.through(ctx, func(_ *link, js jetstream.JetStream) error { return c.drop(ctx, js, tx.Stream, tx.Staged) })
}

// through repeats what fails for a passing reason, as long as there is patience.
func (c jetStreamCommitter) through(ctx context.Context, do func(*link, jetstream.JetStream) error) error {
	for deadline := time.Now().Add(commitPatience); ; {
		err := c.once(do)
		if err == nil || !worthARetry(err) || time.Now().After(deadline) {
			return err
		}
		if pause(ctx) != nil {
			return err
		}
	}
}

func (c jetStreamCommitter) once(do func(*link, jetstream.JetStream) error) error {
	l, giveBack, err := c.with.borrow()
	if err != nil {
		return err
	}
	defer giveBack()
	js, err := c.with.jetStream(l.nc)
	if err != nil {
		return err
	}
	err = do(l, js)
	if size := (*batchSizeError)(nil); errors.As(err, &size) {
		l.batch.Store(int64(size.most))
	}
	return err
}

func (c jetStreamCommitter) commit(ctx context.Context, l *link, js jetstream.JetStream, tx streamTransaction) error {
	m, err := c.with.readMarker(ctx, l.nc, tx.Stream, tx.Marker)
	if err != nil {
		return err
	}
	if m.Transaction != tx.Staged || !m.whole() {
		if err := c.publish(ctx, l, js, tx, m); err != nil {
			return err
		}
	}
	return c.cleanUp(ctx, js, tx)
}

func (c jetStreamCommitter) publish(ctx context.Context, l *link, js jetstream.JetStream, tx streamTransaction, m marker) error {
	staged := readStaged(ctx, js, tx)
	defer staged.stop()
	// The first chunk tells whether there is anything, before any marker is replaced.
	first, err := staged.next()
	switch {
	case errors.Is(err, errNotStaged) && m.Transaction != tx.Staged && m.Checkpoint >= tx.Checkpoint:
		return nil // committed before
	case errors.Is(err, errNotStaged):
		return c.missing(ctx, l.nc, tx, m)
	case err != nil:
		return err
	}
	if m.sequence == 0 {
		if err := c.neverBegun(ctx, js, tx); err != nil {
			return err
		}
	}
	if m.Transaction != "" && m.Transaction != tx.Staged {
		if err := c.drop(ctx, js, tx.Stream, m.Transaction); err != nil {
			return err
		}
	}
	p, err := newPublication(l.nc, c.acts, tx, l.most(c.with.Batch), m)
	if err != nil {
		return err
	}
	err = p.run(ctx, staged.startingWith(first))
	if errors.Is(err, errNotStaged) {
		return c.missing(ctx, l.nc, tx, p.marker)
	}
	return err
}

// missing is for what is not staged any more. Somebody else may have committed it since
// the marker was read: then it is worth another look.
func (c jetStreamCommitter) missing(ctx context.Context, nc *nats.Conn, tx streamTransaction, m marker) error {
	now, err := c.with.readMarker(ctx, nc, tx.Stream, tx.Marker)
	if err != nil {
		return err
	}
	if now.sequence != m.sequence {
		return errWrongSequence
	}
	return c.lost(tx, m)
}

// neverBegun makes sure, where there is no marker, that none was dropped that told of
// this transaction.
func (c jetStreamCommitter) neverBegun(ctx context.Context, js jetstream.JetStream, tx streamTransaction) error {
	stream, err := js.Stream(ctx, tx.Stream)
	if err != nil {
		return streamFailed(tx.Stream, "look at stream", err)
	}
	if first := stream.CachedInfo().State.FirstSeq; first > tx.Since+1 {
		return placed("stream "+tx.Stream, "look which of them are there; keep messages for longer than an outage may last",
			fault.Corruptf("commit: the stream has dropped the marker of %s, so that nobody knows whether the %d records of checkpoint %d were published", tx.Marker, tx.Records, tx.Checkpoint))
	}
	return nil
}

// lost is for what can't be published any more.
func (c jetStreamCommitter) lost(tx streamTransaction, m marker) error {
	from := uint64(0)
	if m.Transaction == tx.Staged {
		from = m.Published
	}
	return placed("stream "+tx.Stream, "an outage took longer than keepStaged, somebody emptied "+stagedStream+tx.Stream+", or another run of the job has begun from nothing",
		fault.Corruptf("commit: records %d to %d of checkpoint %d, subtask %d, were staged, are gone and not published", from+1, tx.Records, tx.Checkpoint, tx.Subtask))
}

func (c jetStreamCommitter) cleanUp(ctx context.Context, js jetstream.JetStream, tx streamTransaction) error {
	if err := c.drop(ctx, js, tx.Stream, tx.Staged); err != nil {
		return err
	}
	if err := c.acts.next(); err != nil {
		return err
	}
	stream, err := js.Stream(ctx, tx.Stream)
	if err == nil && !stream.CachedInfo().Config.DenyPurge {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(tx.Marker), jetstream.WithPurgeKeep(1))
	}
	if err != nil {
		return streamFailed(tx.Stream, "remove old markers", err)
	}
	return nil
}

// drop removes what is staged at a subject; it may be gone.
func (c jetStreamCommitter) drop(ctx context.Context, js jetstream.JetStream, target, staged string) error {
	if !strings.HasPrefix(staged, stagedPrefix+target+".") {
		return fault.Corruptf("read marker: %q is no subject of what is staged for %s", staged, target)
	}
	if err := c.acts.next(); err != nil {
		return err
	}
	stream, err := js.Stream(ctx, stagedStream+target)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(staged))
	}
	if err != nil {
		return fmt.Errorf("remove what is staged: %w", streamFailed(stagedStream+target, "purge", err))
	}
	return nil
}
