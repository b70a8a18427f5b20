package connector

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
)

// receiver keeps the messages that are for the subtask. It runs on the connection's
// goroutine and knows the splits as they were when the source was opened.
func (s *jetStreamSource) receiver() jetstream.MessageHandler {
	splits := append([]streamSplit(nil), s.splits...)
	return func(m jetstream.Msg) {
		sequence, stored, ok := ackNumbers(m.Reply())
		if !ok {
			s.queue.fail(fault.Corruptf("read stream %s: message with the reply %q", s.with.Stream, m.Reply()))
			return
		}
		subject := m.Subject()
		for i := range splits {
			if split := &splits[i]; sequence > split.at && (!split.bounded || sequence <= split.end) && split.takes(subject) {
				if strings.HasPrefix(subject, markerPrefix) && !strings.HasPrefix(split.filter, markerPrefix) {
					break
				}
				s.queue.put(streamMessage{sequence, stored, subject, m.Headers(), m.Data()})
				return
			}
		}
		s.queue.pass(sequence)
	}
}

// trouble hears of what the consumer gets over by itself, and of what it does not.
func (s *jetStreamSource) trouble(_ jetstream.ConsumeContext, err error) {
	if s.closed.Load() {
		return
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted) {
		go s.reconnected()
	}
	s.c.log().Debug("reads the stream anew", "stream", s.with.Stream, "err", err)
}

// reconnected looks whether the stream is the one that was read before.
func (s *jetStreamSource) reconnected() {
	for s.stream != nil && !s.closed.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), natsPatience)
		info, err := s.stream.Info(ctx)
		cancel()
		if err == nil {
			err = s.stillThere(info, s.queue.readTo())
		}
		switch {
		case err == nil:
			return
		case errors.Is(err, fault.ErrCorrupt):
			s.queue.fail(err)
			return
		case !passing(err):
			s.queue.fail(s.failed("read stream", err))
			return
		}
		time.Sleep(natsRetry)
	}
}

// idleLook is how often a source looks how far the stream has gone on without it.
var idleLook = 10 * time.Second

// followIdle moves a source whose subjects are quiet along with its stream, so that it
// does not miss, when it goes on, what was dropped of other subjects.
func (s *jetStreamSource) followIdle(ctx context.Context, every time.Duration, start uint64, filters []string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		// An answer that fails is made up for by the next.
		if to, err := s.quietUntil(ctx, start, filters); err == nil {
			s.queue.pass(to)
		}
	}
}

// quietUntil is the last sequence of the stream, if all of the filters up to it was read;
// otherwise 0.
func (s *jetStreamSource) quietUntil(ctx context.Context, start uint64, filters []string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, natsPatience)
	defer cancel()
	end, _, err := s.with.lastMessage(ctx, s.nc, s.with.Stream, ">")
	if err != nil {
		return 0, err
	}
	for _, filter := range filters {
		last, _, err := s.with.lastMessage(ctx, s.nc, s.with.Stream, filter)
		if err != nil || last > max(start, s.queue.readTo()) {
			return 0, err
		}
	}
	return end, nil
}
