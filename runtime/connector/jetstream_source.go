package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

type streamSourceSettings struct {
	natsSettings
	Stream     string   `json:"stream"`
	Subjects   []string `json:"subjects"`
	Partitions int      `json:"partitions"`
	Start      string   `json:"start"`
	End        string   `json:"end"`
	KeyFrom    string   `json:"keyFrom"`
	Missing    string   `json:"missing"`
}

// jetStreamSource reads a stream with a consumer that acknowledges nothing: how far it
// is, the job's checkpoints say. One consumer reads for all splits of the subtask, in
// the order of the stream.
type jetStreamSource struct {
	with   streamSourceSettings
	c      Context
	dec    *decoder
	key    keyOf
	nc     *nats.Conn
	stream jetstream.Stream
	stop   func()
	closed atomic.Bool
	queue  *streamQueue
	splits []streamSplit
	read   []streamMessage // taken from the queue
	next   int             // of read
	out    record.Builder
	text   []byte // a message as JSON
}

func openJetStreamSource(ctx context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	s := &jetStreamSource{c: c, dec: newDecoder(op.Format), queue: newStreamQueue()}
	if err := settings(op, &s.with); err != nil {
		return nil, err
	}
	var err error
	if s.key, err = parseKeyFrom(s.with.KeyFrom); err != nil {
		return nil, err
	}
	if c.Restore != nil && len(c.Restore) == 0 {
		return s, nil // nothing is this subtask's
	}
	ctx, cancel := context.WithTimeout(ctx, 4*natsPatience)
	defer cancel()
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *jetStreamSource) open(ctx context.Context) error {
	var err error
	s.nc, err = s.with.connect(s.c.client(), s.c.log(), nats.ReconnectHandler(func(*nats.Conn) { go s.reconnected() }))
	if err != nil {
		return err
	}
	js, err := s.with.jetStream(s.nc)
	if err == nil {
		s.stream, err = js.Stream(ctx, s.with.Stream)
	}
	if err != nil {
		return s.failed("open stream", err)
	}
	info := s.stream.CachedInfo()
	if info.Config.Retention != jetstream.LimitsPolicy {
		return placed("stream "+s.with.Stream, "read it through a stream with limits that sources it", errors.New("open stream: it forgets messages that were acknowledged, and could not be read again after a restart"))
	}
	if s.splits, err = s.startingSplits(ctx, info); err != nil {
		return err
	}
	if s.done() {
		return nil
	}
	return s.consume(ctx, js)
}

func (s *jetStreamSource) startingSplits(ctx context.Context, info *jetstream.StreamInfo) ([]streamSplit, error) {
	if s.c.Restore != nil {
		return s.restoredSplits(info)
	}
	filters := s.with.Subjects
	if len(filters) == 0 {
		filters = []string{">"}
	}
	for i, a := range filters {
		for _, b := range filters[:i] {
			if meet(a, b) {
				return nil, placed("with.subjects", "a message is read once: name subjects that do not overlap", fmt.Errorf("open stream: %s and %s overlap", b, a))
			}
		}
	}
	at, err := s.startingAt(ctx, info)
	if err != nil {
		return nil, err
	}
	splits := dealSplits(filters, s.with.Partitions, s.c.Subtask.Index, s.c.Parallelism)
	for i := range splits {
		splits[i].at = at
		if s.with.End == "latest" {
			splits[i].bounded = true
			if splits[i].end, _, err = s.with.lastMessage(ctx, s.nc, s.with.Stream, splits[i].filter); err != nil {
				return nil, err
			}
		}
	}
	return splits, nil
}

// startingAt is the sequence that a run from the start begins behind.
func (s *jetStreamSource) startingAt(ctx context.Context, info *jetstream.StreamInfo) (uint64, error) {
	kind, value, err := parseStart(s.with.Start)
	if err != nil {
		return 0, err
	}
	switch kind {
	case "new":
		return info.State.LastSeq, nil
	case "sequence":
		n, _ := strconv.ParseUint(value, 10, 64)
		return n - 1, nil
	case "time":
		at, _ := time.Parse(time.RFC3339Nano, value)
		return s.firstSince(ctx, at, info.State.LastSeq)
	}
	return 0, nil
}

// firstSince is the sequence before the first message that was stored at a time or
// later; otherwise if there is none yet.
func (s *jetStreamSource) firstSince(ctx context.Context, at time.Time, otherwise uint64) (uint64, error) {
	consumer, err := s.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at, HeadersOnly: true})
	if err != nil {
		return 0, s.failed("look for start time", err)
	}
	batch, err := consumer.FetchNoWait(1)
	if err != nil {
		return 0, s.failed("look for start time", err)
	}
	for m := range batch.Messages() {
		if sequence, _, ok := ackNumbers(m.Reply()); ok {
			return sequence - 1, nil
		}
	}
	if err := batch.Error(); err != nil {
		return 0, s.failed("look for start time", err)
	}
	return otherwise, nil
}

func (s *jetStreamSource) restoredSplits(info *jetstream.StreamInfo) (splits []streamSplit, err error) {
	for _, from := range s.c.Restore {
		split, err := parseStreamSplit(from)
		if err != nil {
			return nil, placed("stream "+s.with.Stream, "", err)
		}
		splits = append(splits, split)
		if split.done() {
			continue
		}
		if err := s.stillThere(info, split.at); err != nil {
			return nil, err
		}
	}
	return splits, nil
}

