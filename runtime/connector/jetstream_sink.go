package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

type streamSinkSettings struct {
	natsSettings
	Stream    string        `json:"stream"`
	Subject   string        `json:"subject"`
	KeyHeader string        `json:"keyHeader"`
	Create    bool          `json:"create"`
	Replicas  int           `json:"replicas"`
	Keep      time.Duration `json:"keepStaged"`
	Batch     int           `json:"batch"`
}

// jetStreamSink stages what it writes in a stream beside its target, chunk by chunk,
// and has the committer publish it (D5).
type jetStreamSink struct {
	with    streamSinkSettings
	c       Context
	acts    acts
	subject subjectTemplate
	encode  encode // nil: the value
	nc      *nats.Conn
	js      jetstream.JetStream
	target  jetstream.Stream
	beside  jetstream.Stream
	largest int // bytes of a message that the target and the server take

	staged  string // subject of the transaction being written
	chunk   []byte
	index   uint32 // of chunk
	records uint64
	acks    []jetstream.PubAckFuture
	name    []byte // subject and data of a record
	data    []byte
	cursor  record.Cursor
}

// Room in a message for headers and for what a chunk adds to one record.
const (
	messageRoom    = 4 << 10
	chunksInFlight = 16
)

func openJetStreamSink(ctx context.Context, op *graph.Operator, c Context) (operator.Sink, error) {
	return openStagingSink(ctx, op, c, acts{})
}

func openStagingSink(ctx context.Context, op *graph.Operator, c Context, a acts) (operator.Sink, error) {
	s := &jetStreamSink{c: c, acts: a}
	err := settings(op, &s.with)
	if err != nil {
		return nil, err
	}
	if op.Format.Encode == "json" {
		s.encode = encodeJSON
	}
	if s.subject, err = parseSubjectTemplate(s.with.Subject, c.Subtask.Index); err != nil {
		return nil, placed("with.subject", "", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*natsPatience)
	defer cancel()
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *jetStreamSink) open(ctx context.Context) error {
	var err error
	// What can't be sent now fails the attempt, which repeats it: nothing is kept for later.
	if s.nc, err = s.with.connect(s.c.client(), s.c.log(), nats.ReconnectBufSize(-1)); err != nil {
		return err
	}
	if s.js, err = s.with.jetStream(s.nc, jetstream.WithPublishAsyncMaxPending(chunksInFlight), jetstream.WithPublishAsyncTimeout(2*natsPatience)); err != nil {
		return s.failed("open stream", err)
	}
	if err := s.openTarget(ctx); err != nil {
		return err
	}
	if err := s.openBeside(ctx); err != nil {
		return err
	}
	if err := s.lookAround(ctx); err != nil {
		return err
	}
	s.begin()
	return nil
}

func (s *jetStreamSink) openTarget(ctx context.Context) (err error) {
	s.target, err = s.js.Stream(ctx, s.with.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && s.with.Create {
		s.target, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: s.with.Stream, Subjects: []string{templatePattern(s.with.Subject), s.markers()}, Storage: jetstream.FileStorage,
			Replicas: s.with.Replicas, AllowAtomicPublish: true, AllowDirect: true,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // by another subtask, just now
			s.target, err = s.js.Stream(ctx, s.with.Stream)
		}
	}
	if err != nil {
		return s.failed("open stream", err)
	}
	config := s.target.CachedInfo().Config
	s.largest = int(s.nc.MaxPayload())
	if most := int(config.MaxMsgSize); most > 0 {
		s.largest = min(s.largest, most)
	}
	return s.suits(config)
}

// markers is the pattern of the subjects of all sinks' markers in the target.
func (s *jetStreamSink) markers() string { return markerPrefix + s.with.Stream + ".>" }

// suits says what a stream lacks to be published to exactly once, and how to give it.
func (s *jetStreamSink) suits(config jetstream.StreamConfig) error {
	place, edit := "stream "+s.with.Stream, "nats stream edit "+s.with.Stream
	taken := func(pattern string) bool {
		for _, filter := range config.Subjects {
			if covers(filter, pattern) {
				return true
			}
		}
		return false
	}
	switch {
	case !config.AllowAtomicPublish:
		return placed(place, edit+" --allow-batch; servers have it from version 2.12 on", errors.New("open stream: it takes no atomic batches"))
	case !taken(templatePattern(s.with.Subject)):
		return placed(place, "add it to the stream's subjects, or publish to one of them", fmt.Errorf("open stream: it does not take %s", templatePattern(s.with.Subject)))
	case !taken(s.markers()):
		return placed(place, "add it to the stream's subjects: the sink keeps there what it has published", fmt.Errorf("open stream: it does not take %s", s.markers()))
	case config.Retention == jetstream.InterestPolicy:
		return placed(place, "use a stream with limits", errors.New("open stream: it keeps only what somebody waits for, and would forget what was published"))
	case config.Sealed || config.Mirror != nil:
		return placed(place, "", errors.New("open stream: nobody can publish to it"))
	}
	return nil
}

func (s *jetStreamSink) openBeside(ctx context.Context) (err error) {
	// Replicas may be behind their leader: what they don't have is not lost.
	replicas := s.target.CachedInfo().Config.Replicas
	s.beside, err = s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: stagedStream + s.with.Stream, Description: "what sinks of wasmill have staged for " + s.with.Stream,
		Subjects: []string{stagedPrefix + s.with.Stream + ".>"}, Storage: jetstream.FileStorage,
		Replicas: replicas, MaxAge: s.with.Keep, AllowDirect: replicas == 1,
	})
	if err != nil {
		return streamFailed(stagedStream+s.with.Stream, "make stream for what is staged", err)
	}
	return nil
}

