package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

func streamSink(url, stream string, more map[string]any) *graph.Operator {
	with := map[string]any{"url": url, "stream": stream, "subject": stream + ".out", "keepStaged": int64(time.Hour), "batch": 100}
	for name, value := range more {
		with[name] = value
	}
	return sink("jetstream", "lines", with)
}

// staged is a sink that wrote values and prepared them.
func staged(t testing.TB, op *graph.Operator, restore []operator.Split, checkpoint uint64, values ...string) (operator.TwoPhaseSink, operator.Transaction) {
	t.Helper()
	s, err := connector.OpenSink(t.Context(), op, at("out", 0, 1, restore, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, v := range values {
		if err := s.Write(batchOf(record.Record{Kind: record.KeyAbsent, Value: []byte(v)})); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := s.(operator.TwoPhaseSink).Prepare(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	return s.(operator.TwoPhaseSink), tx
}

func commit(t testing.TB, op *graph.Operator, tx operator.Transaction) error {
	t.Helper()
	c, err := connector.OpenCommitter(op)
	if err != nil {
		t.Fatal(err)
	}
	return c.Commit(t.Context(), tx)
}

func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%06d", i))
	}
	return all
}

// The server is killed at a random place of the commit, which goes on when it is back.
func TestCommitOutlivesItsServer(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	js := client(t, server.URL)
	target(t, js, "OUT")
	op := streamSink(server.URL, "OUT", nil)
	var want []string
	restore := []operator.Split(nil)
	for round := range 4 {
		values := numbered(3000 * (round + 1))[len(want):]
		want = append(want, values...)
		s, tx := staged(t, op, restore, uint64(round+1), values...)
		s.Close()
		restore = []operator.Split{}
		var acts atomic.Int32
		kill, killed := make(chan struct{}), make(chan struct{})
		c, err := connector.Watched(op, func() error {
			if acts.Add(1) == int32(3+round*7) {
				close(kill)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(killed)
			<-kill
			server.Kill()
		}()
		committed := make(chan error, 1)
		go func() { committed <- c.Commit(context.Background(), tx) }()
		<-killed
		server.Again(t)
		if err := <-committed; err != nil {
			t.Fatal(err)
		}
	}
	if _, got := published(t, server.URL, "OUT"); !slices.Equal(got, want) {
		t.Errorf("%d values are published, want %d, the same in the same order", len(got), len(want))
	}
	if n, err := stagedIn(t, js, "OUT"); n != 0 || err != nil {
		t.Errorf("%d chunks are left (%v)", n, err)
	}
}

// What was published in part before an outage that no window of duplicates covers is
// not published again.
func TestCommitAfterTheDuplicateWindow(t *testing.T) {
	const window = 100 * time.Millisecond // the shortest there is
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("window")
	stream := target(t, js, name)
	config := stream.CachedInfo().Config
	config.Duplicates = window
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	op := streamSink(url, name, nil)
	values := numbered(1000)
	_, tx := staged(t, op, nil, 1, values...)
	acts, died := 0, errors.New("died")
	c, err := connector.Watched(op, func() error {
		if acts++; acts == 5 {
			return died
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context(), tx); !errors.Is(err, died) {
		t.Fatalf("got error %v, want its death", err)
	}
	_, part := published(t, url, name)
	if len(part) == 0 || len(part) == len(values) {
		t.Fatalf("%d are published: the test shows nothing", len(part))
	}
	_, err = js.Publish(t.Context(), name+".other", []byte("first"), jetstream.WithMsgID("id"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the window to pass", func() bool {
		ack, err := js.Publish(t.Context(), name+".other", []byte("again"), jetstream.WithMsgID("id"))
		return err == nil && !ack.Duplicate
	})
	if err := commit(t, op, tx); err != nil {
		t.Fatal(err)
	}
	_, all := published(t, url, name)
	all = slices.DeleteFunc(all, func(v string) bool { return v == "first" || v == "again" })
	if !slices.Equal(all, values) {
		t.Errorf("%d are published, want each of %d once", len(all), len(values))
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20s: %s", what)
		}
	}
}

func TestCommitsOfOneStreamTransactionAtOnce(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("once")
	target(t, js, name)
	op := streamSink(url, name, map[string]any{"batch": 20})
	var want []string
	restore := []operator.Split(nil)
	for round := range 5 {
		values := numbered(500 * (round + 1))[len(want):]
		want = append(want, values...)
		s, tx := staged(t, op, restore, uint64(round+1), values...)
		restore = []operator.Split{}
		begin := make(chan struct{})
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				<-begin
				if err := commit(t, op, tx); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		group.Wait()
		s.Close()
	}
	if _, got := published(t, url, name); !slices.Equal(got, want) {
		t.Errorf("%d values are published, want %d, the same in the same order", len(got), len(want))
	}
}

// What is lost is told, with what it was.
func TestCommitTellsWhatIsLost(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	for name, c := range map[string]struct {
		lose    func(stream jetstream.Stream, tx operator.Transaction, op *graph.Operator)
		problem string
	}{
		"an outage longer than staged data are kept": {func(stream jetstream.Stream, _ operator.Transaction, _ *graph.Operator) {
			beside, err := js.Stream(t.Context(), "WASMILL-STAGED-"+stream.CachedInfo().Config.Name)
			if err == nil {
				err = beside.Purge(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "records 1 to 300 of checkpoint 7, subtask 0, were staged, are gone and not published"},
		"another run began from nothing": {func(stream jetstream.Stream, _ operator.Transaction, op *graph.Operator) {
			staged(t, op, nil, 1, "new")
		}, "records 1 to 300 of checkpoint 7"},
		"the marker was dropped": {func(stream jetstream.Stream, _ operator.Transaction, _ *graph.Operator) {
			publish(t, js, stream.CachedInfo().Config.Name+".other", "x")
			if err := stream.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, "nobody knows whether the 300 records of checkpoint 7 were published"},
	} {
		t.Run(name, func(t *testing.T) {
			name := shared.name("lost")
			stream := target(t, js, name)
			op := streamSink(url, name, nil)
			_, tx := staged(t, op, nil, 7, numbered(300)...)
			c.lose(stream, tx, op)
			err := commit(t, op, tx)
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got error %v, want %q", err, c.problem)
			}
			if _, got := published(t, url, name); slices.Contains(got, "000000") {
				t.Error("something is published")
			}
		})
	}
}

// A stream that dropped its markers while a sink had nothing to say is no problem.
func TestCommitWithoutAMarker(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("idle")
	stream := target(t, js, name)
	op := streamSink(url, name, nil)
	s, tx := staged(t, op, nil, 1, "a")
	if err := commit(t, op, tx); err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(batchOf(record.Record{Kind: record.KeyAbsent, Value: []byte("b")})); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Prepare(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(commit(t, op, tx), commit(t, op, tx)); err != nil {
		t.Fatal(err)
	}
	if _, got := published(t, url, name); !slices.Equal(got, []string{"b"}) {
		t.Errorf("published are %q", got)
	}
}
