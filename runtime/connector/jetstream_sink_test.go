package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/connector/conntest"
	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/record"
)

// target is a stream that can be published to exactly once.
func target(t testing.TB, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>", "wasmill.commit." + name + ".>"}, Storage: jetstream.FileStorage, AllowAtomicPublish: true, AllowDirect: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// published are the subjects and values of a stream in its order, without markers.
func published(t testing.TB, url, name string) (subjects, values []string) {
	t.Helper()
	op := streamOf(url, name, "message", map[string]any{"subjects": []string{name + ".>"}})
	for _, text := range valuesOf(t, op, nil) {
		subject, rest, _ := strings.Cut(strings.TrimPrefix(text, `{"subject":"`), `"`)
		_, data, _ := strings.Cut(rest, `,"data":"`)
		subjects, values = append(subjects, subject), append(values, strings.TrimSuffix(data, `"}`))
	}
	return subjects, values
}

func stagedIn(t testing.TB, js jetstream.JetStream, name string) (int, error) {
	t.Helper()
	s, err := js.Stream(t.Context(), "WASMILL-STAGED-"+name)
	if err != nil {
		return 0, err
	}
	return int(s.CachedInfo().State.Msgs), nil
}

func TestJetStreamSinkConforms(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	for name, with := range map[string]map[string]any{
		"in one batch": {"batch": 1000},
		"batches of 2": {"batch": 2},
		"by subtask":   {"batch": 1000, "subject": "NAME.{subtask}"},
	} {
		t.Run(name, func(t *testing.T) {
			conntest.Sink(func(t *testing.T) conntest.Destination {
				stream := shared.name("sink")
				target(t, js, stream)
				all := map[string]any{"url": url, "stream": stream, "subject": stream + ".out", "keepStaged": int64(1e12)}
				for field, value := range with {
					if text, ok := value.(string); ok {
						value = strings.ReplaceAll(text, "NAME", stream)
					}
					all[field] = value
				}
				d := destination(sink("jetstream", "lines", all))
				d.Appends = true
				d.Visible = func() ([]string, error) {
					_, values := published(t, url, stream)
					return values, nil
				}
				d.Staged = func() (int, error) { return stagedIn(t, js, stream) }
				return d
			}).Run(t)
		})
	}
}

func TestJetStreamSinkSubjects(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("subjects")
	target(t, js, name)
	op := streamSink(url, name, map[string]any{"subject": name + ".{key}.s{subtask}", "keyHeader": "Key"})
	s, err := connector.OpenSink(t.Context(), op, at("out", 0, 1, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, key := range []string{"eu", "a.b c", "*>%", "", "_", "é"} {
		if err := s.Write(batchOf(record.Record{Key: []byte(key), Value: []byte("v" + key)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(batchOf(record.Record{Kind: record.KeyAbsent, Value: []byte("none")})); err != nil {
		t.Fatal(err)
	}
	tx, err := s.(operator.TwoPhaseSink).Prepare(1)
	if err == nil {
		err = commit(t, op, tx)
	}
	if err != nil {
		t.Fatal(err)
	}
	subjects, _ := published(t, url, name)
	want := []string{"eu", "a%2Eb%20c", "%2A%3E%25", "_", "%5F", "%C3%A9", "_"}
	for i := range want {
		want[i] = name + "." + want[i] + ".s0"
	}
	if !slices.Equal(subjects, want) {
		t.Errorf("subjects are %q, want %q", subjects, want)
	}
	got := read(t, streamOf(url, name, "lines", map[string]any{"subjects": []string{name + ".>"}, "keyFrom": "header Key", "start": "all"})).Records
	for i, key := range []string{"eu", "a.b c", "*>%", "", "_", "é"} {
		if want := fmt.Sprintf("insert key=%q value=%q time=", key, "v"+key); !strings.HasPrefix(got[i], want) || !strings.HasSuffix(got[i], "kind=0") {
			t.Errorf("record %d is %s, want %s", i, got[i], want)
		}
	}
	if !strings.HasSuffix(got[6], "kind=4") {
		t.Errorf("without a key: %s", got[6])
	}
}

func TestJetStreamSinkEncodesJSON(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("json")
	target(t, js, name)
	op := streamSink(url, name, nil)
	op.Format.Encode = "json"
	s, err := connector.OpenSink(t.Context(), op, at("out", 0, 1, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(batchOf(record.Record{Kind: record.UpdateAfter, Timestamp: 5, Key: []byte("k"), Value: []byte("v")})); err != nil {
		t.Fatal(err)
	}
	tx, err := s.(operator.TwoPhaseSink).Prepare(1)
	if err == nil {
		err = commit(t, op, tx)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := valuesOf(t, streamOf(url, name, "json", nil), nil)
	if want := []string{`{"key":"k","value":"v","time":5,"change":"update-after"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A server takes batches of 1,000 unless told otherwise: the sink finds out.
func TestJetStreamSinkFindsTheBatchSize(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("batches")
	stream := target(t, js, name)
	op := streamSink(url, name, map[string]any{"batch": 5000})
	want := numbered(6000)
	_, tx := staged(t, op, nil, 1, want...)
	acts := 0
	c, err := connector.Watched(op, func() error { acts++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	if _, got := published(t, url, name); !slices.Equal(got, want) {
		t.Errorf("%d values come out, want %d: the same", len(got), len(want))
	}
	if _, err := stream.Info(t.Context()); err != nil || acts < 7 || acts > 12 {
		t.Errorf("%d acts (%v), want one for each of 7 batches and few more", acts, err)
	}
}

// Records of any size that a message can have come through, several chunks of them.
func TestJetStreamSinkSizes(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	name := shared.name("sizes")
	target(t, js, name)
	op := streamSink(url, name, nil)
	var want []string
	for i := range 40 {
		want = append(want, strings.Repeat(string(rune('a'+i%26)), []int{0, 1, 200, 70_000, 300_000, 1_000_000}[i%6]))
	}
	s, tx := staged(t, op, nil, 1, want...)
	if err := commit(t, op, tx); err != nil {
		t.Fatal(err)
	}
	if _, got := published(t, url, name); !slices.Equal(got, want) {
		t.Errorf("%d values come out, want %d: the same", len(got), len(want))
	}
	err := s.Write(batchOf(record.Record{Value: make([]byte, 1<<20)}))
	wantFault(t, err, "stream "+name, "write record: it has 1048", "max_payload")
}

func TestJetStreamSinkRefuses(t *testing.T) {
	url := shared.url(t)
	js := client(t, url)
	plain, short := shared.name("plain"), shared.name("short")
	makeStream(t, js, plain, plain+".>")
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: short, Subjects: []string{short + ".>"}, AllowAtomicPublish: true}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, stream, subject string
		problem, hint         string
	}{
		{"no stream", "NONE", "x", "there is no such stream", "nats stream add NONE"},
		{"no atomic batches", plain, plain + ".x", "it takes no atomic batches", "nats stream edit " + plain + " --allow-batch"},
		{"another subject", short, "other.{key}", "it does not take other.*", "publish to one of them"},
		{"no place for markers", short, short + ".x", "it does not take wasmill.commit." + short + ".>", "add it to the stream's subjects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := streamSink(url, c.stream, map[string]any{"subject": c.subject})
			_, err := connector.OpenSink(t.Context(), op, at("out", 0, 1, nil, nil))
			wantFault(t, err, "stream "+c.stream, c.problem, c.hint)
		})
	}
	made := shared.name("made")
	_, tx := staged(t, streamSink(url, made, map[string]any{"create": true, "replicas": 1, "subject": made + ".{key}"}), nil, 1, "a")
	if err := commit(t, streamSink(url, made, nil), tx); err != nil {
		t.Fatal(err)
	}
	if _, got := published(t, url, made); !slices.Equal(got, []string{"a"}) {
		t.Errorf("a stream that was made has %q", got)
	}
}

func TestStreamTransactionsAreNotTrusted(t *testing.T) {
	good := `{"stream":"S","marker":"wasmill.commit.S.d.j.o.0","staged":"wasmill.staged.S.d.j.o.0.x","checkpoint":1,"chunks":1,"records":1}`
	c, err := connector.OpenCommitter(streamSink("nats://127.0.0.1:1", "S", nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"S"`, `"S.T"`}, {`"S"`, `""`}, {"wasmill.commit.S", "wasmill.commit.T"}, {"o.0.x", ">"}, {"wasmill.staged.S.d", "orders.S.d"}, {`"chunks":1`, `"chunks":0`}, {`"records":1`, `"records":0`}, {"{", "["},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		for name, end := range map[string]func(context.Context, operator.Transaction) error{"commit": c.Commit, "abort": c.Abort} {
			if err := end(t.Context(), operator.Transaction(bad)); !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("%s %s: got error %v, want a corruption", name, bad, err)
			}
		}
	}
}