// lookAround removes what earlier attempts staged, of the subtasks that this one
// answers for: those that leave its number when divided by the parallelism. Nothing of
// it is in a checkpoint: what the one to go on from lists was committed before the sink
// is opened. A run from nothing puts its own marker behind those of earlier runs, whose
// transactions are refused from then on.
func (s *jetStreamSink) lookAround(ctx context.Context) error {
	mine := stagedOf(s.with.Stream, s.c.Job, s.c.Subtask.Operator)
	info, err := s.beside.Info(ctx, jetstream.WithSubjectFilter(mine+">"))
	if err != nil {
		return s.failed("look for what is staged", err)
	}
	dropped := 0
	for subject := range info.State.Subjects {
		number, _, _ := bytes.Cut([]byte(subject[len(mine):]), []byte("."))
		subtask, err := strconv.Atoi(string(number))
		if err != nil || subtask%s.c.Parallelism != s.c.Subtask.Index {
			continue
		}
		if err := s.beside.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return s.failed("remove what is staged", err)
		}
		dropped++
	}
	if dropped > 0 {
		s.c.log().Info("removes what an earlier attempt left", "stream", s.with.Stream, "transactions", dropped)
	}
	if s.c.Restore != nil {
		return nil
	}
	text, err := json.Marshal(marker{})
	if err == nil {
		_, err = s.js.Publish(ctx, markerOf(s.with.Stream, s.c.Job, s.c.Subtask), text)
	}
	if err != nil {
		return s.failed("publish marker", err)
	}
	return nil
}

// begin begins a transaction, whose name nothing else has.
func (s *jetStreamSink) begin() {
	s.staged = fmt.Sprintf("%s%d.%s", stagedOf(s.with.Stream, s.c.Job, s.c.Subtask.Operator), s.c.Subtask.Index, nonce())
	s.index, s.records, s.acks = 0, 0, s.acks[:0]
	s.chunk = appendChunkHead(s.chunk[:0], 0)
}

