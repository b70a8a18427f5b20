package connector_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/connector/conntest/natstest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

func streamOf(url, stream, decode string, more map[string]any) *graph.Operator {
	with := map[string]any{"url": url, "stream": stream, "end": "latest"}
	for name, value := range more {
		with[name] = value
	}
	return source("jetstream", graph.Format{Decode: decode}, with)
}

// values are what a source of one subtask gives to its end.
func valuesOf(t testing.TB, op *graph.Operator, restore []operator.Split) []string {
	t.Helper()
	c := &valueCollector{}
	conntest.Drain(t, openSource(t, op, at("in", 0, 1, restore, c)), 1000)
	return c.values
}

// valueCollector keeps values, as texts.
type valueCollector struct {
	conntest.Recorder
	values []string
}

func (c *valueCollector) Emit(output int, batch []byte) error {
	for r := record.NewCursor(batch); r.Next(); {
		c.values = append(c.values, string(r.Value))
	}
	return c.Recorder.Emit(output, batch)
}

func TestJetStreamSourceConforms(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	for name, with := range map[string]map[string]any{
		"one filter":        {},
		"several filters":   {"subjects": []string{"NAME.a.*", "NAME.b.*", "NAME.c.>"}},
		"filters cut in 4":  {"subjects": []string{"NAME.a.*", "NAME.>"}[1:], "partitions": 4},
		"key and time":      {"keyFrom": "subject 3"},
		"behind a sequence": {"start": "sequence 4"},
	} {
		t.Run(name, func(t *testing.T) {
			stream := shared.name("conform")
			makeStream(t, js, stream, stream+".>")
			for i := range 40 {
				publish(t, js, fmt.Sprintf("%s.%c.%d", stream, 'a'+i%3, i%7), fmt.Sprintf(`{"n":%d}`, i))
			}
			publish(t, js, stream+".a.0", "no JSON")
			if list, ok := with["subjects"].([]string); ok {
				own := slices.Clone(list)
				for i := range own {
					own[i] = strings.ReplaceAll(own[i], "NAME", stream)
				}
				with["subjects"] = own
			}
			records := 41
			if with["start"] != nil {
				records = 38
			}
			op := streamOf(url, stream, "json", with)
			conntest.Source{
				Open: func(c operator.Collector, subtask, parallelism int, restore []operator.Split) (operator.Source, error) {
					return connector.OpenSource(t.Context(), op, at("in", subtask, parallelism, restore, c))
				},
				Records: records,
			}.Run(t)
		})
	}
}

