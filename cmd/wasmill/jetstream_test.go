package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
)

// streams is a NATS server with the streams of a job: IN, which is filled as far as the
// test allows, and OUT.
type streams struct {
	server *natstest.Server
	js     jetstream.JetStream
	job    string
	want   []string      // what OUT must hold in the end, sorted
	tokens chan struct{} // one for each message of a subject
	filled atomic.Bool
}

const perSubject = 3000

// newStreams fills IN, a message a millisecond at most. Each is published until the
// server says that it has it, and deduplicated by its number.
func newStreams(t *testing.T) *streams {
	t.Helper()
	s := &streams{server: natstest.Start(t, t.TempDir()), tokens: make(chan struct{}, perSubject)}
	nc, err := nats.Connect(s.server.URL, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if s.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "IN", Subjects: []string{"in.*"}, Storage: jetstream.FileStorage, Duplicates: time.Minute}); err != nil {
		t.Fatal(err)
	}
	guest, err := filepath.Abs("testdata/guests/number.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(guest); err != nil {
		t.Fatalf("%v: make guests", err)
	}
	s.job = filepath.Join(t.TempDir(), "job.yaml")
	text := `
version: 1
job: streams
parallelism: 2
checkpoint: {interval: 100ms}
restart: {fixed: {delay: 50ms, attempts: 1000}}
operators:
  in: {source: jetstream, with: {url: "URL", stream: IN, subjects: [in.0, in.1], keyFrom: subject 2}}
  op: {module: GUEST, inputs: [in]}
  out: {sink: jetstream, inputs: [op], with: {url: "URL", stream: OUT, subject: "out.{key}", create: true, batch: 50}}
`
	text = strings.NewReplacer("URL", s.server.URL, "GUEST", guest).Replace(text)
	if err := os.WriteFile(s.job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for subject := range 2 {
		for n := range perSubject {
			s.want = append(s.want, fmt.Sprintf("out.%d: %d %d %d v%d", subject, subject, n+1, n+1, n))
		}
	}
	slices.Sort(s.want)
	go s.fill(t.Context())
	return s
}

// allow lets so many more messages of each subject come.
func (s *streams) allow(messages int) {
	for range messages {
		select {
		case s.tokens <- struct{}{}:
		default: // more than there are
		}
	}
}

func (s *streams) fill(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := range perSubject {
		select {
		case <-s.tokens:
		case <-ctx.Done():
			return
		}
		for sent := false; !sent && ctx.Err() == nil; {
			<-tick.C
			sent = s.publish(ctx, 0, n) && s.publish(ctx, 1, n)
		}
	}
	s.filled.Store(true)
}

func (s *streams) publish(ctx context.Context, subject, n int) bool {
	_, err := s.js.Publish(ctx, fmt.Sprintf("in.%d", subject), fmt.Appendf(nil, "v%d", n), jetstream.WithMsgID(fmt.Sprint(subject, "/", n)))
	return err == nil
}

// out is what OUT holds, sorted: "SUBJECT: VALUE".
func (s *streams) out(t *testing.T) []string {
	t.Helper()
	all := []string{}
	stream, err := s.js.Stream(t.Context(), "OUT")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"out.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := consumer.FetchNoWait(1000)
		if err != nil {
			t.Fatal(err)
		}
		before := len(all)
		for m := range batch.Messages() {
			all = append(all, m.Subject()+": "+string(m.Data()))
		}
		if len(all) == before {
			break
		}
	}
	slices.Sort(all)
	return all
}

// count is how many records lie in OUT. An answer that fails is none.
func (s *streams) count(ctx context.Context) int {
	stream, err := s.js.Stream(ctx, "OUT")
	if err != nil {
		return 0
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("out.>"))
	if err != nil {
		return 0
	}
	sum := uint64(0)
	for n := range maps.Values(info.State.Subjects) {
		sum += n
	}
	return int(sum)
}

// finish lets all come, waits until it is out, ends the job, and compares.
func (s *streams) finish(t *testing.T, run *process) {
	t.Helper()
	s.allow(perSubject)
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !s.filled.Load() || s.count(t.Context()) < len(s.want) {
		if run.over() {
			t.Fatalf("the job has ended:\n%s", run.stderr)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of %d records are out:\n%s", s.count(t.Context()), len(s.want), run.stderr)
		}
	}
	before := run.completed()
	waitUntil(t, "one more checkpoint", func() bool { return run.completed() >= before+2 || run.over() })
	signalTo(t, run.cmd.Process.Pid, syscall.SIGINT)
	run.wait(t, time.Minute)
	if got := s.out(t); !slices.Equal(got, s.want) {
		t.Errorf("%d records are out, want %d, each once", len(got), len(s.want))
		for i := range got {
			if i >= len(s.want) || got[i] != s.want[i] {
				t.Errorf("the first that is wrong: %q", got[i])
				break
			}
		}
	}
}

// Rows 1 and 16 of the faults: workers and everything are killed at random moments
// between JetStream and JetStream.
func TestStruckStreamsLoseAndDoubleNothing(t *testing.T) {
	seeds, kills := uint64(1), 6
	if os.Getenv("WASMILL_SOAK") != "" {
		seeds, kills = 20, 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, store, r := newStreams(t), t.TempDir(), rand.New(rand.NewPCG(seed, 5))
			run := start(t, s.job, store, "--workers", "2")
			for kill := range kills {
				s.allow(perSubject / (kills + 1))
				before := run.completed()
				waitUntil(t, "a checkpoint completes", func() bool { return run.completed() > before || run.over() })
				<-time.After(time.Duration(r.Int64N(int64(150 * time.Millisecond)))) // a random moment is meant
				if kill%3 == 2 {
					run.killAll(t)
					run = start(t, s.job, store, "--workers", "2", "--from", "latest")
					continue
				}
				attempts := strings.Count(run.stderr.String(), "to=running")
				run.killOne(t, r)
				waitUntil(t, "the job goes on", func() bool { return strings.Count(run.stderr.String(), "to=running") > attempts || run.over() })
			}
			s.finish(t, run)
		})
	}
}

// The server of the streams is killed and comes back with its files; the job's own
// server lives.
func TestAKilledJetStreamServerLosesNothing(t *testing.T) {
	s, r := newStreams(t), rand.New(rand.NewPCG(1, 6))
	run := start(t, s.job, t.TempDir(), "--workers", "2")
	for range 3 {
		s.allow(perSubject / 4)
		before := run.completed()
		waitUntil(t, "a checkpoint completes", func() bool { return run.completed() > before || run.over() })
		<-time.After(time.Duration(r.Int64N(int64(150 * time.Millisecond))))
		s.server.Kill()
		s.server.Again(t)
	}
	s.finish(t, run)
}

// Rows 3 and 4: a run is stopped, another takes its job over, and the first goes on:
// nothing of what it had staged is published by it.
func TestADeposedRunPublishesNothing(t *testing.T) {
	s, store := newStreams(t), t.TempDir()
	s.allow(perSubject / 2)
	first := start(t, s.job, store)
	waitUntil(t, "three checkpoints complete", func() bool { return first.completed() >= 3 || first.over() })
	signalTo(t, first.cmd.Process.Pid, syscall.SIGSTOP)
	second := start(t, s.job, store, "--from", "latest")
	waitUntil(t, "the second completes two", func() bool { return second.completed() >= 2 || second.over() })
	signalTo(t, first.cmd.Process.Pid, syscall.SIGCONT)
	if code := first.wait(t, time.Minute); code != exitLostRace {
		t.Errorf("the first ends with %d, want %d:\n%s", code, exitLostRace, first.stderr)
	}
	s.finish(t, second)
}
