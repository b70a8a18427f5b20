package connector_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/connector/conntest"
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