func TestJetStreamSourceStarts(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("starts")
	makeStream(t, js, name, name+".>")
	publish(t, js, name+".a", "1", "2")
	m, err := js.PublishMsg(t.Context(), nats.NewMsg(name+".a"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	third, err := stream.GetMsg(t.Context(), m.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, js, name+".b", "4")
	publish(t, js, name+".a", "5")
	for start, want := range map[string]string{
		"all": "1 2  4 5", "new": "", "sequence 2": "2  4 5", "sequence 9": "",
		"time " + third.Time.UTC().Format(time.RFC3339Nano): " 4 5",
		"time 2020-01-01T00:00:00Z":                         "1 2  4 5",
		"time 2100-01-01T00:00:00Z":                         "",
	} {
		if got := strings.Join(valuesOf(t, streamOf(url, name, "lines", map[string]any{"start": start}), nil), " "); got != want {
			t.Errorf("start %s: got %q, want %q", start, got, want)
		}
	}
	if got := valuesOf(t, streamOf(url, name, "lines", map[string]any{"subjects": []string{name + ".b", name + ".none"}}), nil); !slices.Equal(got, []string{"4"}) {
		t.Errorf("of one subject: %q", got)
	}
}

// Without an end, what comes later is read when it comes.
func TestJetStreamSourceWaits(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("waits")
	makeStream(t, js, name, name)
	c := &valueCollector{}
	s := openSource(t, streamOf(url, name, "lines", map[string]any{"start": "new", "end": "never"}), at("in", 0, 1, nil, c))
	for i := range 3 {
		if status, err := s.Poll(10); err != nil || status != operator.Idle {
			t.Fatalf("status %v, error %v, want idle", status, err)
		}
		publish(t, js, name, fmt.Sprint(i))
		<-s.Ready()
		if _, err := s.Poll(10); err != nil || len(c.values) != i+1 {
			t.Fatalf("got %q (%v)", c.values, err)
		}
		if p := s.Position(); len(p) != 1 || p[0].Position != fmt.Sprint(i+1) {
			t.Errorf("stands at %v", p)
		}
	}
}

func TestJetStreamSourceMakesRecords(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("records")
	makeStream(t, js, name, name+".>")
	m := nats.NewMsg(name + ".eu.7")
	m.Data = []byte(`{"id":"x","at":5}`)
	m.Header.Set("Key", "k")
	ack, err := js.PublishMsg(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	stream, _ := js.Stream(t.Context(), name)
	raw, err := stream.GetMsg(t.Context(), ack.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	stored := raw.Time.UnixMilli()
	for _, c := range []struct {
		name   string
		format graph.Format
		from   string
		want   string
	}{
		{"plain", graph.Format{Decode: "lines"}, "none", fmt.Sprintf(`insert key="" value="{\"id\":\"x\",\"at\":5}" time=%d kind=4`, stored)},
		{"key from the subject", graph.Format{Decode: "lines"}, "subject", fmt.Sprintf(`insert key=%q value="{\"id\":\"x\",\"at\":5}" time=%d kind=0`, name+".eu.7", stored)},
		{"key from a token", graph.Format{Decode: "lines"}, "subject 2", fmt.Sprintf(`insert key="eu" value="{\"id\":\"x\",\"at\":5}" time=%d kind=0`, stored)},
		{"no such token", graph.Format{Decode: "lines"}, "subject 4", fmt.Sprintf(`insert key="" value="{\"id\":\"x\",\"at\":5}" time=%d kind=4`, stored)},
		{"key from a header", graph.Format{Decode: "lines"}, "header Key", fmt.Sprintf(`insert key="k" value="{\"id\":\"x\",\"at\":5}" time=%d kind=0`, stored)},
		{"key and time from fields", graph.Format{Decode: "json", KeyField: "id", Timestamp: "field", TimestampField: "at", TimestampUnit: "ms"}, "subject", `insert key="x" value="{\"id\":\"x\",\"at\":5}" time=5 kind=0`},
		{"the whole message", graph.Format{Decode: "message", KeyField: "headers.Key"}, "none",
			fmt.Sprintf(`insert key="k" value=%q time=%d kind=0`, fmt.Sprintf(`{"subject":"%s.eu.7","sequence":1,"time":%d,"headers":{"Key":"k"},"data":{"id":"x","at":5}}`, name, stored), stored)},
	} {
		op := streamOf(url, name, "", map[string]any{"keyFrom": c.from})
		op.Format = c.format
		if got := read(t, op).Records; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestJetStreamSourceRefuses(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("refuses")
	stream := makeStream(t, js, name, name+".>")
	publish(t, js, name+".a", "1", "2", "3", "4", "5", "6")
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(5)); err != nil {
		t.Fatal(err)
	}
	queue := shared.name("queue")
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: queue, Subjects: []string{queue}, Retention: jetstream.WorkQueuePolicy}); err != nil {
		t.Fatal(err)
	}
	at2 := []operator.Split{{ID: ">", Position: "2"}}
	for _, c := range []struct {
		name    string
		op      *graph.Operator
		restore []operator.Split
		place   string
		problem string
		hint    string
	}{
		{"no server", streamOf("nats://127.0.0.1:1", name, "lines", nil), nil, "nats://127.0.0.1:1", "connect to NATS", "is the server there?"},
		{"no stream", streamOf(url, "NONE", "lines", nil), nil, "stream NONE", "there is no such stream", "nats stream add NONE"},
		{"a work queue", streamOf(url, queue, "lines", nil), nil, "stream " + queue, "forgets messages that were acknowledged", "that sources it"},
		{"overlap", streamOf(url, name, "lines", map[string]any{"subjects": []string{"a.*", "a.b"}}), nil, "with.subjects", "a.* and a.b overlap", "do not overlap"},
		{"messages gone", streamOf(url, name, "lines", nil), at2, "stream " + name, "messages 3 to 4 are gone", "missing: skip"},
		{"a stream made anew", streamOf(url, name, "lines", nil), []operator.Split{{ID: ">", Position: "7"}}, "stream " + name, "7 messages of it were read, and it has only had 6", "from nothing"},
		{"a password file that is not there", streamOf(url, name, "lines", map[string]any{"user": "me", "passwordFile": "/none"}), nil, "/none", "read secret: no such file", "where the operator runs"},
		{"bad position", streamOf(url, name, "lines", nil), []operator.Split{{ID: ">", Position: "x"}}, "stream " + name, `split ">" can't stand at "x"`, ""},
		{"bad split", streamOf(url, name, "lines", nil), []operator.Split{{ID: ">#4/4", Position: "1"}}, "stream " + name, `split ">#4/4" can't stand at "1"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := connector.OpenSource(t.Context(), c.op, at("in", 0, 1, c.restore, &conntest.Recorder{}))
			var f *fault.Error
			if !errors.As(err, &f) || f.Place != c.place || !strings.Contains(f.Error(), c.problem) || !strings.Contains(f.Hint, c.hint) {
				t.Errorf("got %v (%+v)", err, f)
			}
		})
	}
	skip := streamOf(url, name, "lines", map[string]any{"missing": "skip", "end": "never"})
	c := &valueCollector{}
	s := openSource(t, skip, at("in", 0, 1, at2, c))
	for len(c.values) < 2 {
		if status, err := s.Poll(10); err != nil {
			t.Fatal(err)
		} else if status == operator.Idle {
			<-s.Ready()
		}
	}
	if !slices.Equal(c.values, []string{"5", "6"}) {
		t.Errorf("skipped what is gone and read %q", c.values)
	}
}

// A server that is killed and comes back with its files goes on where it was.
func TestJetStreamSourceOutlivesItsServer(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	js := client(t, server.URL)
	makeStream(t, js, "IN", "in")
	c := &valueCollector{}
	s := openSource(t, streamOf(server.URL, "IN", "lines", map[string]any{"end": "never"}), at("in", 0, 1, nil, c))
	var want []string
	for round := range 3 {
		for i := range 500 {
			want = append(want, fmt.Sprint(round, " ", i))
			publish(t, js, "in", want[len(want)-1])
		}
		for len(c.values) < len(want)-100*(round%2) {
			status, err := s.Poll(50)
			if err != nil {
				t.Fatal(err)
			}
			if status == operator.Idle {
				<-s.Ready()
			}
		}
		server.Kill()
		server.Again(t)
		for deadline := time.Now().Add(10 * time.Second); ; {
			if _, err := js.Stream(t.Context(), "IN"); err == nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	publish(t, js, "in", "last")
	want = append(want, "last")
	for len(c.values) < len(want) {
		status, err := s.Poll(50)
		if err != nil {
			t.Fatal(err)
		}
		if status == operator.Idle {
			<-s.Ready()
		}
	}
	if !slices.Equal(c.values, want) {
		t.Errorf("got %d records, want %d: the same", len(c.values), len(want))
	}
	if p := s.Position()[0].Position; p != fmt.Sprint(len(want)) {
		t.Errorf("stands at %s, want %d", p, len(want))
	}
}

// A stream that was made anew while its server was away is noticed.
func TestJetStreamSourceNoticesAWipe(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	js := client(t, server.URL)
	makeStream(t, js, "IN", "in")
	publish(t, js, "in", "1", "2", "3")
	c := &valueCollector{}
	s := openSource(t, streamOf(server.URL, "IN", "lines", map[string]any{"end": "never"}), at("in", 0, 1, nil, c))
	for len(c.values) < 3 {
		if _, err := s.Poll(50); err != nil {
			t.Fatal(err)
		}
	}
	if err := js.DeleteStream(t.Context(), "IN"); err != nil {
		t.Fatal(err)
	}
	makeStream(t, js, "IN", "in")
	server.Kill()
	server.Again(t)
	for deadline := time.After(20 * time.Second); ; {
		_, err := s.Poll(50)
		if err != nil && (strings.Contains(err.Error(), "3 messages of it were read, and it has only had 0") || strings.Contains(err.Error(), "there is no such stream")) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Ready():
		case <-deadline:
			t.Fatal("nobody noticed")
		}
	}
}

// A source whose subject is quiet goes along with its stream, and misses nothing when
// what others published is dropped.
func TestJetStreamSourceFollowsItsStream(t *testing.T) {
	defer connector.LookOften()()
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("follows")
	stream := makeStream(t, js, name, name+".>")
	publish(t, js, name+".mine", "1")
	publish(t, js, name+".other", "2", "3", "4")
	c := &valueCollector{}
	op := streamOf(url, name, "lines", map[string]any{"subjects": []string{name + ".mine"}, "end": "never"})
	s := openSource(t, op, at("in", 0, 1, nil, c))
	waitFor(t, "it stands at the end of the stream", func() bool {
		if _, err := s.Poll(10); err != nil {
			t.Fatal(err)
		}
		return s.Position()[0].Position == "4"
	})
	position := s.Position()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, js, name+".mine", "5")
	s = openSource(t, op, at("in", 0, 1, position, c))
	waitFor(t, "it goes on", func() bool {
		if _, err := s.Poll(10); err != nil {
			t.Fatal(err)
		}
		return len(c.values) == 2
	})
	if !slices.Equal(c.values, []string{"1", "5"}) {
		t.Errorf("read %q", c.values)
	}
}

func TestJetStreamSourceIsBounded(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("bounded")
	makeStream(t, js, name, name)
	big := strings.Repeat("x", 100<<10)
	for range 200 {
		publish(t, js, name, big)
	}
	c := &valueCollector{}
	op := streamOf(url, name, "lines", nil)
	s := openSource(t, op, at("in", 0, 1, nil, c))
	var most int
	for {
		status, err := s.Poll(1000)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, connector.Queued(s))
		if status == operator.End {
			break
		}
		if status == operator.Idle {
			<-s.Ready()
		}
	}
	if limit := 8<<20 + len(big) + 100; len(c.values) != 200 || most > limit {
		t.Errorf("%d records, %d bytes in the queue, want 200 and %d at most", len(c.values), most, limit)
	}
}
