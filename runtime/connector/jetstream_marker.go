package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/id"
)

// Subjects of the sinks' own. Markers lie in the stream that a sink publishes to, what
// is staged in one beside it.
const (
	markerPrefix = "wasmill.commit."
	stagedPrefix = "wasmill.staged."
	stagedStream = "WASMILL-STAGED-" // then the name of the target
)

// markerOf is the subject of a sink subtask's marker.
func markerOf(stream string, job id.Job, at id.Subtask) string {
	return fmt.Sprintf("%s%s.%s.%s.%s.%d", markerPrefix, stream, job.Namespace, job.Name, at.Operator, at.Index)
}

func stagedOf(stream string, job id.Job, operator string) string {
	return fmt.Sprintf("%s%s.%s.%s.%s.", stagedPrefix, stream, job.Namespace, job.Name, operator)
}

// marker is the last message on a sink subtask's own subject: which transaction was
// published last, and how far. It is written in one atomic batch with the records that
// it tells of, on condition that it follows the marker before: so a record is published
// once, whoever publishes, however often, after whatever time (D5).
type marker struct {
	Transaction string `json:"transaction"` // the subject it was staged at; "" at the start of a run
	Checkpoint  uint64 `json:"checkpoint"`
	Published   uint64 `json:"published"` // records of it that are in the stream
	Records     uint64 `json:"records"`   // records that it has

	sequence uint64 // of the marker itself; 0 if there is none
}

func (m marker) whole() bool { return m.Published >= m.Records }

// lastMessage is the last message of a subject, which may have wildcards; its sequence
// is 0 if there is none. The stream's leader is asked: what a replica says may be old.
func (s natsSettings) lastMessage(ctx context.Context, nc *nats.Conn, stream, subject string) (sequence uint64, data []byte, err error) {
	prefix := "$JS.API"
	if s.Domain != "" {
		prefix = "$JS." + s.Domain + ".API"
	}
	request, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, natsPatience)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, prefix+".STREAM.MSG.GET."+stream, request)
	if err != nil {
		return 0, nil, streamFailed(stream, "read last message", err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return 0, nil, streamFailed(stream, "read last message", err)
	}
	if e := answer.Error; e != nil {
		if e.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return 0, nil, nil
		}
		return 0, nil, streamFailed(stream, "read last message", e)
	}
	return answer.Message.Sequence, answer.Message.Data, nil
}

func (s natsSettings) readMarker(ctx context.Context, nc *nats.Conn, stream, subject string) (marker, error) {
	sequence, data, err := s.lastMessage(ctx, nc, stream, subject)
	m := marker{sequence: sequence}
	if err != nil || sequence == 0 {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, placed("stream "+stream, "nobody but the sink publishes to "+subject, fault.As(fault.ErrCorrupt, fmt.Errorf("read marker %d: %w", sequence, err)))
	}
	return m, nil
}

// streamTransaction is what a JetStream sink prepared, as it is stored. All that a
// commit needs to know of the sink is in it.
type streamTransaction struct {
	Stream     string `json:"stream"`
	Marker     string `json:"marker"` // subject in stream
	Staged     string `json:"staged"` // subject of its chunks, which nothing else has
	Checkpoint uint64 `json:"checkpoint"`
	Subtask    int    `json:"subtask"`
	Chunks     uint32 `json:"chunks"`
	Records    uint64 `json:"records"`
	KeyHeader  string `json:"keyHeader,omitempty"`
	// Since is the last sequence of the stream when the transaction was prepared: nothing
	// of it lies before.
	Since uint64 `json:"since"`
}

// readStreamTransaction trusts no subject: what is published and purged are a sink's.
func readStreamTransaction(text []byte) (streamTransaction, error) {
	var tx streamTransaction
	if err := json.Unmarshal(text, &tx); err != nil {
		return tx, fault.As(fault.ErrCorrupt, fmt.Errorf("read transaction: %w", err))
	}
	name, _ := json.Marshal(tx.Stream)
	switch {
	case checkStreamName(name) != nil:
		return tx, fault.Corruptf("read transaction: %q is no name of a stream", tx.Stream)
	case !ownSubject(tx.Marker, markerPrefix+tx.Stream+"."):
		return tx, fault.Corruptf("read transaction: %q is no subject of a marker", tx.Marker)
	case !ownSubject(tx.Staged, stagedPrefix+tx.Stream+"."):
		return tx, fault.Corruptf("read transaction: %q is no subject of what is staged", tx.Staged)
	case tx.Records == 0 || tx.Chunks == 0:
		return tx, fault.Corruptf("read transaction: it has %d records in %d chunks", tx.Records, tx.Chunks)
	}
	return tx, nil
}

func ownSubject(subject, prefix string) bool {
	return strings.HasPrefix(subject, prefix) && len(subject) > len(prefix) && validPattern(subject) == nil && !strings.ContainsAny(subject, "*>")
}

var errWrongSequence = errors.New("somebody else has published")