func (s *jetStreamSink) Write(batch []byte) error {
	s.cursor = *record.NewCursor(batch)
	for s.cursor.Next() {
		if err := s.add(&s.cursor.Record); err != nil {
			return err
		}
	}
	return nil
}

func (s *jetStreamSink) add(r *record.Record) error {
	data := r.Value
	if s.encode != nil {
		s.data = s.encode(s.data[:0], r)
		data = bytes.TrimSuffix(s.data, []byte{'\n'})
	}
	s.name = s.subject.append(s.name[:0], r.Key)
	if len(s.name) > maxKeyToken {
		return placed("with.subject", "shorten the key", fmt.Errorf("write record: its subject has %d bytes, more than %d", len(s.name), maxKeyToken))
	}
	var key []byte
	if s.with.KeyHeader != "" && r.Kind&record.KeyAbsent == 0 {
		if key = r.Key; len(key) == 0 {
			key = []byte{}
		}
		if bytes.ContainsAny(key, "\r\n\x00") {
			return placed("with.keyHeader", "leave it out", errors.New("write record: its key has a line end, which no header can have"))
		}
	}
	size := len(s.name) + len(key) + len(data)
	if size+messageRoom > s.largest {
		return placed("stream "+s.with.Stream, "raise max_payload of the server and the largest message of the stream", fmt.Errorf("write record: it has %d bytes, %d is the most", size, s.largest-messageRoom))
	}
	if len(s.chunk)+size+messageRoom > s.largest || len(s.chunk) >= chunkBytes {
		if err := s.send(); err != nil {
			return err
		}
	}
	s.chunk = appendStaged(s.chunk, s.name, key, data)
	s.records++
	return nil
}

// send stages the chunk. It waits while too many are under way.
func (s *jetStreamSink) send() error {
	if err := s.acts.next(); err != nil {
		return err
	}
	ack, err := s.js.PublishMsgAsync(&nats.Msg{Subject: s.staged, Data: s.chunk}, jetstream.WithStallWait(2*natsPatience), jetstream.WithExpectStream(stagedStream+s.with.Stream))
	if err != nil {
		return s.failed("stage records", err)
	}
	s.acks = append(s.acks, ack)
	s.index++
	// The publisher may still read the chunk: the next one is another.
	s.chunk = appendChunkHead(make([]byte, 0, cap(s.chunk)), s.index)
	return nil
}

// Flush has nothing to do: nothing is visible before the commit, and what matters is
// durable when it is prepared.
func (s *jetStreamSink) Flush() error { return nil }

func (s *jetStreamSink) Prepare(checkpoint uint64) (operator.Transaction, error) {
	if s.records == 0 {
		return nil, nil
	}
	if err := s.send(); err != nil {
		return nil, err
	}
	for _, ack := range s.acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return nil, s.failed("stage records", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), natsPatience)
	defer cancel()
	info, err := s.target.Info(ctx)
	if err != nil {
		return nil, s.failed("look at stream", err)
	}
	tx := streamTransaction{
		Stream: s.with.Stream, Marker: markerOf(s.with.Stream, s.c.Job, s.c.Subtask), Staged: s.staged, Checkpoint: checkpoint,
		Subtask: s.c.Subtask.Index, Chunks: s.index, Records: s.records, KeyHeader: s.with.KeyHeader, Since: info.State.LastSeq,
	}
	s.begin()
	return json.Marshal(tx)
}

// Close drops what was not prepared, if the server is there.
func (s *jetStreamSink) Close() error {
	if s.nc == nil {
		return nil
	}
	if s.index > 0 && s.nc.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), natsPatience)
		defer cancel()
		if err := s.beside.Purge(ctx, jetstream.WithPurgeSubject(s.staged)); err != nil && !passing(err) {
			s.c.log().Warn("staged output stays behind", "stream", s.with.Stream, "err", err)
		}
		s.index = 0
	}
	s.nc.Close()
	return nil
}

func (s *jetStreamSink) failed(what string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return streamFailed(s.with.Stream, what, err)
}
