package coordinator

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/snapshots"
)

// run lets a coordinator talk to one worker that a test plays.
func run(t *testing.T, ctx context.Context, play func(inbox <-chan cluster.Envelope, send func(cluster.Message))) Result {
	t.Helper()
	transport := cluster.NewLocal()
	inbox, err := transport.Listen("w0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{
		Transport: transport, Plan: twoTasks(), Workers: 1, History: &log{}, Term: 1, Next: 1,
		Module: func(string) ([]byte, error) { return make([]byte, chunkSize+5), nil },
	})
	send := func(m cluster.Message) {
		if err := transport.Send(cluster.CoordinatorAddress, cluster.Envelope{From: "w0", Message: m}); err != nil {
			t.Error(err)
		}
	}
	go func() {
		synctest.Wait() // the coordinator listens
		play(inbox, send)
	}()
	result, err := c.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// log is a history in memory.
type log struct {
	mu   sync.Mutex
	all  []*snapshots.Manifest // guarded by mu
	fail error
}

func (l *log) Record(_ context.Context, m *snapshots.Manifest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.all = append(l.all, m)
	}
	return l.fail
}

func (l *log) Latest(context.Context, bool) (*snapshots.Manifest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return nil, nil
	}
	return l.all[len(l.all)-1], nil
}

// obedient plays a worker that does what it is told, until a message that stop knows.
func obedient(stop func(cluster.Message) bool) func(<-chan cluster.Envelope, func(cluster.Message)) {
	return func(inbox <-chan cluster.Envelope, send func(cluster.Message)) {
		send(cluster.Register{})
		for e := range inbox {
			if stop(e.Message) {
				return
			}
			switch m := e.Message.(type) {
			case cluster.Prepare:
				send(cluster.Prepared{AttemptRef: m.AttemptRef})
			case cluster.Start:
				for _, task := range tasks(twoTasks()) {
					send(cluster.TaskFinished{AttemptRef: m.AttemptRef, Task: task})
				}
			case cluster.Cancel:
				send(cluster.Stopped{AttemptRef: m.AttemptRef})
				return
			}
		}
	}
}

func never(cluster.Message) bool { return false }

func TestAJobRunsToItsEnd(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(recorder)))
	synctest.Test(t, func(t *testing.T) {
		r := run(t, t.Context(), obedient(never))
		if r.State != Finished || r.Err != nil {
			t.Errorf("got %+v", r)
		}
	})
	var spans []string
	for _, s := range recorder.Ended() {
		spans = append(spans, s.Name())
		if s.Status().Code == codes.Error {
			t.Errorf("span %s failed: %s", s.Name(), s.Status().Description)
		}
	}
	if got := strings.Join(spans, " "); got != "created scheduled running stopping job" {
		t.Errorf("spans %s", got)
	}
}

func TestTroubleEndsAJobInTime(t *testing.T) {
	for name, test := range map[string]struct {
		play   func(<-chan cluster.Envelope, func(cluster.Message))
		cancel time.Duration
		state  State
		says   string
		within time.Duration
	}{
		"a worker never registers": {
			play:  func(<-chan cluster.Envelope, func(cluster.Message)) {},
			state: Failed, says: "0 of 1 workers registered within 30s", within: 31 * time.Second,
		},
		"a worker falls silent": {
			play:  obedient(func(m cluster.Message) bool { _, is := m.(cluster.Start); return is }),
			state: Failed, says: "worker w0 is lost: no heartbeat for 5s", within: 6 * time.Second,
		},
		"a worker leaves": {
			play: func(_ <-chan cluster.Envelope, send func(cluster.Message)) {
				send(cluster.Register{})
				send(cluster.Leaving{Reason: "out of memory"})
			},
			state: Failed, says: "worker w0 is lost: out of memory", within: time.Second,
		},
		"a cancel that nobody answers": {
			play:   obedient(func(m cluster.Message) bool { _, is := m.(cluster.Start); return is }),
			cancel: time.Second, state: Canceled, within: 8 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				started := time.Now()
				r := run(t, ctx, test.play)
				if r.State != test.state || (r.Err != nil) != (test.says != "") || r.Err != nil && r.Err.Error() != test.says {
					t.Errorf("got %s: %v, want %s: %s", r.State, r.Err, test.state, test.says)
				}
				if r.Err != nil && !errors.Is(r.Err, fault.ErrTransient) {
					t.Error("a lost worker is not transient")
				}
				if took := time.Since(started); took > test.within {
					t.Errorf("took %s, want at most %s", took, test.within)
				}
			})
		})
	}
}

func TestModulesAreGivenOutInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, t.Context(), func(inbox <-chan cluster.Envelope, send func(cluster.Message)) {
			send(cluster.Register{})
			<-inbox // registered
			prepare := (<-inbox).Message.(cluster.Prepare)
			for _, want := range []struct{ offset, size int }{{0, chunkSize}, {chunkSize, 5}, {chunkSize + 5, 0}} {
				send(cluster.ModuleRequest{SHA256: "00", Offset: want.offset})
				c := (<-inbox).Message.(cluster.ModuleChunk)
				if c.Total != chunkSize+5 || c.Offset != want.offset || len(c.Data) != want.size || c.Error != "" {
					t.Errorf("chunk at %d: %d of %d bytes, %q", c.Offset, len(c.Data), c.Total, c.Error)
				}
			}
			send(cluster.ModuleRequest{SHA256: "00", Offset: -1})
			if c := (<-inbox).Message.(cluster.ModuleChunk); c.Error == "" {
				t.Error("a negative offset is answered")
			}
			send(cluster.Failed{AttemptRef: prepare.AttemptRef})
			<-inbox // cancel
			send(cluster.Stopped{AttemptRef: prepare.AttemptRef})
		})
	})
}
