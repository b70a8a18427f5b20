package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Codes of errors that servers answer atomic batches with.
const (
	codeNoAtomicBatches = 10174
	codeBatchTooLarge   = 10199
	codeBatchIncomplete = 10176
	codeWrongSequence   = 10071
	codeAnyWrong        = 10164
)

// batchMost bounds the bytes of a batch: the server holds them all until it commits.
const batchMost = 8 << 20

// publication publishes a transaction batch by batch. Each batch is atomic and ends
// with the marker that says how far the transaction is with it: a batch and its marker
// are there, or neither. While the server commits one batch, the next is on its way.
type publication struct {
	nc     *nats.Conn
	acts   acts
	tx     streamTransaction
	most   int    // messages of a batch
	reply  string // where the server's answers go to
	inbox  *nats.Subscription
	answer chan *nats.Msg
	lost   chan nats.Status // hears when the connection is lost, and the answer with it
	marker marker           // the last that was acknowledged, or is waited for

	id      string
	count   int
	bytes   int
	waiting bool
	message nats.Msg
	number  []string // value of the header
	named   []string
}

func newPublication(nc *nats.Conn, a acts, tx streamTransaction, most int, from marker) (*publication, error) {
	p := &publication{nc: nc, acts: a, tx: tx, most: max(most, 2), reply: nc.NewRespInbox(), answer: make(chan *nats.Msg, 1), number: []string{""}, named: []string{""}}
	var err error
	if p.inbox, err = nc.ChanSubscribe(p.reply, p.answer); err != nil {
		return nil, streamFailed(tx.Stream, "publish", err)
	}
	p.lost = nc.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	p.marker = marker{Transaction: tx.Staged, Checkpoint: tx.Checkpoint, Records: tx.Records, sequence: from.sequence}
	if from.Transaction == tx.Staged {
		p.marker.Published = from.Published
	}
	return p, nil
}

// run publishes what the marker does not say is there.
func (p *publication) run(ctx context.Context, staged *stagedReader) error {
	defer p.inbox.Unsubscribe()
	defer p.nc.RemoveStatusListener(p.lost)
	skip := p.marker.Published
	for index := range p.tx.Chunks {
		chunk, err := staged.next()
		if err != nil {
			return err
		}
		reader, err := openChunk(chunk, index)
		if err != nil {
			return err
		}
		for {
			more, err := reader.next()
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if skip > 0 {
				skip--
				continue
			}
			if err := p.add(ctx, &reader); err != nil {
				return err
			}
		}
	}
	if p.count > 0 {
		if err := p.end(ctx); err != nil {
			return err
		}
	}
	if err := p.wait(ctx); err != nil {
		return err
	}
	if !p.marker.whole() {
		return fault.Corruptf("publish: %d records are staged, and there were %d", p.marker.Published, p.tx.Records)
	}
	return nil
}

func (p *publication) add(ctx context.Context, m *chunkReader) error {
	if p.count > 0 && p.bytes+len(m.data) > batchMost {
		if err := p.end(ctx); err != nil {
			return err
		}
	}
	if p.count == 0 {
		p.id, p.bytes = nonce(), 0
		p.message.Header = nats.Header{"Nats-Batch-Id": {p.id}, "Nats-Batch-Sequence": p.number}
	}
	if delete(p.message.Header, p.tx.KeyHeader); m.key != nil && p.tx.KeyHeader != "" {
		p.named[0] = string(m.key)
		p.message.Header[p.tx.KeyHeader] = p.named
	}
	p.count++
	p.bytes += len(m.data)
	p.number[0] = strconv.Itoa(p.count)
	p.message.Subject, p.message.Data = string(m.subject), m.data
	if err := p.nc.PublishMsg(&p.message); err != nil {
		return streamFailed(p.tx.Stream, "publish", err)
	}
	if p.count == p.most-1 {
		return p.end(ctx)
	}
	return nil
}

// end sends the marker that ends the batch, once the one before is acknowledged: it is
// that one it has to follow.
func (p *publication) end(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	if err := p.acts.next(); err != nil {
		return err
	}
	p.marker.Published += uint64(p.count)
	text, err := json.Marshal(p.marker)
	if err != nil {
		return err
	}
	m := nats.Msg{Subject: p.tx.Marker, Reply: p.reply, Data: text, Header: nats.Header{
		"Nats-Batch-Id": {p.id}, "Nats-Batch-Sequence": {strconv.Itoa(p.count + 1)}, "Nats-Batch-Commit": {"1"},
		jetstream.ExpectedStreamHeader:      {p.tx.Stream},
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(p.marker.sequence, 10)},
	}}
	if err := p.nc.PublishMsg(&m); err != nil {
		return streamFailed(p.tx.Stream, "publish", err)
	}
	p.count, p.waiting = 0, true
	return nil
}

// wait waits for the acknowledgement of the batch that was ended last.
func (p *publication) wait(ctx context.Context) error {
	if !p.waiting {
		return nil
	}
	p.waiting = false
	patience := time.NewTimer(2 * natsPatience)
	defer patience.Stop()
	var reply *nats.Msg
	select {
	case reply = <-p.answer:
		if len(reply.Data) == 0 && reply.Header.Get("Status") == "503" {
			return streamFailed(p.tx.Stream, "publish", nats.ErrNoResponders)
		}
	case <-p.lost:
		return streamFailed(p.tx.Stream, "publish", nats.ErrDisconnected)
	case <-patience.C:
		return streamFailed(p.tx.Stream, "publish", nats.ErrTimeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var ack struct {
		Error    *jetstream.APIError `json:"error"`
		Sequence uint64              `json:"seq"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return fault.Transientf("publish to %s: read answer %q: %w", p.tx.Stream, reply.Data, err)
	}
	if ack.Error != nil {
		return p.refused(ack.Error)
	}
	p.marker.sequence = ack.Sequence
	return nil
}

func (p *publication) refused(e *jetstream.APIError) error {
	switch e.ErrorCode {
	case codeWrongSequence, codeAnyWrong:
		return errWrongSequence
	case codeBatchIncomplete:
		// A server drops what it has no room for; it may also have been away.
		return &batchSizeError{max(p.most/2, min(p.most, batchRoom)), e}
	case codeBatchTooLarge:
		_, limit, _ := strings.Cut(e.Description, "too large: ")
		most, err := strconv.Atoi(limit)
		if err != nil || most >= p.most {
			most = p.most / 2
		}
		return &batchSizeError{max(most, batchLeast), e}
	case codeNoAtomicBatches:
		return placed("stream "+p.tx.Stream, "nats stream edit "+p.tx.Stream+" --allow-batch", fmt.Errorf("publish: %w", e))
	}
	return streamFailed(p.tx.Stream, "publish", e)
}

// batchLeast is the size of a batch that no server finds too large.
const batchLeast = 50

// batchRoom is the size of a batch that every server has room for, whatever else it does.
const batchRoom = 500

// batchSizeError asks for smaller batches.
type batchSizeError struct {
	most int
	err  error
}

func (e *batchSizeError) Error() string { return "publish: " + e.err.Error() }
func (e *batchSizeError) Unwrap() error { return fault.As(fault.ErrTransient, e.err) }

// worthARetry tells errors after which a commit looks again how far it is.
func worthARetry(err error) bool {
	return errors.Is(err, errWrongSequence) || errors.Is(err, fault.ErrTransient) || passing(err)
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(natsRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