// stillThere refuses to go on where a stream has lost what was not read yet, or was
// made anew.
func (s *jetStreamSource) stillThere(info *jetstream.StreamInfo, at uint64) error {
	state := info.State
	switch {
	case at > state.LastSeq:
		return placed("stream "+s.with.Stream, "start the job from nothing, or from an earlier checkpoint",
			fault.Corruptf("read stream: %d messages of it were read, and it has only had %d: it was made anew, or lost its end", at, state.LastSeq))
	case at > 0 && state.FirstSeq > at+1 && s.with.Missing == "skip":
		s.c.log().Warn("messages are gone that were not read yet", "stream", s.with.Stream, "from", at+1, "to", state.FirstSeq-1)
	case at > 0 && state.FirstSeq > at+1:
		return placed("stream "+s.with.Stream, "keep messages for longer than the job may stand still; missing: skip goes on without them",
			fault.Corruptf("read stream: messages %d to %d are gone, and those of them that are this job's were not read", at+1, state.FirstSeq-1))
	}
	return nil
}

func (s *jetStreamSource) consume(ctx context.Context, js jetstream.JetStream) error {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.earliest() + 1, InactiveThreshold: time.Minute}
	for _, split := range s.splits {
		if split.filter != ">" && !slices.Contains(config.FilterSubjects, split.filter) {
			config.FilterSubjects = append(config.FilterSubjects, split.filter)
		}
	}
	consumer, err := js.OrderedConsumer(ctx, s.with.Stream, config)
	if err != nil {
		return s.failed("make consumer", err)
	}
	consuming, err := consumer.Consume(s.receiver(), jetstream.PullMaxMessages(4096), jetstream.ConsumeErrHandler(s.trouble))
	if err != nil {
		return s.failed("read stream", err)
	}
	idle, end := context.WithCancel(context.Background())
	s.stop = func() {
		end()
		consuming.Stop()
	}
	go s.followIdle(idle, idleLook, s.earliest(), splitFilters(s.splits))
	return nil
}

func splitFilters(splits []streamSplit) (filters []string) {
	for _, split := range splits {
		if !slices.Contains(filters, split.filter) {
			filters = append(filters, split.filter)
		}
	}
	return filters
}

func (s *jetStreamSource) earliest() uint64 {
	first := ^uint64(0)
	for i := range s.splits {
		if !s.splits[i].done() {
			first = min(first, s.splits[i].at)
		}
	}
	return first
}

func (s *jetStreamSource) Poll(most int) (operator.Status, error) {
	if s.done() {
		return operator.End, nil
	}
	if s.next == len(s.read) {
		clear(s.read)
		read, passed, err := s.queue.take(s.read[:0])
		if s.read, s.next = read, 0; len(read) == 0 {
			if err != nil {
				return operator.End, err
			}
			s.pass(passed)
			return s.status(operator.Idle), nil
		}
	}
	s.out.Reset()
	s.dec.poll()
	for met := 0; met < most && s.next < len(s.read) && s.out.Len() < batchBytes; met++ {
		if err := s.give(&s.read[s.next]); err != nil {
			return operator.End, err
		}
		s.next++
	}
	s.pass(s.read[s.next-1].sequence)
	if err := s.c.give(&s.out); err != nil {
		return operator.End, err
	}
	return s.status(operator.More), nil
}

func (s *jetStreamSource) status(otherwise operator.Status) operator.Status {
	if s.done() {
		return operator.End
	}
	return otherwise
}

// give makes a record of a message.
func (s *jetStreamSource) give(m *streamMessage) error {
	value, reason := m.data, ""
	if s.dec.Decode == "message" {
		s.text = appendMessage(s.text[:0], m)
		value = s.text
	} else if s.dec.checked() {
		reason = invalidJSON(value)
	}
	if reason == "" {
		reason = s.dec.add(&s.out, floorDiv(m.stored, 1_000_000), s.key.of(m), value)
	}
	if reason == "" {
		return nil
	}
	return s.c.Collector.Reject(operator.Rejection{
		Record: record.Record{Kind: record.KeyAbsent, Timestamp: record.NoTimestamp, Value: m.data},
		Place:  fmt.Sprintf("%s:%d", s.with.Stream, m.sequence),
		Reason: reason,
	})
}

func (s *jetStreamSource) pass(sequence uint64) {
	for i := range s.splits {
		s.splits[i].pass(sequence)
	}
}

func (s *jetStreamSource) done() bool {
	for i := range s.splits {
		if !s.splits[i].done() {
			return false
		}
	}
	return true
}

func (s *jetStreamSource) Ready() <-chan struct{} { return s.queue.ready }

func (s *jetStreamSource) Position() []operator.Split {
	all := make([]operator.Split, len(s.splits))
	for i := range s.splits {
		all[i] = s.splits[i].position()
	}
	return all
}

func (s *jetStreamSource) Close() error {
	s.closed.Store(true)
	s.queue.close()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if s.nc != nil {
		s.nc.Close()
	}
	return nil
}

func (s *jetStreamSource) failed(what string, err error) error {
	return streamFailed(s.with.Stream, what, err)
}
